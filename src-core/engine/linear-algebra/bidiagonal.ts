import type { Step } from './eigen.ts';
import { backwards, type Reflections } from './reflections.ts';
import { strideOf } from './tridiagonal.ts';
import { Workspace } from './workspace.ts';

/** Elements worked on between two calls of `step`, tens of milliseconds. */
const elementsPerStep = 1 << 24;

export interface Bidiagonal {
  /** n of them. */
  diagonal: Float64Array;
  /** Element i couples i with i + 1; the last one is zero. */
  superdiagonal: Float64Array;
  /** What turns singular vectors of this form into those of the matrix, from either side. */
  left?: Reflections;
  right?: Reflections;
}

/**
 * Reduce a matrix of m × n, m ≥ n, divided by `divisor`, to upper bidiagonal form by reflections from
 * both sides, which are kept where asked for.
 */
export async function bidiagonalise(
  matrix: Float64Array,
  m: number,
  n: number,
  divisor: number,
  keep: boolean,
  step: Step,
): Promise<Bidiagonal> {
  const stride = strideOf(n);
  const width = stride / Float64Array.BYTES_PER_ELEMENT;
  const height = m + (m % 2);
  const lengths = [m * width, 3 * width, 3 * height, n, n, 2 * n];
  const kept = keep ? [n * height, n * width] : [0, 0];
  const workspace = new Workspace([...lengths, ...kept]);
  try {
    const [a, wide, tall, d, e, taus] = lengths.map((length) => workspace.array(length)) as Six;
    const [left, right] = kept.map((length) => workspace.array(length)) as Two;
    for (let i = 0; i < m; i++) {
      for (let j = 0, from = i * n, to = i * width; j < n; j++)
        a.data[to + j] = matrix[from + j]! / divisor;
    }
    const total = (m * n ** 2) / 2 - n ** 3 / 6;
    for (let k = 0, done = 0; k < n;) {
      const size = (m - k) * (n - k);
      const to = Math.min(n, k + Math.max(1, Math.floor(elementsPerStep / size)));
      workspace.kernels.bidiagonalise(
        a.address,
        stride,
        m,
        n,
        k,
        to,
        wide.address,
        tall.address,
        d.address,
        e.address,
        left.address,
        keep ? height * Float64Array.BYTES_PER_ELEMENT : 0,
        right.address,
        taus.address,
      );
      done += size * (to - k);
      k = to;
      if (k < n) await step(Math.min(1, done / total));
    }
    const result = { diagonal: d.data.slice(), superdiagonal: e.data.slice() };
    if (!keep) return result;
    const factors = taus.data.slice();
    const [columns, rows] = [left.data.slice(), right.data.slice()];
    return {
      ...result,
      left: backwards(n, m, 0, (k) => columns.subarray(k * height), factors),
      right: backwards(n - 1, n, 1, (k) => rows.subarray(k * width), factors.subarray(n)),
    };
  } finally {
    workspace.release();
  }
}

type Allocated = ReturnType<Workspace['array']>;
type Two = [Allocated, Allocated];
type Six = [Allocated, Allocated, Allocated, Allocated, Allocated, Allocated];
