import type { View } from '../../results/schema.ts';
import type { Side } from '../definition.ts';
import { real } from '../statistics.ts';
import type { LayerIsotropy } from './isotropy.ts';
import { profileView } from './profile-view.ts';

const mostUnits = 30;
const mostListed = 100;

/** Profiles over layers, the widest units of a single layer, and what stands out. */
export function isotropyViews(
  side: Side,
  layers: readonly LayerIsotropy[],
  outlierFactor: number,
): View[] {
  const massive = layers.flatMap(({ label, massive: found }) =>
    found.map(({ sample, unit, value }) => [label, sample, unit, value]),
  );
  return [
    ...profileView(side, 'Anisotropy over layers', 'mean cosine', {
      anisotropy: layers.map(({ anisotropy }) => anisotropy),
    }),
    ...profileView(side, 'Spread of unit vectors over layers', 'share of 1/√d', {
      'channelStd·√d': layers.map(({ channelStd, relative }) =>
        channelStd === null ? null : channelStd * Math.sqrt(relative.length),
      ),
    }),
    ...(layers.length === 1 ? widest(layers[0]!, outlierFactor) : []),
    {
      kind: 'table',
      title: 'Isotropy',
      columns: ['layer', 'anisotropy', 'channelStd', 'outlier units', 'massive'],
      rows: layers.map(({ label, anisotropy, channelStd, outlierDims, massive: found }) => [
        label,
        anisotropy,
        channelStd,
        listed(outlierDims),
        found.length,
      ]),
    },
    ...(massive.length === 0
      ? []
      : [
          {
            kind: 'table' as const,
            title: 'Massive activations',
            columns: ['layer', 'sample', 'unit', 'value'],
            rows: massive.slice(0, mostListed),
          },
        ]),
  ];
}

const named = 8;
const listed = (units: readonly number[]) =>
  units.length <= named
    ? units.join(', ') || 'none'
    : `${units.slice(0, named).join(', ')} and ${units.length - named} more`;

function widest({ relative }: LayerIsotropy, outlierFactor: number): View[] {
  const units = [...relative.keys()]
    .sort((a, b) => relative[b]! - relative[a]!)
    .slice(0, mostUnits);
  if (!Number.isFinite(relative[units[0]!])) return [];
  return [
    {
      kind: 'bars',
      title: `Units of most variance; outliers reach ${outlierFactor}`,
      x: { name: 'unit', values: units.map(String) },
      y: { name: 'variance in units of the mean' },
      series: [{ name: 'variance', values: units.map((unit) => real(relative[unit]!)) }],
    },
  ];
}
