import { z } from 'zod';
import { UserError } from '../../errors.ts';
import type { AnalysisContext, AnalysisDefinition } from '../definition.ts';
import { requireMemory } from '../memory.ts';
import { bootstrap, permutations, seed } from '../parameters.ts';
import { comparePairs } from './pairs.ts';
import { comparisonKinds, comparisonOf } from './rdm-compare.ts';
import { rdmMeasure, shrinkage, type RdmSettings } from './rdm-measure.ts';
import { comparisonText, distanceText, rdmCitation, resamplingText } from './rdm-text.ts';
import { distanceKinds } from './rdm.ts';
import { preprocessingOf } from './rsa.ts';
import { geotopological, quantilesOf, rankScaled, shortestPaths } from './trsa-transform.ts';

const share = z.number().min(0).max(1);

const params = z.object({
  rdm: z.enum(distanceKinds).default('euclidean').describe('Dissimilarity of two samples'),
  lower: share
    .default(0.2)
    .describe('Quantile of the dissimilarities up to which pairs count as the same'),
  upper: share
    .default(0.8)
    .describe('Quantile of the dissimilarities from which pairs count as apart'),
  scale: z
    .enum(['raw', 'rank'])
    .default('raw')
    .describe(
      'What the thresholds cut: dissimilarities as they are (rsatoolbox), or their ranks (the authors’ code)',
    ),
  geodesic: z
    .boolean()
    .default(false)
    .describe('Lengths of shortest paths along pairs below the upper threshold instead'),
  compare: z
    .enum(comparisonKinds)
    .default('pearson')
    .describe('Similarity of two dissimilarity matrices'),
  shrinkage,
  permutations,
  bootstrap,
  seed,
});
type Params = z.infer<typeof params>;

const name = 'tRSA';

export const trsa: AnalysisDefinition<typeof params> = {
  id: 'trsa',
  family: 'similarity',
  title: 'Topological representational similarity',
  summary:
    'Whether two representations agree on which samples are neighbours, leaving out how near the near and how far the far are.',
  arity: 2,
  input: 'repeats',
  labels: 'optional',
  params,
  values: {
    similarity:
      'similarity of the two transformed dissimilarity matrices, at most 1; a matrix over layers × layers where a side is a model',
    repeatSimilarity:
      'mean similarity with the transformed dissimilarities of single repeats; only where a side has repeats',
    noiseCeiling:
      '[lower, upper] bound of that similarity; only where a side has repeats (of two sides the second’s)',
  },
  headline: 'similarity',
  formula: `As rsa, with transformed dissimilarities. GT(d) = 0 for d ≤ q_l, (d − q_l)/(q_u − q_l) between, 1 for d ≥ q_u, with q_l and q_u the lower and upper quantiles of each matrix’s own dissimilarities; where they are equal GT(d) = 1 for d ≥ q_u and 0 below. GT with lower=0 and upper=1 is an affine map of the dissimilarities.
scale=rank: d is first replaced by its rank, from 0 to 1.
geodesic: pairs with d < q_u are the edges of a graph, as long as d (or its rank); compared are the lengths of shortest paths. The lower quantile has no part in it. Where a graph falls into parts, paths between them have no length, and neither has the similarity a value.
${distanceText}
${comparisonText}
${resamplingText} The transformation is that of all samples.`,
  invariances: [
    'of rdm=euclidean: orthogonal transformation, translation, isotropic scaling',
    'of scale=rank, and of lower=upper: any monotone change of the dissimilarities',
    'the same permutation of the samples of both sides',
  ],
  invariantTo: ['permutation', 'orthogonal', 'scaling', 'translation'],
  misleads:
    'The thresholds decide what counts as topology, and no pair of them is best for all data: try several. With the upper quantile near the lower one the value rests on few pairs. Agreement can only be read against the null of permuted samples.',
  citation: `Lin and Kriegeskorte, The topology and geometry of neural representations, PNAS 2024; ${rdmCitation}`,

  async run(sides, settings, context) {
    const { rdm, compare, shrinkage, permutations, bootstrap, seed } = settings;
    const { lower, upper, scale, geodesic } = settings;
    if (lower > upper && !geodesic) {
      throw new UserError(
        'usage',
        `trsa: lower=${lower}, upper=${upper}`,
        'the lower quantile is above the upper',
        'give lower ≤ upper',
      );
    }
    const measure = rdmMeasure(
      sides,
      {
        rdm,
        shrinkage,
        comparison: comparisonOf(compare),
        transform: transformOf(settings, context),
        permuting: permutations > 0,
        bootstrapping: bootstrap > 0,
        unit: geodesic ? 'path length' : 'geo-topological distance',
        name,
      },
      context,
    );
    const draws = { permutations, bootstrap, seed };
    const how = geodesic ? `geodesic.${scale}.${upper}` : `gt.${scale}.${lower}-${upper}`;
    return {
      ...(await comparePairs(sides, measure, draws, context)),
      estimator: `trsa.${how}.${rdm}.${compare}`,
      preprocessing: preprocessingOf(rdm),
    };
  },
};

function transformOf(
  { lower, upper, scale, geodesic }: Params,
  context: AnalysisContext,
): NonNullable<RdmSettings['transform']> {
  const warned = new Set<string>();
  return async (found, n, label, step) => {
    const scaled = scale === 'rank' ? await rankScaled(found, step) : found;
    const [low, high] = (await quantilesOf(scaled, [lower, upper], step)) as [number, number];
    if (!geodesic) return geotopological(scaled, low, high);
    requireMemory(context, 8 * n * n, `paths between ${n} samples`, 'use fewer samples');
    const { lengths, parts } = await shortestPaths(scaled, n, high, step);
    if (parts === 1) return lengths;
    if (!warned.has(label)) {
      warned.add(label);
      context.warn(
        `${label}: the graph of pairs below the quantile ${upper} falls into ${parts} parts, and paths between them have no length, so its values are null: raise upper`,
      );
    }
    return new Float64Array(lengths.length).fill(NaN);
  };
}
