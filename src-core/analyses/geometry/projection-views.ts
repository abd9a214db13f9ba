import type { View } from '../../results/schema.ts';
import { classesOf, type Classes } from '../classes.ts';
import type { Side } from '../definition.ts';
import { real } from '../statistics.ts';

export interface LayerProjection {
  label: string;
  /** n × width. */
  coordinates: Float64Array;
  width: number;
  explained?: Float64Array;
}

const mostMaps = 6;
const mostPoints = 5000;
/** Classes that a person tells apart by colour. */
const mostClasses = 20;
const bins = 40;

/** Maps of some layers, classes as series; what components explain. */
export function projectionViews(
  side: Side,
  layers: readonly LayerProjection[],
  method: 'pca' | 'umap' | 'tsne',
): View[] {
  const shown = evenly(layers, mostMaps);
  const explained = layers.filter((layer) => layer.explained);
  return [
    ...shown.map((layer) => map(side, layer, method, layers.length > 1)),
    ...(explained.length === 0 ? [] : [shares(explained)]),
  ];
}

function evenly<T>(items: readonly T[], count: number): T[] {
  if (items.length <= count) return [...items];
  return Array.from(
    { length: count },
    (_, i) => items[Math.round((i * (items.length - 1)) / (count - 1))]!,
  );
}

function map(
  side: Side,
  { label, coordinates, width, explained }: LayerProjection,
  method: string,
  named: boolean,
): View {
  const title = `${method === 'pca' ? 'Principal components' : method === 'umap' ? 'UMAP' : 't-SNE'}${named ? ` of ${label}` : ''}`;
  if (width < 2) return histogram(title, coordinates);
  const n = coordinates.length / width;
  const stride = Math.ceil(n / mostPoints);
  const samples = Array.from({ length: Math.ceil(n / stride) }, (_, at) => at * stride);
  const axis = (c: number) => {
    if (!explained) return { name: `${c + 1}` };
    const share = explained[c]!;
    const shown = Number.isNaN(share) ? '' : ` (${(100 * share).toFixed(1)} %)`;
    return { name: `component ${c + 1}${shown}` };
  };
  return {
    kind: 'scatter',
    title: stride > 1 ? `${title}: one in ${stride} of ${n} samples` : title,
    x: axis(0),
    y: axis(1),
    square: true,
    series: seriesOf(side, samples).map(({ name, members }) => ({
      name,
      points: members.map((i): [number, number] => [
        coordinates[i * width]!,
        coordinates[i * width + 1]!,
      ]),
      labels: members.map((i) => (side.labels ? `sample ${i}: ${side.labels[i]!}` : `sample ${i}`)),
    })),
  };
}

function seriesOf(side: Side, samples: readonly number[]): { name: string; members: number[] }[] {
  const all = [{ name: 'samples', members: [...samples] }];
  if (side.labels === undefined) return all;
  const { names, index }: Classes = classesOf(side, 1);
  if (names.length > mostClasses) return all;
  return names
    .map((name, at) => ({ name, members: samples.filter((i) => index[i] === at) }))
    .filter(({ members }) => members.length > 0);
}

function histogram(title: string, values: Float64Array): View {
  const [low, high] = [
    values.reduce((a, b) => Math.min(a, b), Infinity),
    values.reduce((a, b) => Math.max(a, b), -Infinity),
  ];
  const width = (high - low) / bins || 1;
  const counts = new Array<number>(bins).fill(0);
  for (const value of values) counts[Math.min(bins - 1, Math.floor((value - low) / width))]! += 1;
  return {
    kind: 'histogram',
    title,
    x: { name: 'coordinate' },
    edges: Array.from({ length: bins + 1 }, (_, at) => low + at * width),
    counts,
  };
}

function shares(layers: readonly LayerProjection[]): View {
  const most = Math.max(...layers.map(({ width }) => width));
  return {
    kind: 'table',
    title: 'Share of the variance explained',
    columns: ['layer', ...Array.from({ length: Math.min(most, 10) }, (_, c) => `${c + 1}`)],
    rows: layers.map(({ label, explained }) => [
      label,
      ...Array.from({ length: Math.min(most, 10) }, (_, c) => real(explained![c] ?? NaN)),
    ]),
  };
}
