import { z } from 'zod';
import type { AnalysisContext, AnalysisDefinition } from '../definition.ts';
import type { CheckedRows } from '../layers.ts';
import { bootstrap, seed } from '../parameters.ts';
import { comparePairs, type PairMeasure, type Step } from './pairs.ts';
import { alignment, angle, shapeBytes, shapeOf, type Shape } from './procrustes-alignment.ts';
import { centredColumns, gatherRows, principal, type Columns } from './products.ts';

/** Eigenvalues below this count as this, as in netrep. */
const leastVariance = 1e-7;

const params = z.object({
  alpha: z
    .number()
    .min(0)
    .max(1)
    .default(1)
    .describe(
      '1: rotations only (Procrustes); 0: any invertible linear map (CCA); between: partly',
    ),
  bootstrap,
  seed,
});

export const shape: AnalysisDefinition<typeof params> = {
  id: 'shape',
  family: 'similarity',
  title: 'Shape metric',
  summary:
    'The angle between two representations after the best rotation, whitened as far as asked.',
  arity: 2,
  params,
  values: {
    angular: 'angle in radians: 0 for the same shape, π/2 at most; a metric for every alpha',
  },
  headline: 'angular',
  formula: `X column-centred; λ, V = eig(XᵀX), λ at least ${leastVariance}; d = α + (1 − α)·λ^(−1/2), rescaled so that the variance of X is kept; X_w = X·V·diag(d)·Vᵀ, and Y_w alike.
angular = arccos(‖X_wᵀY_w‖_*/(‖X_w‖_F‖Y_w‖_F)), ‖·‖_* the nuclear norm (Williams et al. 2021; the interpolation between α = 0 and 1 is that of their package netrep, which differs from the power λ^(−(1−α)/2) that the paper mentions too).
α = 1 is the angular Procrustes distance; α = 0 is arccos(Σρ/√(pq)) of canonical correlations ρ and ranks p, q: of their mean, where ranks are equal.
Interval: samples are drawn with replacement. Copies make resamples easier to align, so that the 2.5 % and 97.5 % percentiles of the draws’ deviations from their mean are laid around the estimate.`,
  invariances: [
    'orthogonal transformation of either side (rotation, reflection, permutation of units)',
    'translation of either side',
    'isotropic scaling of either side (alpha 0 and 1)',
    'invertible linear transformation of either side (alpha 0)',
    'the same permutation of the samples of both sides',
  ],
  invariantTo: ['permutation', 'orthogonal', 'scaling', 'translation'],
  misleads:
    'Below alpha = 1 directions of little variance count, noise among them; at alpha = 0 with no more samples than units the angle is 0 whatever the data. Between 0 and 1 the value depends on the scale of the activations, since λ is not divided by the number of samples. The rotation is fitted to the samples compared.',
  citation:
    'Williams, Kunz, Kornblith and Linderman, Generalized Shape Metrics on Neural Representations, NeurIPS 2021',

  async run(sides, settings, context) {
    const { alpha } = settings;
    const few = new Map<string, string>();
    const note = ({ label, n, d }: CheckedRows) => {
      if (alpha === 0 && n <= d) few.set(label, `${label} ${n} of ${d}`);
    };
    const outcome = await comparePairs(sides, measure(alpha, note, context), settings, context);
    if (few.size > 0) {
      context.warn(
        `whitened (alpha=0), samples that are not more than the units lie alike whatever the data: ${[...few.values()].join(', ')}; use more samples or a larger alpha`,
      );
    }
    return {
      ...outcome,
      estimator: `shape.netrep.alpha=${alpha}`,
      preprocessing: alpha === 1 ? 'columns centred' : 'columns centred, partially whitened',
    };
  },
};

interface Whitened extends Shape {
  unwhitened: Columns;
}

const measure = (
  alpha: number,
  note: (rows: CheckedRows) => void,
  { engine }: AnalysisContext,
): PairMeasure<Whitened> => {
  const prepare = async (columns: Columns, step: Step): Promise<Whitened> => {
    if (alpha === 1 && columns.width <= columns.n) {
      return { ...shapeOf(columns), unwhitened: columns };
    }
    const { scores, variances } = await principal(engine, columns, step);
    const turned = alpha === 1 ? scores : whitened(scores, variances, alpha);
    return { ...shapeOf(turned), unwhitened: scores };
  };
  return {
    key: 'angular',
    name: 'shape distance',
    range: [0, Math.PI / 2],
    distance: true,
    leastSamples: 2,
    bytes: (rows) => (alpha === 1 ? 1 : 2) * shapeBytes(rows),
    async prepare(rows, _, step) {
      note(rows);
      return prepare(await centredColumns(rows), step);
    },
    async compare(x, y, step) {
      return { angular: angle(await alignment(engine, x, y, step), x, y) };
    },
    async resample(x, samples, step) {
      return prepare(gatherRows(x.unwhitened, samples, true), step);
    },
  };
};

/**
 * Scale principal components by α + (1 − α)/√λ. Neither the turn back to the units nor the rescaling
 * to the old variance changes an angle.
 */
function whitened({ n, width, data }: Columns, variances: Float64Array, alpha: number): Columns {
  const factors = variances.map(
    (variance) => alpha + (1 - alpha) / Math.sqrt(Math.max(variance, leastVariance)),
  );
  return { n, width, data: data.map((value, at) => value * factors[at % width]!) };
}
