import { z } from 'zod';
import type { AnalysisContext, AnalysisDefinition } from '../definition.ts';
import { checkPair, pairSides, type CheckedRows } from '../layers.ts';
import { bootstrap, permutations, seed } from '../parameters.ts';
import { warnConstantUnits } from '../warnings.ts';
import { ratioCells, warnUndefined } from './hsic-ratios.ts';
import { hsicTerms, leastSamples, planPairs } from './hsic-terms.ts';
import { reportPairs } from './pair-report.ts';

const params = z.object({
  kernel: z.enum(['linear', 'rbf']).default('linear').describe('Kernel between samples'),
  bandwidth: z
    .number()
    .positive()
    .default(0.5)
    .describe('RBF only: width as a multiple of the root of the median squared distance'),
  estimator: z
    .enum(['debiased', 'biased'])
    .default('debiased')
    .describe('HSIC₁ (zero on average for independent data) or HSIC₀ (rises with units / samples)'),
  batch: z
    .int()
    .min(0)
    .default(0)
    .refine((size) => size === 0 || size >= leastSamples, `0 or at least ${leastSamples}`)
    .describe('Samples in a minibatch, taken in row order; 0 for all samples at once'),
  permutations,
  bootstrap,
  seed,
});
type Params = z.infer<typeof params>;

export const cka: AnalysisDefinition<typeof params> = {
  id: 'cka',
  family: 'similarity',
  title: 'Centered kernel alignment',
  summary: 'How alike two representations of the same samples are, up to rotation and scale.',
  arity: 2,
  params,
  values: {
    cka: 'CKA, 1 for representations alike up to rotation and scale; a matrix over layers × layers where a side is a model. Of more than two inputs, inputs × inputs: the mean over layers of the largest CKA with a layer of the other, both directions averaged, with every layer by every other in perLayer. The biased estimate lies in [0, 1]; the debiased one is zero on average for independent data, may be negative, and is not clamped.',
  },
  headline: 'cka',
  formula: `CKA = HSIC(K, L) / √(HSIC(K, K)·HSIC(L, L)), with K, L the n × n kernel matrices of column-centred rows.
Linear kernel: K = XXᵀ. RBF: K_ij = exp(−d²_ij / (2·bandwidth²·m)), m the median of all n² squared distances, the n zeros included.
Biased: HSIC₀ = tr(KHLH)/(n−1)², H = I − 11ᵀ/n (Kornblith et al. 2019, eq. 3).
Debiased: HSIC₁ = [tr(K̃L̃) + (1ᵀK̃1)(1ᵀL̃1)/((n−1)(n−2)) − 2·1ᵀK̃L̃1/(n−2)] / (n(n−3)), K̃ and L̃ with zero diagonals (Song et al. 2012, eq. 5).
Minibatches: each of the three HSIC terms is averaged over batches before the ratio is taken (Nguyen et al. 2021, eq. 2–3). Rows are taken in order; a last, incomplete batch is left out; the RBF median is each batch's own.
Null: the samples of the second side are permuted (within each batch); p = (1 + #{null ≥ observed}) / (1 + permutations).
Interval: 2.5 % and 97.5 % percentiles over resamples of the samples with replacement (of the batches, with minibatches). In the debiased estimate pairs of copies of one sample are left out like the diagonal: it averages over tuples of different samples, weighted by how often each was drawn. In the biased one copies count as the diagonal does, so that its interval leans upward.`,
  invariances: [
    'orthogonal transformation of either side (rotation, reflection, permutation of units)',
    'isotropic scaling of either side',
    'translation of either side',
    'the same permutation of the samples of both sides',
  ],
  invariantTo: ['permutation', 'orthogonal', 'scaling', 'translation'],
  misleads:
    'Biased CKA of independent data is about √(pq/((n+p)(n+q))) and nears 1 when units outnumber samples: use the debiased estimate. A few directions of large variance, or a few outlying samples, decide the linear kernel’s value. High CKA does not say that both compute the same. It is not invariant to invertible linear maps: rescaling single units changes it.',
  citation:
    'Kornblith, Norouzi, Lee and Hinton, Similarity of Neural Network Representations Revisited, ICML 2019; Song, Smola, Gretton, Bedo and Borgwardt, Feature Selection via Dependence Maximization, JMLR 2012; Nguyen, Raghu and Kornblith, Do Wide and Deep Networks Learn the Same Things?, ICLR 2021',

  async run(sides, settings, context) {
    const pair = pairSides(sides);
    const { rows, columns } = await checkPair(pair, sides, context, leastSamples);
    const layers = pair.self ? rows : [...rows, ...columns];
    const plan = planPairs(rows.length, columns.length, pair.self);
    warnOf(rows, columns, settings, context);
    const terms = await hsicTerms(layers, plan, { ...settings, id: 'cka' }, context);

    warnUndefined(layers, terms, plan, 'CKA', context);
    const cells = ratioCells(terms, plan, [rows.length, columns.length], settings, {
      key: 'cka',
      values: (ratio) => ({ cka: ratio }),
    });
    return {
      ...reportPairs(pair, sides, cells, { key: 'cka', name: 'CKA', range: [0, 1] }),
      estimator: `cka.${settings.kernel}.${settings.estimator}${terms.batches > 0 ? '.minibatch' : ''}`,
      preprocessing: preprocessing(settings),
    };
  },
};

function preprocessing({ kernel, bandwidth }: Params): string {
  if (kernel === 'linear') return 'columns centred';
  return `columns centred; RBF width² = ${bandwidth}² × median squared distance`;
}

function warnOf(
  rows: readonly CheckedRows[],
  columns: readonly CheckedRows[],
  { kernel, estimator, batch }: Params,
  context: AnalysisContext,
): void {
  warnConstantUnits([...new Set([...rows, ...columns])], context);
  if (kernel !== 'linear' || estimator !== 'biased') return;
  const n = batch === 0 ? rows[0]!.n : Math.min(batch, rows[0]!.n);
  const p = Math.max(...rows.map(({ d }) => d));
  const q = Math.max(...columns.map(({ d }) => d));
  const bias = Math.sqrt((p * q) / ((n + p) * (n + q)));
  if (bias > 0.1) {
    context.warn(
      `biased CKA of independent data would be about ${bias.toFixed(2)} here (${n} samples, ${p} and ${q} units): use estimator=debiased`,
    );
  }
}
