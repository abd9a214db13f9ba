import type { Engine } from '../device-engine.ts';
import { divideAndConquer } from './divide.ts';
import { tridiagonalValues } from './ql.ts';
import { applyReflections } from './reflections.ts';
import { transpose } from './transpose.ts';
import { tridiagonalise } from './tridiagonal.ts';

/** Called between shares of the work with the part done; a rejection stops the work. */
export type Step = (fraction: number) => Promise<void>;

const noStep: Step = () => Promise.resolve();

/**
 * The largest absolute value of the first `end(row)` entries of each row of a matrix of n columns.
 *
 * @throws RangeError where one is NaN or infinite.
 */
export function largestOf(
  matrix: Float64Array,
  n: number,
  end: (row: number) => number = () => n,
): number {
  let largest = 0;
  for (let row = 0, start = 0; start < matrix.length; row++, start += n) {
    for (let at = start, last = start + end(row); at < last; at++) {
      const size = Math.abs(matrix[at]!);
      if (size > largest) largest = size;
      else if (Number.isNaN(size)) largest = Infinity;
    }
  }
  if (largest < Infinity) return largest;
  throw new RangeError('the matrix holds values that are not finite');
}

export interface EigenValues {
  /** Descending. */
  values: Float64Array;
}

export interface EigenPairs extends EigenValues {
  /** Row i is the unit eigenvector of value i. */
  vectors: Float64Array;
}

/**
 * Eigenvalues, and eigenvectors where asked for, of a symmetric n × n matrix, row-major, of which
 * only the lower triangle is read. Values are off by a few units of rounding of the largest one.
 *
 * @throws RangeError where the matrix holds NaN or infinities.
 */
export async function symmetricEigen(
  matrix: Float64Array,
  n: number,
  options: { vectors: true; step?: Step },
): Promise<EigenPairs>;
export async function symmetricEigen(
  matrix: Float64Array,
  n: number,
  options?: { vectors?: false; step?: Step },
): Promise<EigenValues>;
export async function symmetricEigen(
  matrix: Float64Array,
  n: number,
  { vectors = false, step = noStep }: { vectors?: boolean; step?: Step } = {},
): Promise<EigenValues & Partial<EigenPairs>> {
  // Of about unit size, so that squares neither overflow nor vanish.
  const scale = largestOf(matrix, n, (row) => row + 1);
  if (n === 0)
    return vectors
      ? { values: new Float64Array(0), vectors: new Float64Array(0) }
      : { values: new Float64Array(0) };
  const divisor = scale === 0 ? 1 : scale;
  const reduced = await tridiagonalise(matrix, n, divisor, vectors, (part) =>
    step(vectors ? 0.4 * part : 0.9 * part),
  );
  const { diagonal, offDiagonal, reflections } = reduced;
  if (reflections === undefined) {
    await tridiagonalValues(diagonal, offDiagonal, (part) => step(0.9 + 0.1 * part));
    return {
      values: diagonal
        .sort()
        .reverse()
        .map((value) => value * scale),
    };
  }
  const pairs = await divideAndConquer(diagonal, offDiagonal, (part) => step(0.4 + 0.3 * part));
  const order = pairs.order.reverse();
  const values = Float64Array.from(order, (at) => pairs.values[at]! * scale);
  const columns = columnsOf(pairs.vectors, n, order);
  await applyReflections(reflections, columns, n, (part) => step(0.7 + 0.3 * part));
  return { values, vectors: transpose(columns, n, n) };
}

/** Rows in an order, as columns. */
function columnsOf(rows: Float64Array, n: number, order: readonly number[]): Float64Array {
  const sorted = new Float64Array(n * n);
  order.forEach((from, to) => sorted.set(rows.subarray(from * n, (from + 1) * n), to * n));
  return transpose(sorted, n, n);
}

/**
 * The `count` largest eigenvalues of a symmetric n × n matrix, both triangles given, with their
 * vectors: count values, descending, and count × n.
 */
export async function leadingEigen(
  _engine: Engine,
  matrix: Float64Array,
  n: number,
  count: number,
  { step = noStep }: { step?: Step } = {},
): Promise<EigenPairs> {
  const { values, vectors } = await symmetricEigen(matrix, n, { vectors: true, step });
  return { values: values.slice(0, count), vectors: vectors.slice(0, count * n) };
}
