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
  if (vectors) return leadingPairs(matrix, n, n, step);
  const scale = scaleOf(matrix, n);
  const reduced = await tridiagonalise(matrix, n, scale, false, (part) => step(0.9 * part));
  const { diagonal, offDiagonal } = reduced;
  await tridiagonalValues(diagonal, offDiagonal, (part) => step(0.9 + 0.1 * part));
  const descending = diagonal.sort().reverse();
  return { values: descending.map((value) => value * scale) };
}

/**
 * The `count` largest eigenvalues of a symmetric n × n matrix, of which the lower triangle is read,
 * with their vectors: count values, descending, and count × n. Direct, like `symmetricEigen`, so that
 * no spectrum is slow to converge; it takes about half as long where `count` is small.
 */
export function leadingEigen(
  matrix: Float64Array,
  n: number,
  count: number,
  { step = noStep }: { step?: Step } = {},
): Promise<EigenPairs> {
  return leadingPairs(matrix, n, Math.min(count, n), step);
}

/** What brings the entries to about unit size, so that squares neither overflow nor vanish. */
const scaleOf = (matrix: Float64Array, n: number) => largestOf(matrix, n, (row) => row + 1) || 1;

async function leadingPairs(
  matrix: Float64Array,
  n: number,
  count: number,
  step: Step,
): Promise<EigenPairs> {
  if (count === 0) return { values: new Float64Array(0), vectors: new Float64Array(0) };
  const scale = scaleOf(matrix, n);
  const reduced = await tridiagonalise(matrix, n, scale, true, (part) => step(0.4 * part));
  const { diagonal, offDiagonal, reflections } = reduced;
  const pairs = await divideAndConquer(diagonal, offDiagonal, count, (part) =>
    step(0.4 + 0.3 * part),
  );
  const columns = transpose(pairs.vectors, count, n);
  await applyReflections(reflections!, columns, count, (part) => step(0.7 + 0.3 * part));
  return {
    values: pairs.values.map((value) => value * scale),
    vectors: transpose(columns, n, count),
  };
}
