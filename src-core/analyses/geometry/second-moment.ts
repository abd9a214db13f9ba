import type { Engine } from '../../engine/device-engine.ts';
import { CrossSum, gram } from '../../engine/kernels.ts';
import { symmetricEigen } from '../../engine/linear-algebra/eigen.ts';
import type { RowSource } from '../../tensor/matrix.ts';
import { blocks } from '../blocks.ts';
import type { CheckedRows } from '../layers.ts';
import { callBudget } from '../../engine/call-budget.ts';

/** Elements of a block that is read at once. */
const blockElements = 1 << 19;

type Step = (fraction: number) => Promise<void>;

/**
 * Eigenvalues of XᵀX/n, descending and not negative, min(n, d) of them, all in float64. Where
 * samples are fewer than units they come from XXᵀ, which has the same ones.
 *
 * Squaring X costs half the digits: what rounding cannot tell from zero, min(n, d)·2.2e-16 of the
 * largest, is zero.
 */
export async function momentEigenvalues(
  engine: Engine,
  rows: RowSource,
  step: Step,
): Promise<Float64Array> {
  const moment = await smallerMoment(engine, rows, (part) => step(part / 2));
  return eigenvaluesOf(moment, rows.n, (part) => step(0.5 + part / 2));
}

/** Eigenvalues of a moment of n samples, as {@link momentEigenvalues} gives them. */
export async function eigenvaluesOf(
  { matrix, size }: Moment,
  n: number,
  step: Step,
): Promise<Float64Array> {
  const { values } = await symmetricEigen(matrix, size, { step });
  const rounding = size * Number.EPSILON * values[0]!;
  return values.map((value) => (value > rounding ? value / n : 0));
}

export interface Moment {
  /** Lower triangle, size × size. */
  readonly matrix: Float64Array;
  readonly size: number;
}

/**
 * The moment about zero from the one about the mean: XᵀX = X_cᵀX_c + nμμᵀ, or
 * XXᵀ = X_cX_cᵀ + a1ᵀ + 1aᵀ + ‖μ‖² with a = X_cμ. Nothing cancels; `moment` is overwritten.
 */
export async function aboutZero(
  { matrix, size }: Moment,
  rows: CheckedRows,
  step: Step,
): Promise<Moment> {
  const { n, d, mean } = rows;
  if (n >= d) {
    for (let i = 0; i < d; i++) {
      for (let j = 0; j <= i; j++) matrix[i * d + j]! += n * mean[i]! * mean[j]!;
    }
    return { matrix, size };
  }
  const along = new Float64Array(n);
  const source = rows.centred('float64');
  for (const [start, end] of blocks(n, Math.ceil(blockElements / d))) {
    const block = await source.rows(start, end);
    for (let i = start, at = 0; i < end; i++) {
      for (let j = 0; j < d; j++, at++) along[i]! += block[at]! * mean[j]!;
    }
    await step(end / n);
  }
  const square = mean.reduce((sum, value) => sum + value * value, 0);
  for (let i = 0; i < n; i++) {
    for (let j = 0; j <= i; j++) matrix[i * n + j]! += along[i]! + along[j]! + square;
  }
  return { matrix, size };
}

/** Lower triangle of the smaller of XᵀX, d × d, and, where samples are fewer than units, XXᵀ. */
export async function smallerMoment(engine: Engine, rows: RowSource, step: Step): Promise<Moment> {
  const { n, d } = rows;
  return { matrix: await (n < d ? outer : inner)(engine, rows, step), size: Math.min(n, d) };
}

/** Lower triangle of XᵀX, d × d. */
async function inner(engine: Engine, rows: RowSource, step: Step): Promise<Float64Array> {
  const { n, d } = rows;
  const sum = new CrossSum(engine, d);
  const size = Math.max(16, Math.floor((2 * callBudget) / (d * d)));
  for (const [start, end] of blocks(n, Math.min(size, Math.ceil(blockElements / d)))) {
    await sum.add(end - start, await rows.rows(start, end));
    await step(end / n);
  }
  return sum.lowerTriangle();
}

/** Lower triangle of XXᵀ, n × n. */
async function outer(engine: Engine, rows: RowSource, step: Step): Promise<Float64Array> {
  const { n, d } = rows;
  const matrix = new Float64Array(n * n);
  const size = Math.max(16, Math.min(512, Math.floor(Math.sqrt(callBudget / d))));
  for (const [a, b] of blocks(n, size)) {
    const right = await rows.rows(a, b);
    for (const [start, end] of blocks(n, size, a)) {
      const left = start === a ? right : await rows.rows(start, end);
      const part = await gram(engine, d, left, right);
      for (let row = start; row < end; row++) {
        matrix.set(
          part.subarray((row - start) * (b - a), (row - start + 1) * (b - a)),
          row * n + a,
        );
      }
      await step(b / n);
    }
  }
  return matrix;
}
