import { z } from 'zod';
import { svd, singularValues } from '../../engine/linear-algebra/svd.ts';
import type { AnalysisContext, AnalysisDefinition } from '../definition.ts';
import type { View } from '../../results/schema.ts';
import { bootstrap, permutations, seed } from '../parameters.ts';
import { mean } from '../statistics.ts';
import { basisOf, type Basis } from './cca-basis.ts';
import { comparePairs, type PairMeasure, type Step } from './pairs.ts';
import { centredColumns, crossProduct, gatherRows } from './products.ts';
import { transpose } from '../../engine/linear-algebra/transpose.ts';

const params = z.object({
  variance: z
    .number()
    .gt(0)
    .max(1)
    .default(1)
    .describe('Share of the variance of each side that is kept first; 0.99 is SVCCA'),
  tolerance: z
    .number()
    .gt(0)
    .lt(1)
    .default(1e-10)
    .describe('Singular values up to this share of the largest count as zero'),
  permutations,
  bootstrap,
  seed,
});
type Params = z.infer<typeof params>;

export const cca: AnalysisDefinition<typeof params> = {
  id: 'cca',
  family: 'similarity',
  title: 'Canonical correlation analysis',
  summary: 'How much of what one representation spans is a linear map of the other.',
  arity: 2,
  params,
  values: {
    meanRho: 'mean canonical correlation; with variance=0.99 this is SVCCA',
    r2: 'R²_CCA: sum of squared canonical correlations over the smaller rank',
    pwcca:
      'projection-weighted mean: correlations weigh as much as their directions account for the side of lower rank (the first, where ranks are equal); not symmetric',
    rho: 'canonical correlations, descending',
    ranks: 'dimensions kept of the first and of the second side',
  },
  headline: 'meanRho',
  formula: `Q_x, Q_y: orthonormal bases of the column-centred X_c, Y_c, made of the left singular vectors whose singular values exceed tolerance × the largest, and of those the fewest that hold the share \`variance\` of Σσ². ρ = singular values of Q_xᵀQ_y.
meanRho = Σρ/min(rank) (Raghu et al. 2017 with variance=0.99). r2 = Σρ²/min(rank) (Kornblith et al. 2019; their demo leaves columns uncentred).
pwcca = Σα_iρ_i/Σα_i, α_i = Σ_j|⟨h_i, x_j⟩| over the centred columns x_j of the side of lower rank, h_i its i-th canonical variate (Morcos et al. 2018).
Null: the samples of the second side are permuted; p = (1 + #{null ≥ observed}) / (1 + permutations).
Interval: samples are drawn with replacement, within the dimensions kept. Copies make resamples more alike, so that the 2.5 % and 97.5 % percentiles of the draws’ deviations from their mean are laid around the estimate. Null and interval are those of meanRho.`,
  invariances: [
    'invertible linear transformation of either side (variance=1; pwcca: not of the side of lower rank)',
    'orthogonal transformation of either side (meanRho, r2)',
    'isotropic scaling of either side',
    'translation of either side',
    'the same permutation of the samples of both sides',
  ],
  invariantTo: ['permutation', 'orthogonal', 'scaling', 'translation', 'linear', 'affine'],
  misleads:
    'Of independent data r2 is about max(rank)/(n − 1): with few samples all is correlated, and where a rank reaches n − 1 every correlation is 1 whatever the data. Every direction counts alike, those of noise too: variance=0.99 or pwcca count the large ones more. An invertible linear map is much freedom: representations that differ in what is easy to read out may have correlation 1.',
  citation:
    'Hotelling, Relations between two sets of variates, Biometrika 1936; Raghu, Gilmer, Yosinski and Sohl-Dickstein, SVCCA, NeurIPS 2017; Morcos, Raghu and Bengio, Insights on representational similarity in neural networks with canonical correlation, NeurIPS 2018; Kornblith, Norouzi, Lee and Hinton, Similarity of Neural Network Representations Revisited, ICML 2019',

  async run(sides, settings, context) {
    const largest = { rank: 0, n: 0 };
    const outcome = await comparePairs(
      sides,
      measure(settings, context, (rank, n) => {
        largest.rank = Math.max(largest.rank, rank);
        largest.n = n;
      }),
      settings,
      context,
    );
    warnOfFew(largest, context);
    return {
      ...outcome,
      estimator: settings.variance < 1 ? `svcca.variance=${settings.variance}` : 'cca',
      preprocessing:
        settings.variance < 1
          ? `columns centred; leading components of ${100 * settings.variance} % of the variance`
          : 'columns centred',
    };
  },
};

function warnOfFew({ rank, n }: { rank: number; n: number }, context: AnalysisContext): void {
  const chance = rank / (n - 1);
  if (chance >= 1) {
    context.warn(
      `${n} samples span ${rank} dimensions at most, so that every correlation is 1 whatever the data: use more samples, or a smaller variance`,
    );
  } else if (chance > 0.1) {
    context.warn(
      `r2 of independent data would be about ${chance.toFixed(2)} here (${n} samples, ${rank} dimensions): use more samples or a smaller variance, or compare with a null (permutations)`,
    );
  }
}

function measure(
  { variance, tolerance }: Params,
  { engine }: AnalysisContext,
  note: (rank: number, n: number) => void,
): PairMeasure<Basis> {
  /** Q_xᵀQ_y, rank × rank. */
  const product = (x: Basis, y: Basis, step: Step) =>
    crossProduct(engine, x.columns, y.columns, step);
  return {
    key: 'meanRho',
    name: 'mean canonical correlation',
    range: [0, 1],
    leastSamples: 3,
    bytes: ({ n, d }) => 8 * (2 * n * d + 4 * Math.min(n, d) ** 2),
    async prepare(rows, _, step) {
      const basis = await basisOf(
        engine,
        await centredColumns(rows),
        { variance, tolerance },
        step,
      );
      note(basis.columns.width, rows.n);
      return basis;
    },
    async compare(x, y, step) {
      const [p, q] = [x.columns.width, y.columns.width];
      if (Math.min(p, q) === 0) {
        const none = (ranks: number[]) => ({ meanRho: NaN, r2: NaN, pwcca: NaN, rho: [], ranks });
        return [none([p, q]), none([q, p])];
      }
      const matrix = await product(x, y, (part) => step(part / 4));
      const { u, s, vt } = await svd(matrix, p, q, { step: (part) => step(0.25 + part / 2) });
      const rho = Array.from(s, (value) => Math.min(1, value));
      const left = { n: p, width: rho.length, data: u };
      const right = { n: q, width: rho.length, data: transpose(vt, vt.length / q, q) };
      const weighted = async (side: Basis, directions: typeof left) => {
        const loads = await crossProduct(engine, directions, side.loadings, () => step(0.9));
        return projectionWeighted(rho, loads);
      };
      const values = (pwcca: number, ranks: number[]) => ({
        meanRho: mean(rho),
        r2: mean(rho.map((value) => value ** 2)),
        pwcca,
        rho,
        ranks,
      });
      const first = await weighted(...(p <= q ? ([x, left] as const) : ([y, right] as const)));
      const second = p === q ? await weighted(y, right) : first;
      return [values(first, [p, q]), values(second, [q, p])];
    },
    async score(x, y, step) {
      const [p, q] = [x.columns.width, y.columns.width];
      if (Math.min(p, q) === 0) return NaN;
      const matrix = await product(x, y, (part) => step(part / 2));
      const s = await singularValues(matrix, p, q, { step: (part) => step(0.5 + part / 2) });
      return mean(s.map((value) => Math.min(1, value)));
    },
    permute: (y, order) => ({ ...y, columns: gatherRows(y.columns, order, false) }),
    resample: (x, samples, step) =>
      basisOf(engine, gatherRows(x.columns, samples, true), { tolerance, variance: 1 }, step),
    views: correlations,
  };
}

/** Σα_iρ_i/Σα_i with α_i the sum of absolute loadings of units on variate i. */
function projectionWeighted(rho: readonly number[], loadings: Float64Array): number {
  const units = loadings.length / rho.length;
  let total = 0;
  let weighted = 0;
  rho.forEach((value, i) => {
    for (let j = i * units; j < (i + 1) * units; j++) {
      const weight = Math.abs(loadings[j]!);
      total += weight;
      weighted += weight * value;
    }
  });
  return weighted / total;
}

function correlations({ rho }: Record<string, unknown>): View[] {
  const values = rho as number[];
  return [
    {
      kind: 'line',
      title: 'Canonical correlations',
      x: { name: 'direction', values: values.map((_, at) => at + 1) },
      y: { name: 'ρ' },
      series: [{ name: 'ρ', values }],
    },
  ];
}
