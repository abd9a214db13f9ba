import { z } from 'zod';
import type { AnalysisContext, AnalysisDefinition } from '../definition.ts';
import { checkRows, layerValues, type CheckedRows } from '../layers.ts';
import { requireMemory } from '../memory.ts';
import { real } from '../statistics.ts';
import { warnConstantUnits } from '../warnings.ts';
import { UnitRows } from './unit-rows.ts';
import { aboutZero, eigenvaluesOf, momentEigenvalues, smallerMoment } from './second-moment.ts';
import {
  effectiveRank,
  entropy,
  numericalRank,
  participationRatio,
  powerLaw,
  rankMe,
  stableRank,
} from './spectrum-measures.ts';
import { spectrumViews, type LayerSpectrum } from './spectrum-views.ts';

const leastSamples = 4;
const windowPattern = /^\s*\[?\s*(\d+)\s*,\s*(\d+)\s*\]?\s*$/;

/** First and last rank of `lo,hi`, or nothing where it is not that. */
function parseWindow(text: string): [number, number] | undefined {
  const match = windowPattern.exec(text);
  if (!match) return undefined;
  const window: [number, number] = [Number(match[1]), Number(match[2])];
  return window[0] >= 1 && window[0] < window[1] ? window : undefined;
}

const params = z.object({
  center: z
    .boolean()
    .default(true)
    .describe(
      'Subtract column means first; without, moments about zero take the place of covariances',
    ),
  window: z
    .string()
    .default('')
    .refine(
      (text) => text === '' || parseWindow(text) !== undefined,
      "two ranks 'lo,hi' with 1 ≤ lo < hi",
    )
    .describe("Ranks that the power law is fitted to, as 'lo,hi' from 1; empty for 1 to the rank"),
});
type Params = z.infer<typeof params>;

export const spectrum: AnalysisDefinition<typeof params> = {
  id: 'spectrum',
  family: 'geometry',
  title: 'Spectrum and effective dimensions',
  summary: 'How variance is spread over directions, and how many directions are in use.',
  arity: 1,
  params,
  values: {
    eigenvalues:
      'eigenvalues of the covariance (population: divided by n), descending, min(n, d) of them',
    participationRatio: '(Σλ)²/Σλ², directions in use by variance, 1 to d',
    effectiveRank: 'exponential of the entropy of σ/Σσ over singular values, 1 to d',
    rankMe:
      'the same entropy over singular values of the rows without centring, with 1e-7 added to each share',
    stableRank: 'Σλ/λ₁, 1 to d',
    vonNeumann:
      'entropy in nats of the eigenvalues of the second moment of rows scaled to unit length, not centred; 0 to log d',
    alpha: 'exponent of the power law λ_i ∝ i^−alpha',
    alphaR2: 'coefficient of determination of that fit, at most 1',
  },
  headline: 'participationRatio',
  formula: `λ_1 ≥ λ_2 ≥ … eigenvalues of X_cᵀX_c/n, σ_i = √(nλ_i) the singular values of X_c; X in place of X_c with center=false.
participationRatio = (Σλ)²/Σλ².
effectiveRank = exp(−Σ p_i log p_i), p_i = σ_i/Σσ (Roy and Vetterli 2007).
rankMe: the same with p_i = σ_i/Σσ + 1e-7 over the singular values of X itself (Garrido et al. 2023).
stableRank = ‖X_c‖²_F/σ_1².
vonNeumann = −Σ μ_i log μ_i over eigenvalues μ of (1/n)Σ h_i h_iᵀ, h_i = x_i/‖x_i‖ (Kim et al. 2023); rows of zeros are left out.
alpha = −slope of the least-squares line through (log i, log λ_i) for ranks lo ≤ i ≤ hi, all of equal weight; without a window lo = 1 and hi is the rank, the number of λ_i > 1e-12·λ_1 (Agrawal et al. 2022).
Eigenvalues are computed in float64 from the smaller of XᵀX and XXᵀ, and written as zero below min(n, d)·2.2e-16·λ_1, where rounding drowns them.`,
  invariances: [
    'orthogonal transformation (rotation, reflection, permutation of units)',
    'permutation of the samples',
    'isotropic scaling (all but eigenvalues)',
    'translation (all but rankMe and vonNeumann, with center=true)',
  ],
  invariantTo: ['permutation', 'orthogonal', 'scaling', 'translation'],
  misleads:
    'With n ≤ d the rank is at most n − 1, and every dimension grows with n: compare at equal n. The definitions differ widely on one spectrum: name the one you report. A few massive units set λ_1 and hide the rest. A fit over all ranks bends alpha where the tail is noise: choose a window and look at alphaR2.',
  citation:
    'Roy and Vetterli, The Effective Rank, EUSIPCO 2007; Garrido, Balestriero, Najman and LeCun, RankMe, ICML 2023; Kim, Kang, Hwang, Shin and Rhee, VNE, CVPR 2023; Agrawal, Mondal, Ghosh and Richards, α-ReQ, NeurIPS 2022; Stringer et al., High-dimensional geometry of population responses in visual cortex, Nature 2019',

  async run(sides, settings, context) {
    const [side] = sides;
    const checked: CheckedRows[] = [];
    for (const layer of side!.layers) checked.push(await checkRows(layer, context, leastSamples));
    warnConstantUnits(checked, context);
    warnOfFewSamples(checked, context);
    const layers: LayerSpectrum[] = [];
    for (const [index, rows] of checked.entries()) {
      const step = (fraction: number) =>
        context.step((index + fraction) / checked.length, `Spectrum of ${rows.label}`);
      layers.push(await layerSpectrum(rows, settings, context, step));
    }
    return {
      values: layerValues(
        side!,
        layers.map(({ eigenvalues, measures }) => ({ eigenvalues: [...eigenvalues], ...measures })),
      ),
      estimator: 'spectrum.covariance.population',
      preprocessing: settings.center
        ? 'columns centred, but for rankMe and vonNeumann; rows scaled to unit length for vonNeumann'
        : 'not centred; rows scaled to unit length for vonNeumann',
      views: spectrumViews(side!, layers),
    };
  },
};

function warnOfFewSamples(layers: readonly CheckedRows[], context: AnalysisContext): void {
  const few = layers.filter(({ n, d }) => n <= d);
  if (few.length === 0) return;
  const { n } = few[0]!;
  context.warn(
    `${n} samples for ${Math.max(...few.map(({ d }) => d))} units: the rank is at most ${n - 1}, and all dimensions with it`,
  );
}

async function layerSpectrum(
  rows: CheckedRows,
  { center, window }: Params,
  context: AnalysisContext,
  step: (fraction: number) => Promise<void>,
): Promise<LayerSpectrum> {
  const { engine } = context;
  const { n, d, label } = rows;
  const size = Math.min(n, d);
  requireMemory(
    context,
    24 * size * size,
    `${label}: a covariance of ${size} × ${size}`,
    'use fewer samples or a layer of fewer units',
  );
  const part = (from: number, share: number) => (fraction: number) => step(from + share * fraction);
  const moment = await smallerMoment(engine, rows.centred('float64'), part(0, 0.3));
  const covariance = await eigenvaluesOf(moment, n, part(0.3, 0.15));
  const raw = await aboutZero(moment, rows, part(0.45, 0.05));
  const uncentred = await eigenvaluesOf(raw, n, part(0.5, 0.15));
  const eigenvalues = center ? covariance : uncentred;
  const unit = new UnitRows(rows.uncentred('float64'));
  const moments = await momentEigenvalues(engine, unit, part(0.65, 0.35));
  if (unit.zeroRows > 0) {
    context.warn(`${rows.label}: ${unit.zeroRows} rows of zeros are left out of vonNeumann`);
  }
  const constant = rows.constantColumns === rows.d;
  const rank = numericalRank(eigenvalues);
  const fit = powerLaw(eigenvalues, fitWindow(rows, window, rank, context));
  const unlessConstant = (value: number) => (constant ? null : real(value));
  return {
    label: rows.label,
    eigenvalues,
    fit,
    measures: {
      participationRatio: unlessConstant(participationRatio(eigenvalues)),
      effectiveRank: unlessConstant(effectiveRank(eigenvalues)),
      rankMe: unlessConstant(rankMe(uncentred)),
      stableRank: unlessConstant(stableRank(eigenvalues)),
      vonNeumann: real(entropy(moments)),
      alpha: unlessConstant(fit.alpha),
      alphaR2: unlessConstant(fit.r2),
    },
  };
}

function fitWindow(
  { label, constantColumns, d }: CheckedRows,
  window: string,
  rank: number,
  context: AnalysisContext,
): [number, number] {
  const [lo, hi] = parseWindow(window) ?? [1, rank];
  if (constantColumns === d) return [lo, rank];
  if (hi > rank)
    context.warn(`${label}: the window ends at rank ${rank}, the last eigenvalue above rounding`);
  const end = Math.min(hi, rank);
  if (end - lo < 1) {
    context.warn(`${label}: fewer than two eigenvalues to fit, so that alpha is null`);
  } else if (end - lo < 2) {
    context.warn(`${label}: alpha is the line through two eigenvalues only`);
  }
  return [lo, end];
}
