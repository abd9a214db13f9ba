import type { Floats } from '../../tensor/matrix.ts';
import type { KernelSums, Pair, Tile } from './kernel-sums.ts';

const rowsPerPause = 1024;

export type Estimator = 'debiased' | 'biased';

/**
 * HSIC of the pair at `index` in `sums.products`.
 * - `debiased`: HSIC₁, Song et al. (2012), eq. 5; needs n ≥ 4; may be negative.
 * - `biased`: HSIC₀ = tr(KHLH)/(n−1)², Gretton et al. (2005).
 */
export function hsic(sums: KernelSums, [i, j]: Pair, index: number, estimator: Estimator): number {
  const { n } = sums;
  const product = sums.products[index]!;
  const r = sums.rowSums[i]!;
  const s = sums.rowSums[j]!;
  const k = sums.diagonal[i]!;
  const l = sums.diagonal[j]!;
  const debiased = estimator === 'debiased';
  let rows = 0;
  let totalK = 0;
  let totalL = 0;
  let diagonal = 0;
  for (let a = 0; a < n; a++) {
    const left = debiased ? r[a]! : r[a]! + k[a]!;
    const right = debiased ? s[a]! : s[a]! + l[a]!;
    rows += left * right;
    totalK += left;
    totalL += right;
    diagonal += k[a]! * l[a]!;
  }
  if (debiased) {
    const between = (totalK * totalL) / ((n - 1) * (n - 2)) - (2 * rows) / (n - 2);
    return (product + between) / (n * (n - 3));
  }
  return (product + diagonal - (2 * rows) / n + (totalK * totalL) / (n * n)) / (n - 1) ** 2;
}

/** Kernel matrices made so that HSIC is their plain inner product, up to {@link innerScale}. */
export class CentredMatrices {
  readonly n: number;
  /** n × n each, row-major; float32 where the rows they come from are. */
  readonly matrices: Floats[];

  constructor(n: number, kernels: number, type: 'float32' | 'float64') {
    this.n = n;
    this.matrices = Array.from({ length: kernels }, () =>
      type === 'float64' ? new Float64Array(n * n) : new Float32Array(n * n),
    );
  }

  /** Bytes that `kernels` of them take. */
  static bytes(n: number, kernels: number, type: 'float32' | 'float64'): number {
    return kernels * n * n * (type === 'float64' ? 8 : 4);
  }

  /** Takes in the upper triangle. */
  add({ a, b, values }: Tile): void {
    const { n } = this;
    const width = b[1] - b[0];
    for (const [index, tile] of values.entries()) {
      const matrix = this.matrices[index]!;
      for (let row = a[0]; row < a[1]; row++) {
        const from = (row - a[0]) * width;
        matrix.set(tile.subarray(from, from + width), row * n + b[0]);
      }
    }
  }

  /** U-centre (debiased; the diagonal stays zero) or double-centre with the diagonal (biased). */
  async centre(
    { diagonal, rowSums }: KernelSums,
    estimator: Estimator,
    pause: () => Promise<void>,
  ): Promise<void> {
    const { n } = this;
    const debiased = estimator === 'debiased';
    for (const [index, matrix] of this.matrices.entries()) {
      const sums = debiased
        ? rowSums[index]!
        : rowSums[index]!.map((sum, row) => sum + diagonal[index]![row]!);
      const total = sums.reduce((sum, value) => sum + value, 0);
      const perRow = debiased ? n - 2 : n;
      const whole = debiased ? total / ((n - 1) * (n - 2)) : total / (n * n);
      const shifts = sums.map((sum) => sum / perRow);
      for (let row = 0; row < n; row++) {
        matrix[row * n + row] = debiased ? 0 : diagonal[index]![row]! - 2 * shifts[row]! + whole;
        const shift = shifts[row]! - whole;
        for (let column = row + 1, at = row * n + row + 1; column < n; column++, at++) {
          const value = matrix[at]! - shift - shifts[column]!;
          matrix[at] = value;
          matrix[column * n + row] = value;
        }
        if (row % rowsPerPause === 0) await pause();
      }
    }
  }
}

/** HSIC is the inner product of {@link CentredMatrices} divided by this. */
export const innerScale = (n: number, estimator: Estimator): number =>
  estimator === 'debiased' ? n * (n - 3) : (n - 1) ** 2;
