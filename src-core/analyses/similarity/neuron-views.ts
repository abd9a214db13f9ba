import type { View } from '../../results/schema.ts';
import type { Matched } from './neuron-match.ts';

/** Rows and columns of a picture, and points of a curve. */
const most = 200;

/**
 * The correlations of the units that match best, in the order of their matches, and how the largest
 * correlation of a unit compares with that after a rotation, over all units.
 */
export function neuronViews(
  { r, q, best, matching, baseline }: Matched,
  [first, second]: readonly [Int32Array, Int32Array],
  [nameA, nameB]: readonly [string, string],
): View[] {
  const { correlation, partner } = matching;
  const units = Array.from(correlation.keys())
    .filter((i) => partner[i]! >= 0)
    .sort((a, b) => correlation[b]! - correlation[a]!)
    .slice(0, most);
  const descending = (values: Float64Array) => {
    const sorted = values.slice().sort().reverse();
    const count = Math.min(most, sorted.length);
    return Array.from(
      { length: count },
      (_, at) => sorted[Math.round((at * (sorted.length - 1)) / Math.max(1, count - 1))]!,
    );
  };
  const count = Math.min(most, best.correlation.length);
  const positions = Array.from(
    { length: count },
    (_, at) => 1 + Math.round((at * (best.correlation.length - 1)) / Math.max(1, count - 1)),
  );
  return [
    {
      kind: 'line',
      title: 'Largest correlation of each unit, descending',
      x: { name: 'unit by rank', values: positions },
      y: { name: 'correlation' },
      series: [
        { name: nameB, values: descending(best.correlation) },
        { name: `${nameB} rotated`, values: descending(baseline) },
      ],
    },
    {
      kind: 'heatmap',
      title: 'Correlations of matched units, best matches first',
      x: { name: `unit of ${nameB}`, values: units.map((i) => String(second[partner[i]!]!)) },
      y: { name: `unit of ${nameA}`, values: units.map((i) => String(first[i]!)) },
      z: units.map((i) => units.map((k) => r[i * q + partner[k]!]!)),
      range: [-1, 1],
      colors: 'diverging',
      unit: 'correlation',
    },
  ];
}
