import { z } from 'zod';
import type { AnalysisContext, AnalysisDefinition } from '../definition.ts';
import { bootstrap, permutations, seed } from '../parameters.ts';
import { comparePairs, type PairMeasure } from './pairs.ts';
import { alignment, angle, shapeBytes, shapeOf, type Shape } from './procrustes-alignment.ts';
import { centredColumns, gatherRows, principal } from './products.ts';

const params = z.object({ permutations, bootstrap, seed });

export const procrustes: AnalysisDefinition<typeof params> = {
  id: 'procrustes',
  family: 'similarity',
  title: 'Procrustes distance',
  summary: 'How far two representations of the same samples stay apart after the best rotation.',
  arity: 2,
  params,
  values: {
    angular:
      'angle between the aligned representations in radians: 0 for the same shape, π/2 at most; scale does not matter',
    distance: 'Euclidean distance after the best rotation, in the units of the activations',
    normalized:
      'squared distance after the best rotation of both scaled to unit norm, in [0, 2]: 2 − 2·cos(angular)',
  },
  headline: 'angular',
  formula: `X, Y column-centred, ‖·‖_F the Frobenius norm, ‖·‖_* the nuclear norm (sum of singular values). The rotation Q that brings Y nearest to X attains ⟨X, YQ⟩ = ‖XᵀY‖_* (Schönemann 1966).
distance² = ‖X‖²_F + ‖Y‖²_F − 2‖XᵀY‖_*.
normalized = 2 − 2‖XᵀY‖_*/(‖X‖_F‖Y‖_F) (Ding et al. 2021, with both scaled to unit norm).
angular = arccos(‖XᵀY‖_*/(‖X‖_F‖Y‖_F)) (Williams et al. 2021); its cosine is the normalised Bures similarity of the Gram matrices.
The narrower side counts as filled up with zeros.
Null: the samples of the second side are permuted; p = (1 + #{null ≤ observed}) / (1 + permutations).
Interval: samples are drawn with replacement. Copies make resamples easier to align, so that the 2.5 % and 97.5 % percentiles of the draws’ deviations from their mean are laid around the estimate. Null and interval are those of angular.`,
  invariances: [
    'orthogonal transformation of either side (rotation, reflection, permutation of units)',
    'isotropic scaling of either side (angular and normalized)',
    'translation of either side',
    'the same permutation of the samples of both sides',
  ],
  invariantTo: ['permutation', 'orthogonal', 'scaling', 'translation'],
  misleads:
    'The rotation is fitted to the samples compared: with few samples and many units, independent data align well too, so look at the null. A few directions of large variance decide the value. Unlike distance, angular obeys the triangle inequality after scaling is taken out, so that it can be clustered and embedded; normalized does not.',
  citation:
    'Schönemann, A generalized solution of the orthogonal Procrustes problem, Psychometrika 1966; Ding, Denain and Steinhardt, Grounding Representation Similarity Through Statistical Testing, NeurIPS 2021; Williams, Kunz, Kornblith and Linderman, Generalized Shape Metrics on Neural Representations, NeurIPS 2021',

  async run(sides, settings, context) {
    return {
      ...(await comparePairs(sides, measure(context), settings, context)),
      estimator: 'procrustes.orthogonal',
      preprocessing: 'columns centred',
    };
  },
};

const measure = ({ engine }: AnalysisContext): PairMeasure<Shape> => ({
  key: 'angular',
  name: 'Procrustes angle',
  range: [0, Math.PI / 2],
  distance: true,
  leastSamples: 2,
  bytes: shapeBytes,
  async prepare(rows, _, step) {
    const columns = await centredColumns(rows);
    // No more columns than rows are needed, and singular values take time with the cube of them.
    return shapeOf(rows.d > rows.n ? (await principal(engine, columns, step)).scores : columns);
  },
  async compare(x, y, step) {
    const aligned = await alignment(engine, x, y, step);
    const angular = angle(aligned, x, y);
    return {
      angular,
      distance: Math.sqrt(Math.max(0, x.norm ** 2 + y.norm ** 2 - 2 * aligned)),
      normalized: 2 - 2 * Math.cos(angular),
    };
  },
  score: async (x, y, step) => angle(await alignment(engine, x, y, step), x, y),
  permute: (y, order) => ({ ...gatherRows(y, order, false), norm: y.norm }),
  resample: (x, samples) => shapeOf(gatherRows(x, samples, true)),
});
