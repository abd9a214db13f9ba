import type { Real, View } from '../../results/schema.ts';
import type { Side } from '../definition.ts';
import { real } from '../statistics.ts';
import type { DimensionEstimate } from './dimension-estimators.ts';

export interface LayerDimension {
  label: string;
  estimate: DimensionEstimate;
  dimension: Real;
  interval?: { low: Real; high: Real };
}

const bins = 40;
const mostPoints = 1000;
const mostCurves = 12;
const mostRanks = 100;

/** A profile over layers, or what one matrix's estimate was made from; and a table. */
export function dimensionViews(side: Side, layers: readonly LayerDimension[]): View[] {
  const only = layers.length === 1 ? layers[0]! : undefined;
  const banded = layers.some(({ interval }) => interval);
  return [
    ...(only ? [] : [profile(side, layers, banded)]),
    ...(layers.some(({ estimate }) => estimate.scales) ? [overScales(layers)] : []),
    ...(only ? details(only) : []),
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

/** gride: a plateau is the scale at which the samples have one dimension. */
function overScales(layers: readonly LayerDimension[]): View {
  const stride = Math.ceil(layers.length / mostCurves);
  const shown = layers.filter((_, at) => at % stride === 0);
  const longest = shown.reduce((a, b) =>
    b.estimate.scales!.length > a.estimate.scales!.length ? b : a,
  );
  return {
    kind: 'line',
    title: 'Dimension over scales',
    x: {
      name: 'n1: distances to neighbours n1 and 2·n1',
      values: longest.estimate.scales!.map(({ n1 }) => n1),
      log: true,
    },
    y: { name: 'dimension' },
    series: shown.map(({ label, estimate }) => ({
      name: label,
      values: estimate.scales!.map(({ dimension }) => real(dimension)),
    })),
  };
}

/** What the estimate of the only layer was made from. */
function details(layer: LayerDimension): View[] {
  const { fit, perPoint, criterion } = layer.estimate;
  const views = [fit && fitted(layer), perPoint && histogram(perPoint), criterion && ranks(layer)];
  return views.filter((view) => view !== undefined);
}

/** lpca: where the values cross what they are compared with. */
function ranks({ estimate, dimension }: LayerDimension): View {
  const { name, values, limits } = estimate.criterion!;
  const shown = Math.min(values.length, Math.max(mostRanks, 2 * (dimension ?? 0)));
  const series = [{ name, values: Array.from(values.subarray(0, shown), real) }];
  if (limits) series.push({ name: 'limit', values: Array.from(limits.subarray(0, shown), real) });
  return {
    kind: 'line',
    title: `Components kept: ${dimension ?? 'none'}`,
    x: { name: 'rank', values: Array.from({ length: shown }, (_, i) => i + 1) },
    y: { name },
    series,
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

function histogram(perPoint: Float64Array): View | undefined {
  const values = perPoint.filter(Number.isFinite).sort();
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
