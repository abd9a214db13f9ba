import type { Step } from './eigen.ts';
import type { Reflections } from './reflections.ts';
import { Workspace } from './workspace.ts';

/** Elements worked on between two calls of `step`, tens of milliseconds. */
const elementsPerStep = 1 << 24;

/** Bytes between rows of n doubles: aligned, and off the powers of two that share cache lines. */
export const strideOf = (n: number) => (n + (n % 2) + 2) * Float64Array.BYTES_PER_ELEMENT;

/**
 * Reduce a symmetric matrix of n × n, of which the lower triangle is read, to tridiagonal form by
 * reflections: `offDiagonal[i]` couples i − 1 with i. With `keep`, also the reflections, in whose
 * order H(1)⋯ turn eigenvectors of that form into those of the matrix.
 */
export async function tridiagonalise(
  matrix: Float64Array,
  n: number,
  divisor: number,
  keep: boolean,
  step: Step,
): Promise<{ diagonal: Float64Array; offDiagonal: Float64Array; reflections?: Reflections }> {
  const stride = strideOf(n);
  const width = stride / Float64Array.BYTES_PER_ELEMENT;
  const workspace = new Workspace([n * width, 4 * width, n, n, n]);
  try {
    const a = workspace.array(n * width);
    const vectors = workspace.array(4 * width);
    const [d, e, taus] = [workspace.array(n), workspace.array(n), workspace.array(n)];
    for (let i = 0; i < n; i++) {
      for (let j = 0, from = i * n, to = i * width; j <= i; j++)
        a.data[to + j] = matrix[from + j]! / divisor;
    }
    const total = n ** 3 / 6;
    for (let k = n - 1, done = 0; k > 0;) {
      const to = Math.max(1, k + 1 - Math.max(1, Math.floor((2 * elementsPerStep) / (k * k))));
      workspace.kernels.tridiagonalise(
        a.address,
        stride,
        k,
        to,
        vectors.address,
        d.address,
        e.address,
        taus.address,
      );
      done += (k ** 3 - (to - 1) ** 3) / 6;
      k = to - 1;
      if (k > 0) await step(done / total);
    }
    // The update that is still pending.
    const [v, w] = [vectors.data[0]!, vectors.data[width]!];
    d.data[0] = a.data[0]! - 2 * v * w;
    const result = { diagonal: d.data.slice(), offDiagonal: e.data.slice() };
    if (!keep) return result;
    const [rows, factors] = [packed(a.data, width, n), taus.data.slice()];
    return {
      ...result,
      reflections: {
        count: n - 1,
        length: n,
        vector(index, row) {
          const k = index + 1;
          row.fill(0);
          row.set(rows.subarray((k * (k - 1)) / 2, (k * (k + 1)) / 2));
        },
        tau: (index) => factors[index + 1]!,
        span: (_, to) => [0, to],
      },
    };
  } finally {
    workspace.release();
  }
}

/** The first k entries of each row k. */
function packed(a: Float64Array, width: number, n: number): Float64Array {
  const result = new Float64Array((n * (n - 1)) / 2);
  for (let k = 1; k < n; k++) result.set(a.subarray(k * width, k * width + k), (k * (k - 1)) / 2);
  return result;
}
