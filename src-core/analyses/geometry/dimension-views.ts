import type { Real, View } from '../../results/schema.ts';
import type { Side } from '../definition.ts';
import type { DimensionEstimate } from './dimension-estimators.ts';

export interface LayerDimension {
  label: string;
  estimate: DimensionEstimate;
  dimension: Real;
  interval?: { low: Real; high: Real };
}

const bins = 40;
const mostPoints = 1000;

/** A profile over layers, or what one matrix's estimate was made from; and a table. */
export function dimensionViews(side: Side, layers: readonly LayerDimension[]): View[] {
  const only = layers.length === 1 ? layers[0]! : undefined;
  const detail = only && (only.estimate.fit ? fitted(only) : perPoint(only));
  const banded = layers.some(({ interval }) => interval);
  return [
    ...(only ? [] : [profile(side, layers, banded)]),
    ...(detail ? [detail] : []),
    {
      kind: 'table',
      title: 'Intrinsic dimension',
      columns: ['layer', 'dimension', ...(banded ? ['2.5 %', '97.5 %'] : []), 'dropped'],
      rows: layers.map(({ label, dimension, interval, estimate }) => [
        label,
        dimension,
        ...(banded ? [interval?.low ?? null, interval?.high ?? null] : []),
        estimate.dropped,
      ]),
    },
  ];
}

function profile(side: Side, layers: readonly LayerDimension[], banded: boolean): View {
  return {
    kind: 'line',
    title: 'Intrinsic dimension over layers',
    x: { name: side.name, values: layers.map(({ label }) => label) },
    y: { name: 'dimension' },
    series: [
      {
        name: 'dimension',
        values: layers.map(({ dimension }) => dimension),
        ...(banded && {
          low: layers.map(({ interval }) => interval?.low ?? null),
          high: layers.map(({ interval }) => interval?.high ?? null),
        }),
      },
    ],
  };
}

/** TwoNN: a straight cloud says that one dimension describes the samples. */
function fitted({ estimate, dimension }: LayerDimension): View | undefined {
  const points = estimate.fit!;
  if (dimension === null) return undefined;
  const stride = Math.ceil(points.length / mostPoints);
  const last = points.at(-1)![0];
  return {
    kind: 'scatter',
    title: 'Distance ratios and the fitted line',
    x: { name: 'log μ' },
    y: { name: '−log(1 − F)' },
    series: [
      { name: 'samples', points: points.filter((_, at) => at % stride === 0) },
      {
        name: `slope ${dimension.toFixed(2)}`,
        points: [
          [0, 0],
          [last, last * dimension],
        ],
        line: true,
      },
    ],
  };
}

function perPoint({ estimate }: LayerDimension): View | undefined {
  const values = estimate.perPoint!.filter(Number.isFinite).sort();
  const [low, high] = [values[0], values.at(-1)];
  if (low === undefined || high === undefined || low === high) return undefined;
  const edges = Array.from({ length: bins + 1 }, (_, at) => low + ((high - low) * at) / bins);
  const counts = new Array<number>(bins).fill(0);
  for (const value of values) {
    counts[Math.min(bins - 1, Math.floor(((value - low) / (high - low)) * bins))]! += 1;
  }
  return {
    kind: 'histogram',
    title: 'Estimates at samples',
    x: { name: 'dimension' },
    edges,
    counts,
  };
}
