import { z } from 'zod';
import { UserError } from '../../errors.ts';
import type { AnalysisContext, AnalysisDefinition } from '../definition.ts';
import { checkRows, layerValues, type CheckedRows } from '../layers.ts';
import { requireMemory } from '../memory.ts';
import { bootstrap, seed } from '../parameters.ts';
import type { Real } from '../../results/schema.ts';
import { deviation, intervalLevel, mean, percentileInterval, real } from '../statistics.ts';
import { warnConstantUnits } from '../warnings.ts';
import {
  levinaBickel,
  twoNn,
  type DimensionEstimate,
  type NeighbourDistances,
} from './dimension-estimators.ts';
import { gride, grideScales } from './dimension-gride.ts';
import { firstOf, halvedDepth, onHalves } from './dimension-halves.ts';
import { localTwoNn } from './dimension-local.ts';
import { lpca, lpcaRules } from './dimension-lpca.ts';
import { dimensionViews, type LayerDimension } from './dimension-views.ts';
import { nearestNeighbours, type Neighbours } from '../neighbours.ts';
import { momentEigenvalues } from './second-moment.ts';

const leastSamples = 4;
/** A neighbourhood of fewer samples has no line to fit. */
const leastLocal = 5;
/** Share of samples with copies above which they distort what others see. */
const manyCopies = 0.05;

const params = z.object({
  estimator: z
    .enum(['twonn', 'mle', 'gride', 'lpca', 'local'])
    .default('twonn')
    .describe(
      'Two nearest neighbours (Facco), maximum likelihood over k of them (Levina, Bickel), the former over many scales (gride) or in each neighbourhood of k (local), or principal components (lpca)',
    ),
  discard: z
    .number()
    .min(0)
    .lt(1)
    .default(0.1)
    .describe('twonn, local: share of the largest distance ratios left out of the fit'),
  k: z
    .int()
    .min(2)
    .max(1000)
    .default(20)
    .describe('mle: neighbours of each sample; local: samples of a neighbourhood, at least 5'),
  combine: z
    .enum(['harmonic', 'mean', 'median', 'geometric'])
    .default('harmonic')
    .describe('mle, local: how estimates at samples become one'),
  rule: z
    .enum(lpcaRules)
    .default('fo')
    .describe(
      'lpca: components kept: above 5 % of the first (Fukunaga, Olsen), up to the largest ratio of successive ones, up to a share of the variance, above the mean, or above the broken stick',
    ),
  variance: z
    .number()
    .gt(0)
    .max(1)
    .default(0.99)
    .describe('lpca with rule ratio: share of the variance that the components hold'),
  bootstrap,
  seed,
});
type Params = z.infer<typeof params>;

const estimatorNames: Record<Params['estimator'], (settings: Params) => string> = {
  twonn: () => 'twonn.facco2017',
  mle: ({ combine }) => `mle.levina-bickel.${combine}`,
  gride: () => 'gride.denti2022',
  lpca: ({ rule }) => `lpca.${rule}`,
  local: ({ combine }) => `twonn.local.${combine}`,
};

export const intrinsicDim: AnalysisDefinition<typeof params> = {
  id: 'intrinsic-dim',
  family: 'geometry',
  title: 'Intrinsic dimension',
  summary: 'How many coordinates the samples need locally, however many units hold them.',
  arity: 1,
  params,
  values: {
    dimension: 'estimated dimension of the set of samples; a real number, whole for lpca',
    perPoint: 'mle and local only: the estimate at each sample; null where it was dropped',
    mean: 'mle and local only: mean of perPoint',
    spread: 'mle and local only: population standard deviation of perPoint',
    scales: 'gride only: the scales n1 = 1, 2, 4, … 64',
    dimensions: 'gride only: the estimate at each scale',
    dropped:
      'samples left out because another sample equals them (nearest distance 0); lpca drops none',
  },
  headline: 'dimension',
  formula: `Euclidean distances r_1 ≤ r_2 ≤ … of each sample to the others; samples with r_1 = 0 are dropped and counted.
twonn: μ_i = r_2/r_1 ascending, F_i = i/N; dimension = slope through the origin of −log(1 − F_i) against log μ_i over the first ⌊N(1 − discard)⌋ samples (Facco et al. 2017).
mle: m(x) = [Σ_{j=1}^{k−1} log(r_k/r_j)/(k−1)]⁻¹ (Levina and Bickel 2004); harmonic: dimension = 1/mean(1/m) (MacKay and Ghahramani 2005); or the mean, the median or the geometric mean of m.
gride: at each scale n1 = 1, 2, 4, … 64 with 2·n1 < n, μ_i = r_{2·n1}/r_{n1}, and the d of greatest likelihood Π d(μ^d − 1)^{n1−1}/(μ^{d(2·n1−1)+1} B(n1, n1)) (Denti et al. 2022); n1 = 1 is the maximum-likelihood form of twonn. dimension is the plateau: the middle one of the three successive scales whose estimates differ least in proportion, or n1 = 1 where there are fewer than three.
local: twonn among the k nearest neighbours of each sample, without the sample itself; combined as for mle.
lpca: number of eigenvalues λ_1 ≥ λ_2 ≥ … of the covariance, p = min(n − 1, d) of them, that a rule keeps. fo: λ_i > 0.05·λ_1; maxgap: up to the largest λ_i/λ_{i+1}; ratio: the fewest whose sum reaches the share \`variance\` of all; kaiser: λ_i above the mean; broken-stick: the leading ones with λ_i/Σλ > (1/p)Σ_{j=i}^{p} 1/j.
Interval: copies of a sample would make r_1 = 0, so that nothing is drawn with replacement. The estimate is repeated on random halves of the samples, over which an average varies as much as over new samples; the 2.5 % and 97.5 % percentiles of its deviations from the halves’ mean are laid around the estimate of all samples. lpca, a count, and local have none.`,
  invariances: [
    'orthogonal transformation (rotation, reflection, permutation of units)',
    'isotropic scaling',
    'translation',
    'permutation of the samples',
  ],
  invariantTo: ['permutation', 'orthogonal', 'scaling', 'translation'],
  misleads:
    'Dimensions above about 2·log10(n) come out too low: 20 reads as about 15 at n = 2,500. Noise raises the dimension at the scale of nearest neighbours, which is the only scale twonn sees; gride shows whether it falls at larger ones. At scales that reach across folds of a curved set, gride rises again. lpca counts directions, not coordinates: a curve that bends into ten directions has ten; n ≤ d samples span at most n − 1. Clusters, and tokens that repeat, shorten first distances: look at dropped. Samples of one sequence are not independent.',
  citation:
    'Facco, d’Errico, Rodriguez and Laio, Estimating the intrinsic dimension of datasets by a minimal neighborhood information, Scientific Reports 2017; Levina and Bickel, Maximum Likelihood Estimation of Intrinsic Dimension, NeurIPS 2004; MacKay and Ghahramani, Comments on ‘Maximum Likelihood Estimation of Intrinsic Dimension’, 2005; Denti, Doimo, Laio and Mira, The generalized ratios intrinsic dimension estimator, Scientific Reports 2022; Fukunaga and Olsen, An Algorithm for Finding Intrinsic Dimensionality of Data, IEEE Transactions on Computers 1971; Huang, Campello, Erfani, Ma, Houle and Bailey, LDReg: Local Dimensionality Regularized Self-Supervised Learning, ICLR 2024 (the geometric mean); Ruppik et al., Less is More: Local Intrinsic Dimensions of Contextual Language Models, 2025 (local)',

  async run(sides, settings, context) {
    const [side] = sides;
    const { estimator } = settings;
    if (estimator === 'local' && settings.k < leastLocal) {
      throw new UserError(
        'usage',
        `intrinsic-dim: parameter 'k'`,
        `a neighbourhood of ${settings.k} samples is too small for the estimator local`,
        `give at least ${leastLocal}`,
      );
    }
    const checked: CheckedRows[] = [];
    for (const layer of side!.layers) checked.push(await checkRows(layer, context, leastSamples));
    warnConstantUnits(checked, context);
    const intervals = settings.bootstrap > 0 && estimator !== 'lpca' && estimator !== 'local';
    if (settings.bootstrap > 0 && !intervals) {
      context.warn(`the estimator ${estimator} has no interval: bootstrap is left aside`);
    }
    const layers: LayerDimension[] = [];
    for (const [index, rows] of checked.entries()) {
      const step = (fraction: number) =>
        context.step((index + fraction) / checked.length, `Dimension of ${rows.label}`);
      const draws = intervals ? settings.bootstrap : 0;
      layers.push(await layerDimension(rows, { ...settings, bootstrap: draws }, context, step));
    }
    const bound = (key: 'low' | 'high') => {
      const bounds = layers.map(({ interval }) => interval?.[key] ?? null);
      return side!.layered ? bounds : bounds[0]!;
    };
    return {
      values: layerValues(side!, layers.map(valuesOf)),
      estimator: estimatorNames[estimator](settings),
      preprocessing: estimator === 'lpca' ? 'columns centred' : 'none; Euclidean distances',
      ...(intervals && {
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

function valuesOf({ estimate, dimension }: LayerDimension) {
  const { perPoint, scales, dropped } = estimate;
  const finite = perPoint?.filter(Number.isFinite);
  return {
    dimension,
    ...(perPoint && {
      perPoint: Array.from(perPoint, real),
      mean: real(mean(finite!)),
      spread: real(deviation(finite!)),
    }),
    ...(scales && {
      scales: scales.map(({ n1 }) => n1),
      dimensions: scales.map((scale) => real(scale.dimension)),
    }),
    dropped,
  };
}

type Step = (fraction: number) => Promise<void>;

async function layerDimension(
  rows: CheckedRows,
  settings: Params,
  context: AnalysisContext,
  step: Step,
): Promise<LayerDimension> {
  const { label } = rows;
  if (settings.estimator === 'lpca') {
    const estimate = await principal(rows, settings, context, step);
    return { label, estimate, dimension: real(estimate.dimension) };
  }
  const k = neighboursNeeded(rows, settings);
  const depth = searchDepth(rows.n, k, settings);
  requireMemory(
    context,
    rows.n * depth * 12,
    `${label}: lists of ${depth} neighbours of ${rows.n} samples`,
    'use fewer samples or a smaller k',
  );
  const searchShare = settings.bootstrap > 0 || settings.estimator === 'local' ? 0.5 : 1;
  const rest = (part: number) => step(searchShare + part * (1 - searchShare));
  const neighbours = await nearestNeighbours(context.engine, rows, depth, (part) =>
    step(part * searchShare),
  );
  const estimate = await estimateOf(neighbours, k, settings, rest);
  const dimension = real(estimate.dimension);
  warnOf(rows, estimate, context);
  if (settings.bootstrap === 0) return { label, estimate, dimension };
  const draws = await onHalves(
    neighbours,
    k,
    settings.bootstrap,
    settings.seed,
    (distances) => fromDistances(distances, settings).dimension,
    rest,
  );
  return { label, estimate, dimension, interval: around(estimate.dimension, draws) };
}

/** Neighbours that the estimator reads of each sample. */
function neighboursNeeded({ n, label }: CheckedRows, { estimator, k }: Params): number {
  if (estimator === 'twonn') return 2;
  if (estimator === 'gride') return 2 * grideScales(n).at(-1)!;
  if (k < n) return k;
  throw new UserError(
    'too-few-samples',
    label,
    `has ${n} samples, and each needs ${k} neighbours`,
    'use a probe with more samples or a smaller k',
  );
}

/** Neighbours to search for: more than are read, so that those among fewer samples are found. */
function searchDepth(n: number, k: number, { bootstrap, estimator }: Params): number {
  if (estimator === 'local') return Math.min(n - 1, 2 * k);
  return bootstrap > 0 ? Math.min(n - 1, halvedDepth(k)) : k;
}

function estimateOf(
  neighbours: Neighbours,
  k: number,
  settings: Params,
  step: Step,
): DimensionEstimate | Promise<DimensionEstimate> {
  const { estimator, discard, combine } = settings;
  return estimator === 'local'
    ? localTwoNn(neighbours, k, discard, combine, step)
    : fromDistances(firstOf(neighbours, k), settings);
}

function fromDistances(
  distances: NeighbourDistances,
  { estimator, discard, combine }: Params,
): DimensionEstimate {
  if (estimator === 'mle') return levinaBickel(distances, combine);
  if (estimator === 'twonn') return twoNn(distances, discard);
  return gride(distances, grideScales(distances.k + 1));
}

async function principal(
  rows: CheckedRows,
  { rule, variance }: Params,
  context: AnalysisContext,
  step: Step,
): Promise<DimensionEstimate> {
  const { n, d, label } = rows;
  const eigenvalues = await momentEigenvalues(context.engine, rows.centred('float64'), step);
  const allowed = Math.min(n - 1, d);
  if (n <= d) {
    context.warn(`${label}: ${n} samples for ${d} units span at most ${n - 1} dimensions`);
  }
  return { dropped: 0, ...lpca(eigenvalues.subarray(0, allowed), rule, variance) };
}

function warnOf(
  { label, n, d, constantColumns }: CheckedRows,
  estimate: DimensionEstimate,
  context: AnalysisContext,
): void {
  if (constantColumns === d) return;
  const { dimension, dropped } = estimate;
  if (dropped > 0) {
    const many = dropped > manyCopies * n;
    context.warn(
      `${label}: ${dropped} of ${n} samples equal another one and are dropped${many ? '; left among the neighbours of others, so many raise the estimate: remove copies from the probe' : ''}`,
    );
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

/** Halves are sparser, which shifts all their estimates alike: only their spread is used. */
function around(estimate: number, draws: readonly number[]): { low: Real; high: Real } {
  const finite = draws.filter(Number.isFinite);
  const centre = mean(finite);
  return percentileInterval(finite.map((draw) => estimate + draw - centre));
}
