import { readFileSync } from 'node:fs';

interface Reference {
  eigenvalues: Record<string, number[]>;
  singularValues: Record<string, number[]>;
  decaying: number[];
  assignment: Record<string, { rows: number[]; columns: number[]; cost: number }>;
  transport: Record<string, number>;
  line: number;
}

export const reference = JSON.parse(
  readFileSync(
    new URL('../../../test/fixtures/linear-algebra/reference.json', import.meta.url),
    'utf8',
  ),
) as Reference;

/** The matrices of test/fixtures/linear-algebra/make.py. */
export function fixtureMatrix(rows: number, columns: number, seed: number): Float64Array {
  return Float64Array.from({ length: rows * columns }, (_, at) => {
    const k = BigInt(at + 1000 * seed + 1);
    return Number((k * k * 7919n + k * 104729n + (k / 7n) * 31n) % 10007n) / 10007 - 0.5;
  });
}

/** Two numbers out of a name such as `30x12`. */
export const shapeOf = (name: string) => name.split('x').map(Number) as [number, number];

/** A·B for A: m × k and B: k × n. */
export function multiply(
  a: Float64Array,
  b: Float64Array,
  m: number,
  k: number,
  n: number,
): Float64Array {
  const result = new Float64Array(m * n);
  for (let i = 0; i < m; i++) {
    for (let at = 0; at < k; at++) {
      const factor = a[i * k + at]!;
      for (let j = 0; j < n; j++) result[i * n + j]! += factor * b[at * n + j]!;
    }
  }
  return result;
}

export function transposed(a: Float64Array, m: number, n: number): Float64Array {
  return Float64Array.from({ length: m * n }, (_, at) => a[(at % m) * n + Math.floor(at / m)]!);
}

export function diagonalOf(values: ArrayLike<number>): Float64Array {
  const n = values.length;
  const matrix = new Float64Array(n * n);
  for (let i = 0; i < n; i++) matrix[i * n + i] = values[i]!;
  return matrix;
}

export const identity = (n: number) => diagonalOf(new Float64Array(n).fill(1));

export function largestDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  if (a.length !== b.length) return Infinity;
  let largest = 0;
  for (let i = 0; i < a.length; i++) {
    const difference = Math.abs(a[i]! - b[i]!);
    // NaN too.
    if (!(difference <= largest)) largest = difference;
  }
  return largest;
}
