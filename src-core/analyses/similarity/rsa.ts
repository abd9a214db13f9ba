import { z } from 'zod';
import type { AnalysisDefinition } from '../definition.ts';
import { bootstrap, permutations, seed } from '../parameters.ts';
import { comparePairs } from './pairs.ts';
import { comparisonKinds, comparisonOf } from './rdm-compare.ts';
import { rdmMeasure, shrinkage } from './rdm-measure.ts';
import { comparisonText, distanceText, rdmCitation, resamplingText } from './rdm-text.ts';
import { distanceKinds } from './rdm.ts';

const params = z.object({
  rdm: z.enum(distanceKinds).default('correlation').describe('Dissimilarity of two samples'),
  compare: z
    .enum(comparisonKinds)
    .default('spearman')
    .describe('Similarity of two dissimilarity matrices'),
  shrinkage,
  permutations,
  bootstrap,
  seed,
});

/** The name of the value on axes. */
const name = 'RSA';

export const rsa: AnalysisDefinition<typeof params> = {
  id: 'rsa',
  family: 'similarity',
  title: 'Representational similarity analysis',
  summary: 'Whether two representations find the same samples alike and the same ones different.',
  arity: 2,
  input: 'repeats',
  labels: 'optional',
  params,
  values: {
    similarity:
      'similarity of the two dissimilarity matrices, at most 1; a matrix over layers × layers where a side is a model',
    repeatSimilarity:
      'mean similarity with the dissimilarities of single repeats: the number to hold against the noise ceiling; only where a side has repeats',
    noiseCeiling:
      '[lower, upper] bound of the similarity that the true dissimilarities would have with those of single repeats; only where a side has repeats (of two sides the second’s)',
  },
  headline: 'similarity',
  formula: `Each side becomes the n(n−1)/2 dissimilarities d(i, j) of its samples; the two lists are compared.
${distanceText}
${comparisonText}
Noise ceiling (Nili et al. 2014, as rsatoolbox has it): the similarity of each repeat’s dissimilarities with those pooled from all repeats (upper) and from all others (lower), averaged over repeats; pooled are means after scaling to unit length (cosine), to mean 0 and unit length (pearson), of centred products to unit length (whitened-cosine), or means of ranks.
${resamplingText}`,
  invariances: [
    'of rdm=correlation: scaling, and a shift of all units by one value',
    'of rdm=sqeuclidean and euclidean: orthogonal transformation, translation, isotropic scaling',
    'of rdm=cosine: orthogonal transformation, scaling',
    'of rdm=mahalanobis without shrinkage: invertible affine maps',
    'of compare=spearman, kendall-a, kendall-b and rho-a: any monotone change of the dissimilarities',
    'the same permutation of the samples of both sides',
  ],
  invariantTo: ['permutation', 'scaling'],
  misleads:
    'Dissimilarities that share a sample depend on one another: the p of an ordinary correlation test is far too small, only permutations of samples are a null. A few clusters decide the value: two representations that agree on categories alone may score high. Correlation distances change when the units’ means do. Distances from noisy data lean upward (use crossnobis with repeats).',
  citation: rdmCitation,

  async run(sides, { rdm, compare, shrinkage, ...draws }, context) {
    const measure = rdmMeasure(
      sides,
      {
        rdm,
        shrinkage,
        comparison: comparisonOf(compare),
        permuting: draws.permutations > 0,
        bootstrapping: draws.bootstrap > 0,
        unit: `${rdm} distance`,
        name,
      },
      context,
    );
    return {
      ...(await comparePairs(sides, measure, draws, context)),
      estimator: `rsa.${rdm}.${compare}`,
      preprocessing: preprocessingOf(rdm),
    };
  },
};

export function preprocessingOf(rdm: (typeof distanceKinds)[number]): string {
  if (rdm === 'correlation') return 'each sample centred over its units and scaled to unit length';
  if (rdm === 'cosine') return 'each sample scaled to unit length';
  if (rdm === 'sqeuclidean' || rdm === 'euclidean') return 'none';
  return 'units whitened by the covariance of the noise';
}
