import type { Engine } from '../../engine/device-engine.ts';
import { gram } from '../../engine/kernels.ts';
import { solvePositive } from '../../engine/linear-algebra/factor.ts';
import { transpose } from '../../engine/linear-algebra/transpose.ts';

/** Unknowns up to which a factorisation takes well below 100 ms. */
const direct = 384;
const tolerance = 1e-9;
const mostRounds = 1000;

/**
 * AX = B for a positive definite A that is not badly conditioned (a ridge penalty sees to that):
 * by its factor where it is small, else by conjugate gradients, all columns at once, with products
 * on the device.
 * @param right B, n × columns
 */
export async function solveRidge(
  engine: Engine,
  matrix: Float64Array,
  n: number,
  right: Float64Array,
  columns: number,
  step: () => Promise<void>,
): Promise<Float64Array> {
  if (n <= direct) return solvePositive(matrix, n, right, columns);
  // Unknowns are kept by column, so that one column is contiguous.
  const residual = transpose(right, n, columns);
  const solution = new Float64Array(residual.length);
  const direction = residual.slice();
  const column = (of: Float64Array, c: number) => of.subarray(c * n, (c + 1) * n);
  let squares = Float64Array.from({ length: columns }, (_, c) => dot(column(residual, c)));
  const enough = squares.map((square) => square * tolerance ** 2);
  for (let round = 0; round < mostRounds; round++) {
    if (squares.every((square, c) => square <= enough[c]!)) break;
    const product = await gram(engine, n, direction, matrix);
    const next = squares.slice();
    for (let c = 0; c < columns; c++) {
      if (squares[c]! <= enough[c]!) continue;
      const [x, r, p, q] = [solution, residual, direction, product].map((of) => column(of, c)) as [
        Float64Array,
        Float64Array,
        Float64Array,
        Float64Array,
      ];
      const length = squares[c]! / dot(p, q);
      for (let i = 0; i < n; i++) {
        x[i]! += length * p[i]!;
        r[i]! -= length * q[i]!;
      }
      next[c] = dot(r);
      const turn = next[c]! / squares[c]!;
      for (let i = 0; i < n; i++) p[i] = r[i]! + turn * p[i]!;
    }
    squares = next;
    await step();
  }
  return transpose(solution, columns, n);
}

function dot(a: Float64Array, b = a): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}
