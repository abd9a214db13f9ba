import { z } from 'zod';
import type { View } from '../../results/schema.ts';
import { layersOfSets } from '../corresponding.ts';
import type { AnalysisContext, AnalysisDefinition, NamedRows, Side } from '../definition.ts';
import { checkRows, type CheckedRows } from '../layers.ts';
import { requireMemory } from '../memory.ts';
import { nearestNeighbours } from '../neighbours.ts';
import { overlap } from './precision-recall-balls.ts';
import { profileView } from './profile-view.ts';

const params = z.object({
  k: z
    .int()
    .min(1)
    .max(1000)
    .default(5)
    .describe('Each sample’s ball reaches to its k-th nearest neighbour in its own set'),
});

const keys = ['precision', 'recall', 'density', 'coverage'] as const;
type Scores = Record<(typeof keys)[number], number>;

export const precisionRecall: AnalysisDefinition<typeof params> = {
  id: 'precision-recall',
  family: 'geometry',
  title: 'Precision and recall of two sets',
  summary: 'Whether one set of samples lies where another does, and covers all of it.',
  arity: 2,
  relation: 'sets',
  params,
  values: {
    precision: 'share of the second set inside the balls of the first, 0 to 1',
    recall: 'share of the first set inside the balls of the second, 0 to 1',
    density:
      'mean number of balls of the first set that a sample of the second is inside, divided by k; 1 is expected of equal distributions, and it may be more',
    coverage: 'share of the first set’s balls that hold a sample of the second, 0 to 1',
  },
  headline: 'precision',
  formula: `The first set X (n samples) is the reference, e.g. real or training data; the second Y (m samples) is judged, e.g. generated or test data. B(x) is the open ball around x that reaches to the k-th nearest neighbour of x in its own set, itself left out; Euclidean distances.
precision = share of y ∈ Y in some B(x), x ∈ X; recall = share of x ∈ X in some B(y), y ∈ Y (Kynkäänniemi et al. 2019, eq. 1–2).
density = (1/(k·m)) Σ_y #{x : y ∈ B(x)}; coverage = (1/n) Σ_x [B(x) holds some y ∈ Y] (Naeem et al. 2020, eq. 3–4).
Of two models, corresponding layers are compared: of the same name, else of the same rank.`,
  invariances: [
    'orthogonal transformation of both sets alike (rotation, reflection, permutation of units)',
    'isotropic scaling of both',
    'translation of both',
    'permutation of the samples of either',
  ],
  invariantTo: ['permutation', 'orthogonal', 'scaling', 'translation'],
  misleads:
    'In high dimension precision and recall are not symmetric: a set a little inside the reference has precision 1 and recall near 0, one a little outside the reverse, although both are equally far. Few samples make large balls, and outliers make huge ones, which precision counts and density counts less. Compare sets of equal size. Many copies make balls of radius 0, which hold nothing. Both sets must have come through one model (--probe A --probe B): units of two models do not correspond.',
  citation:
    'Kynkäänniemi, Karras, Laine, Lehtinen and Aila, Improved Precision and Recall Metric for Assessing Generative Models, NeurIPS 2019; Naeem, Oh, Uh, Choi and Yoo, Reliable Fidelity and Diversity Metrics for Generative Models, ICML 2020; Khayatkhoei and AbdAlmageed, Emergent Asymmetry of Precision and Recall for Measuring Fidelity and Diversity of Generative Models in High Dimensions, ICML 2023',

  async run(sides, { k }, context) {
    const [first, second] = sides as [Side, Side];
    const pairs = layersOfSets(first, second);
    const layers: ({ label: string } & Scores)[] = [];
    for (const [index, [x, y]] of pairs.entries()) {
      const step = (fraction: number) =>
        context.step((index + fraction) / pairs.length, `Balls of ${x.label}`);
      layers.push({ label: x.label, ...(await scores(x, y, k, context, step)) });
    }
    const layered = first.layered || second.layered;
    const valueOf = (key: keyof Scores) => {
      const values = layers.map((scored) => scored[key]);
      return layered ? values : values[0]!;
    };
    return {
      values: Object.fromEntries(keys.map((key) => [key, valueOf(key)])),
      estimator: 'knn-balls.open',
      preprocessing: 'none; Euclidean distances',
      views: views(first, layers),
    };
  },
};

async function scores(
  x: NamedRows,
  y: NamedRows,
  k: number,
  context: AnalysisContext,
  step: (fraction: number) => Promise<void>,
): Promise<Scores> {
  const both = (x.n + y.n) * x.d;
  requireMemory(context, 24 * both, `${x.n + y.n} samples of ${x.d} units`, 'use fewer samples');
  const reference = await checkRows(x, context, k + 1);
  const judged = await checkRows(y, context, k + 1);
  const ballsOf = async (rows: CheckedRows, part: (fraction: number) => Promise<void>) => {
    const found = await nearestNeighbours(context.engine, rows, k, part);
    const radii = Float64Array.from({ length: rows.n }, (_, i) => found.distances[i * k + k - 1]!);
    const empty = radii.filter((radius) => radius === 0).length;
    if (empty > 0) {
      context.warn(
        `${rows.label}: ${empty} of ${rows.n} samples have at least ${k} copies, so that their balls are empty`,
      );
    }
    return { rows, radii };
  };
  const third = (at: number) => (part: number) => step((at + part) / 3);
  const [first, second] = [await ballsOf(reference, third(0)), await ballsOf(judged, third(1))];
  const { balls, ...shares } = await overlap(context.engine, first, second, third(2));
  return { ...shares, density: balls / k };
}

function views(first: Side, layers: readonly ({ label: string } & Scores)[]): View[] {
  const only = layers.length === 1 ? layers[0]! : undefined;
  const compared = {
    ...first,
    layers: first.layers.filter(({ label }) => layers.some((at) => at.label === label)),
  };
  return [
    ...profileView(
      compared,
      'Precision, recall, density and coverage over layers',
      'share',
      Object.fromEntries(keys.map((key) => [key, layers.map((scored) => scored[key])])),
    ),
    ...(only
      ? [
          {
            kind: 'bars' as const,
            title: 'Precision, recall, density and coverage',
            x: { name: 'measure', values: [...keys] },
            y: { name: 'share' },
            series: [{ name: only.label, values: keys.map((key) => only[key]) }],
          },
        ]
      : []),
    {
      kind: 'table',
      title: 'Precision and recall',
      columns: ['layer', ...keys],
      rows: layers.map((scored) => [scored.label, ...keys.map((key) => scored[key])]),
    },
  ];
}
