import type { Real, View } from '../../results/schema.ts';
import type { Side } from '../definition.ts';

export const necoKeys = ['auroc', 'fpr95', 'inScore', 'outScore', 'nc5'] as const;

/** What was found of one layer. */
export interface LayerNeco {
  label: string;
  values: Record<(typeof necoKeys)[number], Real>;
  inScores: Float64Array;
  outScores: Float64Array;
}

const bins = 40;
/** Points of the curve of both error rates. */
const mostPoints = 200;

/** Profiles over layers, both sets of scores of the last layer, and every value. */
export function necoViews(first: Side, layers: readonly LayerNeco[]): View[] {
  const last = layers.findLast(({ inScores }) => inScores.length > 0);
  const of = last && layers.length > 1 ? ` of ${last.label}` : '';
  return [
    ...(layers.length > 1
      ? [
          {
            kind: 'line' as const,
            title: 'Detection over layers',
            x: { name: first.name, values: layers.map(({ label }) => label) },
            y: { name: 'share' },
            series: (['auroc', 'fpr95'] as const).map((key) => ({
              name: key,
              values: layers.map(({ values }) => values[key]),
            })),
          },
        ]
      : []),
    ...(last ? [distributions(last, of), curve(last, of)] : []),
    {
      kind: 'table',
      title: 'NECO',
      columns: ['layer', ...necoKeys],
      rows: layers.map(({ label, values }) => [label, ...necoKeys.map((key) => values[key])]),
    },
  ];
}

/** Both sets of scores over the same bins. */
function distributions({ inScores, outScores }: LayerNeco, of: string): View {
  const all = [...inScores, ...outScores];
  const low = all.reduce((least, score) => Math.min(least, score), 1);
  const high = all.reduce((most, score) => Math.max(most, score), 0);
  const width = (high - low) / bins || 1;
  const counted = (scores: Float64Array) => {
    const counts = Array<number>(bins).fill(0);
    for (const score of scores) counts[Math.min(bins - 1, Math.floor((score - low) / width))]! += 1;
    return counts.map((count) => count / scores.length);
  };
  return {
    kind: 'line',
    title: `Scores${of}`,
    x: {
      name: 'score',
      values: Array.from({ length: bins }, (_, bin) =>
        Number((low + (bin + 0.5) * width).toPrecision(4)),
      ),
    },
    y: { name: `share of samples in each of ${bins} bins` },
    series: [
      { name: 'in distribution', values: counted(inScores) },
      { name: 'outside', values: counted(outScores) },
    ],
  };
}

/** Shares of both sets that pass, threshold by threshold. */
function curve({ inScores, outScores }: LayerNeco, of: string): View {
  const share = (scores: Float64Array, threshold: number) =>
    scores.filter((score) => score >= threshold).length / scores.length;
  const sorted = Float64Array.from([...inScores, ...outScores]).toSorted((a, b) => b - a);
  const points = Math.min(mostPoints, sorted.length);
  const thresholds = Array.from(
    { length: points },
    (_, at) => sorted[Math.round((at * (sorted.length - 1)) / Math.max(1, points - 1))]!,
  );
  return {
    kind: 'scatter',
    title: `Receiver operating characteristic${of}`,
    x: { name: 'outside samples that pass' },
    y: { name: 'in-distribution samples that pass' },
    series: [
      {
        name: 'threshold',
        line: true,
        points: [
          [0, 0],
          ...thresholds.map((threshold): [number, number] => [
            share(outScores, threshold),
            share(inScores, threshold),
          ]),
        ],
      },
      {
        name: 'chance',
        line: true,
        points: [
          [0, 0],
          [1, 1],
        ],
      },
    ],
    square: true,
  };
}
