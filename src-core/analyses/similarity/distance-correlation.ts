import { z } from 'zod';
import type { AnalysisDefinition } from '../definition.ts';
import { checkPair, pairSides } from '../layers.ts';
import { bootstrap, permutations, seed } from '../parameters.ts';
import { warnConstantUnits } from '../warnings.ts';
import { ratioCells, warnUndefined } from './hsic-ratios.ts';
import { hsicTerms, leastSamples, planPairs } from './hsic-terms.ts';
import { reportPairs } from './pair-report.ts';

const params = z.object({
  estimator: z
    .enum(['debiased', 'biased'])
    .default('debiased')
    .describe('U-centred (zero on average for independent data) or doubly centred distances'),
  permutations,
  bootstrap,
  seed,
});

export const distanceCorrelation: AnalysisDefinition<typeof params> = {
  id: 'distance-correlation',
  family: 'similarity',
  title: 'Distance correlation',
  summary: 'Whether two representations depend on each other in any way, linear or not.',
  arity: 2,
  params,
  values: {
    dcor: 'distance correlation: 1 for the same distances up to scale, 0 for independent data; the debiased one has the sign of its square, which may be negative',
    squared: 'its square, signed: what is zero on average for independent data',
  },
  headline: 'dcor',
  formula: `A, B: matrices of Euclidean distances between samples, centred. squared = Σ(A∘B)/√(Σ(A∘A)·Σ(B∘B)); dcor = sign(squared)·√|squared| (Székely, Rizzo and Bakirov 2007).
Biased: doubly centred, a_ij − row mean − column mean + mean.
Debiased: U-centred, a_ij − r_i/(n−2) − r_j/(n−2) + s/((n−1)(n−2)) for i ≠ j and 0 on the diagonal, r row sums, s their total (Székely and Rizzo 2014).
This is CKA with distances for kernels (Sejdinovic et al. 2013).
Null: the samples of the second side are permuted; p = (1 + #{null ≥ observed}) / (1 + permutations).
Interval: 2.5 % and 97.5 % percentiles over resamples of the samples with replacement. In the debiased estimate pairs of copies of one sample are left out like the diagonal; in the biased one they count as it does, so that its interval leans upward.`,
  invariances: [
    'orthogonal transformation of either side (rotation, reflection, permutation of units)',
    'isotropic scaling of either side',
    'translation of either side',
    'the same permutation of the samples of both sides',
  ],
  invariantTo: ['permutation', 'orthogonal', 'scaling', 'translation'],
  misleads:
    'The biased estimate of independent data is far from 0 where units outnumber samples, and nears 1: use the debiased one. In high dimension distances between samples are all about alike, and what is left of their differences decides. It shows that sides depend on each other, not how.',
  citation:
    'Székely, Rizzo and Bakirov, Measuring and testing dependence by correlation of distances, Annals of Statistics 2007; Székely and Rizzo, Partial distance correlation with methods for dissimilarities, Annals of Statistics 2014; Sejdinovic, Sriperumbudur, Gretton and Fukumizu, Equivalence of distance-based and RKHS-based statistics in hypothesis testing, Annals of Statistics 2013',

  async run(sides, settings, context) {
    const pair = pairSides(sides);
    const { rows, columns } = await checkPair(pair, sides, context, leastSamples);
    const layers = pair.self ? rows : [...rows, ...columns];
    warnConstantUnits(layers, context);
    const plan = planPairs(rows.length, columns.length, pair.self);
    const terms = await hsicTerms(
      layers,
      plan,
      { ...settings, id: 'distance-correlation', kernel: 'distance', bandwidth: 1, batch: 0 },
      context,
    );
    warnUndefined(layers, terms, plan, 'distance correlation', context);
    const cells = ratioCells(terms, plan, [rows.length, columns.length], settings, {
      key: 'dcor',
      values: (ratio) => ({ dcor: Math.sign(ratio) * Math.sqrt(Math.abs(ratio)), squared: ratio }),
    });
    return {
      ...reportPairs(pair, sides, cells, {
        key: 'dcor',
        name: 'distance correlation',
        range: [0, 1],
      }),
      estimator: `distance-correlation.${settings.estimator}`,
      preprocessing: 'none; Euclidean distances',
    };
  },
};
