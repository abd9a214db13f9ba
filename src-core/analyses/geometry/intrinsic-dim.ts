import { z } from 'zod';
import { UserError } from '../../errors.ts';
import type { AnalysisContext, AnalysisDefinition } from '../definition.ts';
import { checkRows, layerValues, type CheckedRows } from '../layers.ts';
import { bootstrap, seed } from '../parameters.ts';
import { Random } from '../random.ts';
import type { Real } from '../../results/schema.ts';
import { intervalLevel, mean, percentileInterval, real } from '../statistics.ts';
import { warnConstantUnits } from '../warnings.ts';
import {
  levinaBickel,
  twoNn,
  type DimensionEstimate,
  type NeighbourDistances,
} from './dimension-estimators.ts';
import { dimensionViews, type LayerDimension } from './dimension-views.ts';
import { nearestNeighbours, type Neighbours } from '../neighbours.ts';

const leastSamples = 4;

const params = z.object({
  estimator: z
    .enum(['twonn', 'mle'])
    .default('twonn')
    .describe(
      'Two nearest neighbours (Facco) or maximum likelihood over k of them (Levina, Bickel)',
    ),
  discard: z
    .number()
    .min(0)
    .lt(1)
    .default(0.1)
    .describe('twonn: share of the largest distance ratios left out of the fit'),
  k: z.int().min(2).max(1000).default(20).describe('mle: neighbours of each point'),
  combine: z
    .enum(['harmonic', 'mean', 'median'])
    .default('harmonic')
    .describe('mle: how estimates at points become one'),
  bootstrap,
  seed,
});
type Params = z.infer<typeof params>;

export const intrinsicDim: AnalysisDefinition<typeof params> = {
  id: 'intrinsic-dim',
  family: 'geometry',
  title: 'Intrinsic dimension',
  summary: 'How many coordinates the samples need locally, however many units hold them.',
  arity: 1,
  params,
  values: {
    dimension: 'estimated dimension of the set of samples; a real number',
    perPoint: 'mle only: the estimate at each sample; null where it was dropped',
    dropped: 'samples left out because another sample equals them (nearest distance 0)',
  },
  headline: 'dimension',
  formula: `Euclidean distances r_1 ≤ r_2 ≤ … of each sample to the others; samples with r_1 = 0 are dropped and counted.
twonn: μ_i = r_2/r_1 ascending, F_i = i/N; dimension = slope through the origin of −log(1 − F_i) against log μ_i over the first ⌊N(1 − discard)⌋ samples (Facco et al. 2017).
mle: m(x) = [Σ_{j=1}^{k−1} log(r_k/r_j)/(k−1)]⁻¹ (Levina and Bickel 2004); harmonic: dimension = 1/mean(1/m) (MacKay and Ghahramani 2005); or the mean or median of m.
Interval: copies of a sample would make r_1 = 0, so that nothing is drawn with replacement. The estimate is repeated on random halves of the samples, over which an average varies as much as over new samples; the 2.5 % and 97.5 % percentiles of its deviations from the halves’ mean are laid around the estimate of all samples.`,
  invariances: [
    'orthogonal transformation (rotation, reflection, permutation of units)',
    'isotropic scaling',
    'translation',
    'permutation of the samples',
  ],
  misleads:
    'Dimensions above about 2·log10(n) come out too low: 20 reads as about 15 at n = 2,500. Noise raises the dimension at the scale of nearest neighbours, which is the only scale twonn sees. Clusters, and tokens that repeat, shorten first distances: look at dropped. Samples of one sequence are not independent.',
  citation:
    'Facco, d’Errico, Rodriguez and Laio, Estimating the intrinsic dimension of datasets by a minimal neighborhood information, Scientific Reports 2017; Levina and Bickel, Maximum Likelihood Estimation of Intrinsic Dimension, NeurIPS 2004; MacKay and Ghahramani, Comments on ‘Maximum Likelihood Estimation of Intrinsic Dimension’, 2005',

  async run(sides, settings, context) {
    const [side] = sides;
    const checked: CheckedRows[] = [];
    for (const layer of side!.layers) checked.push(await checkRows(layer, context, leastSamples));
    warnConstantUnits(checked, context);
    const layers: LayerDimension[] = [];
    for (const [index, rows] of checked.entries()) {
      const step = (fraction: number) =>
        context.step((index + fraction) / checked.length, `Dimension of ${rows.label}`);
      layers.push(await layerDimension(rows, settings, context, step));
    }
    const values = layers.map(({ estimate, dimension }) => ({
      dimension,
      ...(estimate.perPoint && { perPoint: Array.from(estimate.perPoint, real) }),
      dropped: estimate.dropped,
    }));
    const bound = (key: 'low' | 'high') => {
      const bounds = layers.map(({ interval }) => interval?.[key] ?? null);
      return side!.layered ? bounds : bounds[0]!;
    };
    return {
      values: layerValues(side!, values),
      estimator:
        settings.estimator === 'twonn'
          ? 'twonn.facco2017'
          : `mle.levina-bickel.${settings.combine}`,
      preprocessing: 'none; Euclidean distances',
      ...(settings.bootstrap > 0 && {
        interval: {
          low: bound('low'),
          high: bound('high'),
          level: intervalLevel,
          bootstrap: settings.bootstrap,
        },
      }),
      views: dimensionViews(side!, layers),
    };
  },
};

async function layerDimension(
  rows: CheckedRows,
  settings: Params,
  context: AnalysisContext,
  step: (fraction: number) => Promise<void>,
): Promise<LayerDimension> {
  const { label, n } = rows;
  const k = settings.estimator === 'twonn' ? 2 : settings.k;
  if (k >= n) {
    throw new UserError(
      'too-few-samples',
      label,
      `has ${n} samples, and each needs ${k} neighbours`,
      'use a probe with more samples or a smaller k',
    );
  }
  const depth = settings.bootstrap > 0 ? Math.min(n - 1, halvedDepth(k)) : k;
  const searchShare = settings.bootstrap > 0 ? 0.5 : 1;
  const neighbours = await nearestNeighbours(context.engine, rows, depth, (part) =>
    step(part * searchShare),
  );
  const estimate = estimateOf(firstOf(neighbours, k), settings);
  const dimension = real(estimate.dimension);
  warnOf(rows, estimate, context);
  if (settings.bootstrap === 0) return { label, estimate, dimension };
  const draws = await halfSamples(neighbours, k, settings, (part) =>
    step(searchShare + part * (1 - searchShare)),
  );
  return { label, estimate, dimension, interval: around(estimate.dimension, draws) };
}

const estimateOf = (distances: NeighbourDistances, { estimator, discard, combine }: Params) =>
  estimator === 'twonn' ? twoNn(distances, discard) : levinaBickel(distances, combine);

function warnOf(
  { label, n, d, constantColumns }: CheckedRows,
  estimate: DimensionEstimate,
  context: AnalysisContext,
): void {
  if (constantColumns === d) return;
  const { dimension, dropped } = estimate;
  if (dropped > 0) {
    context.warn(`${label}: ${dropped} of ${n} samples equal another one and are dropped`);
  }
  if (!Number.isFinite(dimension)) {
    context.warn(
      `${label}: distances between samples do not differ, so that the dimension is null`,
    );
  } else if (dimension > 2 * Math.log10(n)) {
    context.warn(
      `${label}: with ${n} samples, dimensions above about ${(2 * Math.log10(n)).toFixed(1)} come out too low`,
    );
  }
}

/** Neighbours among which k of a random half are all but surely found. */
const halvedDepth = (k: number) => Math.ceil(2 * k + 10 * Math.sqrt(2 * k));

function firstOf({ n, k: depth, distances }: Neighbours, k: number): NeighbourDistances {
  if (depth === k) return { k, distances };
  const first = new Float64Array(n * k);
  for (let row = 0; row < n; row++) {
    first.set(distances.subarray(row * depth, row * depth + k), row * k);
  }
  return { k, distances: first };
}

/** The estimate on random halves of the samples. */
async function halfSamples(
  neighbours: Neighbours,
  k: number,
  settings: Params,
  step: (fraction: number) => Promise<void>,
): Promise<number[]> {
  const { n } = neighbours;
  const half = Math.floor(n / 2);
  const draws: number[] = [];
  if (half <= k) return draws;
  const random = new Random(settings.seed);
  for (let draw = 0; draw < settings.bootstrap; draw++) {
    const members = random.permutation(n).subarray(0, half);
    draws.push(estimateOf(amongMembers(neighbours, members, k), settings).dimension);
    await step((draw + 1) / settings.bootstrap);
  }
  return draws;
}

/** Distances to the k nearest of `members`, for each of them. */
function amongMembers(neighbours: Neighbours, members: Int32Array, k: number): NeighbourDistances {
  const { n, k: depth, indices, distances, distance } = neighbours;
  const isMember = new Uint8Array(n);
  for (const member of members) isMember[member] = 1;
  const kept = new Float64Array(members.length * k);
  members.forEach((row, position) => {
    let found = 0;
    for (let at = row * depth; at < (row + 1) * depth && found < k; at++) {
      if (isMember[indices[at]!]) kept[position * k + found++] = distances[at]!;
    }
    if (found === k) return;
    const all = Float64Array.from(
      members.filter((other) => other !== row),
      (other) => distance(row, other),
    );
    kept.set(all.sort().subarray(0, k), position * k);
  });
  return { k, distances: kept };
}

/** Halves are sparser, which shifts all their estimates alike: only their spread is used. */
function around(estimate: number, draws: readonly number[]): { low: Real; high: Real } {
  const finite = draws.filter(Number.isFinite);
  const centre = mean(finite);
  return percentileInterval(finite.map((draw) => estimate + draw - centre));
}
