import { z } from 'zod';
import { UserError } from '../../errors.ts';
import { blocks } from '../blocks.ts';
import { warnCopies } from '../copies.ts';
import type { AnalysisContext, AnalysisDefinition } from '../definition.ts';
import type { CheckedRows } from '../layers.ts';
import { requireMemory } from '../memory.ts';
import { nearestByCosine, nearestByDistance, type Neighbours } from '../neighbours.ts';
import { bootstrap, permutations, seed } from '../parameters.ts';
import { quantile } from '../statistics.ts';
import { comparePairs, type PairMeasure } from './pairs.ts';

const params = z.object({
  k: z.int().min(1).max(10_000).default(10).describe('Neighbours of each sample'),
  metric: z.enum(['cosine', 'euclidean']).default('cosine').describe('What neighbours are near by'),
  clip: z
    .number()
    .min(0)
    .max(1)
    .default(0)
    .describe(
      'Clamp activations to ± this quantile of their size, 0.95 as in platonic-rep; 0: off',
    ),
  permutations,
  bootstrap,
  seed,
});
type Params = z.infer<typeof params>;

export const mutualKnn: AnalysisDefinition<typeof params> = {
  id: 'mutual-knn',
  family: 'similarity',
  title: 'Mutual nearest neighbours',
  summary: 'How many of the nearest neighbours of a sample two representations share.',
  arity: 2,
  params,
  values: {
    overlap:
      'share of the k nearest neighbours in common, mean over samples: 1 for the same neighbourhoods',
    chance: 'overlap of unrelated representations, k/(n − 1)',
    best: 'of two models: the pair of layers that overlap most, and its null, the largest overlap of any pair after permuting samples',
  },
  headline: 'overlap',
  formula: `overlap = mean_i |N_k(x_i) ∩ N_k(y_i)|/k, N_k(x_i) the k nearest other samples, ties by the lower index (Huh et al. 2024).
metric=cosine: nearest by inner product of rows scaled to unit length; rows are not centred. metric=euclidean: nearest by distance.
clip: activations are clamped to ±q before, q the mean over samples of the quantile \`clip\` of |x_ij| over units.
Neighbours are found on the device and checked exactly in float64.
Null: the samples of the second side are permuted; p = (1 + #{null ≥ observed}) / (1 + permutations). The largest value over many pairs of layers is large by choice: for two models \`best\` compares it with the largest over pairs in each permutation.
Interval: copies of a sample would be each other’s neighbours, so that nothing is drawn with replacement. The overlap is found again among random halves of the samples, over which an average varies as much as over new samples; the 2.5 % and 97.5 % percentiles of its deviations from the halves’ mean are laid around the estimate of all samples.`,
  invariances: [
    'orthogonal transformation of either side (clip=0)',
    'isotropic scaling of either side',
    'translation of either side (metric=euclidean, clip=0)',
    'the same permutation of the samples of both sides',
  ],
  invariantTo: ['permutation', 'orthogonal', 'scaling'],
  misleads:
    'It depends on n and k: compare at the same ones, and with chance. Only the nearest neighbourhoods count; representations may differ everywhere else. With metric=cosine an offset that all samples share changes the neighbours. The best of all pairs of layers is biased upward: use the null of best, not of the pair.',
  citation: 'Huh, Cheung, Wang and Isola, The Platonic Representation Hypothesis, ICML 2024',

  async run(sides, settings, context) {
    const outcome = await comparePairs(sides, measure(settings, context), settings, context);
    return {
      ...outcome,
      estimator: `mutual-knn.${settings.metric}.k=${settings.k}`,
      preprocessing: [
        ...(settings.clip > 0 ? [`clamped at the ${settings.clip} quantile`] : []),
        settings.metric === 'cosine' ? 'rows scaled to unit length' : 'none; Euclidean distances',
      ].join('; '),
    };
  },
};

/** Elements sorted between two steps. */
const sortedElements = 5e5;

interface Neighbourhoods {
  n: number;
  /** Neighbours that count; 0 where there are too few samples for any. */
  k: number;
  /** Neighbours known of each sample, nearest first; n × depth. */
  depth: number;
  indices: Int32Array;
  /** Of samples whose known neighbours do not reach; holds the rows, so only where halves are drawn. */
  distance?: (i: number, j: number) => number;
}

/** Neighbours among which k of a random half are all but surely found. */
const halvedDepth = (k: number) => Math.ceil(2 * k + 10 * Math.sqrt(2 * k));

function measure(
  { k, metric, clip, bootstrap: draws }: Params,
  context: AnalysisContext,
): PairMeasure<Neighbourhoods> {
  const depthOf = (n: number) => (draws > 0 ? Math.min(n - 1, halvedDepth(k)) : k);
  return {
    key: 'overlap',
    name: 'mutual k-NN overlap',
    range: [0, 1],
    best: true,
    leastSamples: 3,
    varying: ['overlap'],
    // Where halves are drawn, the rows are kept to measure what the list of neighbours lacks.
    bytes: ({ n, d }) => 4 * n * depthOf(n) + (draws > 0 ? 8 * n * d : 0),
    async prepare(rows, _, step) {
      checkDepth(rows, k);
      requireMemory(
        context,
        rows.n * rows.d * 24,
        `neighbours of ${rows.n} samples of ${rows.d} units`,
        'use fewer samples',
      );
      const depth = depthOf(rows.n);
      const { dtype } = rows.uncentred();
      const data = (await rows.uncentred('float64').rows(0, rows.n)) as Float64Array;
      await warnCopies(rows.label, data, rows.d, context, () => step(0));
      if (clip > 0) await clamp(data, rows.d, clip, () => step(0));
      const known = ({ n, indices, distance }: Neighbours): Neighbourhoods => ({
        n,
        k,
        depth,
        indices,
        ...(draws > 0 && { distance }),
      });
      if (metric === 'euclidean') {
        return known(await nearestByDistance(context.engine, data, rows.d, dtype, depth, step));
      }
      const found = await nearestByCosine(context.engine, data, rows.d, dtype, depth, step);
      if (found.zeroRows > 0) {
        context.warn(
          `${rows.label}: ${found.zeroRows} of ${rows.n} rows are zero and have no direction; their neighbours mean nothing`,
        );
      }
      return known(found);
    },
    compare(x, y) {
      return { overlap: sharedNeighbours(x, y) / (x.n * x.k), chance: x.k / (x.n - 1) };
    },
    drawBytes: ({ n }) => 4 * n * depthOf(n),
    permute: reordered,
    draws: 'halves',
    resample: among,
  };
}

export function checkDepth({ label, n }: CheckedRows, k: number): void {
  if (k < n) return;
  throw new UserError(
    'too-few-samples',
    label,
    `has ${n} samples, and each needs ${k} neighbours`,
    'use a probe with more samples or a smaller k',
  );
}

/** Clamp to ± the mean over rows of a quantile of absolute values. */
async function clamp(
  data: Float64Array,
  d: number,
  share: number,
  pause: () => Promise<void>,
): Promise<void> {
  const n = data.length / d;
  let bound = 0;
  for (const [start, end] of blocks(n, Math.max(1, Math.floor(sortedElements / d)))) {
    for (let row = start; row < end; row++) {
      const sizes = data.slice(row * d, (row + 1) * d).map(Math.abs);
      bound += quantile(sizes.sort(), share) / n;
    }
    await pause();
  }
  for (let at = 0; at < data.length; at++) {
    data[at] = Math.max(-bound, Math.min(bound, data[at]!));
  }
}

/** How many neighbours both have, over all samples. */
function sharedNeighbours(x: Neighbourhoods, y: Neighbourhoods): number {
  const { n, k } = x;
  const seen = new Int32Array(n).fill(-1);
  let shared = 0;
  for (let row = 0; row < n; row++) {
    const [inX, inY] = [row * x.depth, row * y.depth];
    for (let at = 0; at < k; at++) seen[x.indices[inX + at]!] = row;
    for (let at = 0; at < k; at++) if (seen[y.indices[inY + at]!] === row) shared++;
  }
  return shared;
}

function reordered({ n, k, depth, indices }: Neighbourhoods, order: Int32Array): Neighbourhoods {
  const position = inverse(order);
  const moved = new Int32Array(indices.length);
  order.forEach((from, to) => {
    for (let j = 0; j < depth; j++) {
      moved[to * depth + j] = position[indices[from * depth + j]!]!;
    }
  });
  return { n, k, depth, indices: moved };
}

/** Neighbours among some of the samples. */
function among(layer: Neighbourhoods, members: Int32Array): Neighbourhoods {
  const { k, depth, indices, distance } = layer;
  const n = members.length;
  if (n <= k) return { ...layer, n, k: 0 };
  const position = new Int32Array(layer.n).fill(-1);
  members.forEach((member, at) => (position[member] = at));
  const kept = new Int32Array(n * k);
  members.forEach((member, row) => {
    let found = 0;
    for (let at = member * depth; at < (member + 1) * depth && found < k; at++) {
      const other = position[indices[at]!]!;
      if (other >= 0) kept[row * k + found++] = other;
    }
    if (found === k) return;
    const away = Float64Array.from(members, (other) => distance!(member, other));
    const others = Array.from(members.keys()).filter((other) => other !== row);
    others.sort((a, b) => away[a]! - away[b]! || a - b);
    kept.set(others.slice(0, k), row * k);
  });
  return { n, k, depth: k, indices: kept };
}

/** Where each sample went. */
export function inverse(order: Int32Array): Int32Array {
  const position = new Int32Array(order.length);
  order.forEach((from, to) => (position[from] = to));
  return position;
}
