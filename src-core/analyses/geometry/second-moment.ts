import type { Engine } from '../../engine/device-engine.ts';
import { cross, gram } from '../../engine/kernels.ts';
import { symmetricEigen } from '../../engine/linear-algebra/eigen.ts';
import type { RowSource } from '../../tensor/matrix.ts';
import { blocks, columnsOf } from '../blocks.ts';

/** Multiply-adds of one engine call in float64, for ≤ 100 ms on a slow processor. */
const callBudget = 4e8;
const largestPanel = 1024;

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
  const { n } = rows;
  const { matrix, size } = await smallerMoment(engine, rows, (part) => step(part / 2));
  const { values } = await symmetricEigen(matrix, size, {
    step: (part) => step(0.5 + part / 2),
  });
  const rounding = size * Number.EPSILON * values[0]!;
  return values.map((value) => (value > rounding ? value / n : 0));
}

/** Lower triangle of the smaller of XᵀX, d × d, and, where samples are fewer than units, XXᵀ. */
export async function smallerMoment(
  engine: Engine,
  rows: RowSource,
  step: Step,
): Promise<{ matrix: Float64Array; size: number }> {
  const { n, d } = rows;
  return { matrix: await (n < d ? outer : inner)(engine, rows, step), size: Math.min(n, d) };
}

/** Lower triangle of XᵀX, d × d. */
async function inner(engine: Engine, rows: RowSource, step: Step): Promise<Float64Array> {
  const { n, d } = rows;
  const matrix = new Float64Array(d * d);
  const panels = [...blocks(d, largestPanel)].flatMap((a) =>
    [...blocks(d, largestPanel, a[0])].map((b) => ({ a, b })),
  );
  for (const [index, { a, b }] of panels.entries()) {
    const width = a[1] - a[0];
    const size = Math.max(16, Math.floor(callBudget / (width * (b[1] - b[0]))));
    for (const [start, end] of blocks(n, size)) {
      const block = await rows.rows(start, end);
      const left = columnsOf(block, d, b);
      const part = await cross(engine, end - start, left, a === b ? left : columnsOf(block, d, a));
      for (let row = b[0], at = 0; row < b[1]; row++) {
        for (let column = a[0]; column < a[1]; column++, at++)
          matrix[row * d + column]! += part[at]!;
      }
      await step((index + end / n) / panels.length);
    }
  }
  return matrix;
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
