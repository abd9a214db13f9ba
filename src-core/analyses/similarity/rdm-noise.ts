import type { Engine } from '../../engine/device-engine.ts';
import { cross, gram } from '../../engine/kernels.ts';
import { cholesky } from '../../engine/linear-algebra/factor.ts';
import { UserError } from '../../errors.ts';
import { Matrix, type RowSource } from '../../tensor/matrix.ts';
import { blocks } from '../blocks.ts';
import type { Step } from './rdm.ts';

const blockElements = 1 << 20;

/**
 * Covariance of residual rows of mean zero: their products over the degrees of freedom, with
 * off-diagonal entries shrunk by 1 − λ towards none where asked for. λ = Σ Var(r_ij) / Σ r_ij²
 * over i ≠ j, within [0, 1], Var(r_ij) = N/(N−1)³·Σ_k (w_kij − w̄_ij)² with w_kij = z_ki·z_kj the
 * products of standardised residuals and r_ij = N/(N−1)·w̄_ij (Schäfer and Strimmer 2005).
 */
export async function residualCovariance(
  engine: Engine,
  residuals: readonly RowSource[],
  degreesOfFreedom: number,
  shrink: boolean,
  step: Step,
): Promise<{ covariance: Float64Array; lambda: number }> {
  const { d } = residuals[0]!;
  const products = new Float64Array(d * d);
  let count = 0;
  for (const rows of residuals) {
    for (const [start, end] of blocksOf(rows)) {
      const block = Float64Array.from(await rows.rows(start, end));
      const part = await cross(engine, end - start, block, block);
      for (let at = 0; at < part.length; at++) products[at]! += part[at]!;
      count += end - start;
      await step(0);
    }
  }
  const lambda = shrink ? await intensity(residuals, products, count, step) : 0;
  const covariance = products.map((sum) => sum / degreesOfFreedom);
  for (let i = 0, at = 0; i < d; i++) {
    for (let j = 0; j < d; j++, at++) if (i !== j) covariance[at]! *= 1 - lambda;
  }
  return { covariance, lambda };
}

const blocksOf = ({ n, d }: RowSource) => blocks(n, Math.max(1, Math.floor(blockElements / d)));

async function intensity(
  residuals: readonly RowSource[],
  products: Float64Array,
  count: number,
  step: Step,
): Promise<number> {
  const { d } = residuals[0]!;
  const scale = Float64Array.from({ length: d }, (_, j) => {
    const variance = products[j * (d + 1)]! / (count - 1);
    return variance > 0 ? 1 / variance : 0;
  });
  // Σ_k Σ_{i≠j} w_kij², from sums over each row alone.
  let squares = 0;
  for (const rows of residuals) {
    for (const [start, end] of blocksOf(rows)) {
      const block = await rows.rows(start, end);
      for (let at = 0; at < block.length;) {
        let second = 0;
        let fourth = 0;
        for (let j = 0; j < d; j++) {
          const square = block[at++]! ** 2 * scale[j]!;
          second += square;
          fourth += square * square;
        }
        squares += second * second - fourth;
      }
      await step(0);
    }
  }
  let means = 0;
  for (let i = 0; i < d; i++) {
    for (let j = 0; j < d; j++) {
      if (i !== j) means += (products[i * d + j]! / count) ** 2 * scale[i]! * scale[j]!;
    }
  }
  const correlations = means * (count / (count - 1)) ** 2;
  if (!(correlations > 0)) return 1;
  const variances = (count / (count - 1) ** 3) * (squares - count * means);
  return Math.min(1, Math.max(0, variances / correlations));
}

/** Units without variance that no two stimuli differ in take no part: any variance serves. */
export async function passOverConstant(
  covariance: Float64Array,
  centredStimuli: RowSource,
): Promise<void> {
  const { d } = centredStimuli;
  const differs = new Uint8Array(d);
  for (const [start, end] of blocksOf(centredStimuli)) {
    const block = await centredStimuli.rows(start, end);
    for (let at = 0; at < block.length; at++) if (block[at] !== 0) differs[at % d] = 1;
  }
  for (let j = 0; j < d; j++) {
    if (differs[j] === 0 && covariance[j * (d + 1)] === 0) covariance[j * (d + 1)] = 1;
  }
}

/**
 * A function that multiplies rows by W, WWᵀ = Σ⁻¹, so that products of rows become x·Σ⁻¹·y.
 * @throws UserError `constant` where the covariance has no inverse.
 */
export function whitening(
  engine: Engine,
  covariance: Float64Array,
  d: number,
  label: string,
): (rows: RowSource, step: Step) => Promise<RowSource> {
  const inverse = invertLower(factorOf(covariance, d, label), d);
  return async (rows, step) => {
    const data = new Float64Array(rows.n * d);
    for (const [start, end] of blocksOf(rows)) {
      const block = Float64Array.from(await rows.rows(start, end));
      data.set(await gram(engine, d, block, inverse), start * d);
      await step(0);
    }
    return new Matrix(rows.n, d, data);
  };
}

/** Pivots below this share of their variance are rounding. */
const leastPivot = 1e-10;

function factorOf(covariance: Float64Array, d: number, label: string): Float64Array {
  try {
    const lower = cholesky(covariance, d);
    for (let j = 0; j < d; j++) {
      if (lower[j * (d + 1)]! ** 2 <= leastPivot * covariance[j * (d + 1)]!) throw new RangeError();
    }
    return lower;
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new UserError(
      'constant',
      label,
      'has units whose covariance has no inverse: some follow from others, or have no noise over repeats',
      'set shrinkage=diag, leave those units out, or choose another rdm',
    );
  }
}

function invertLower(lower: Float64Array, n: number): Float64Array {
  const inverse = new Float64Array(n * n);
  for (let i = 0; i < n; i++) {
    const row = inverse.subarray(i * n, (i + 1) * n);
    const pivot = lower[i * (n + 1)]!;
    for (let k = 0; k < i; k++) {
      const factor = lower[i * n + k]! / pivot;
      if (factor === 0) continue;
      const other = inverse.subarray(k * n, k * n + k + 1);
      for (let j = 0; j <= k; j++) row[j]! -= factor * other[j]!;
    }
    row[i] = 1 / pivot;
  }
  return inverse;
}
