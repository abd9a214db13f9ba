/**
 * Thin QR factors of an m × n matrix, row-major, by Householder reflections: q is m × r with
 * orthonormal columns and r is r × n upper triangular, r = min(m, n), its diagonal of either sign.
 */
export function qr(
  matrix: Float64Array,
  m: number,
  n: number,
): { q: Float64Array; r: Float64Array } {
  const rank = Math.min(m, n);
  const a = matrix.slice();
  const reflections: Float64Array[] = [];
  const sums = new Float64Array(Math.max(n, rank));
  /** Rows from `k` on of columns from `first` on: X ← X − 2·v·(vᵀX). */
  const reflect = (
    x: Float64Array,
    width: number,
    k: number,
    first: number,
    v: Float64Array,
  ): void => {
    sums.fill(0, first, width);
    for (let i = k; i < m; i++) {
      const factor = v[i - k]!;
      for (let j = first; j < width; j++) sums[j]! += factor * x[i * width + j]!;
    }
    for (let i = k; i < m; i++) {
      const factor = 2 * v[i - k]!;
      for (let j = first; j < width; j++) x[i * width + j]! -= factor * sums[j]!;
    }
  };
  for (let k = 0; k < rank; k++) {
    const v = new Float64Array(m - k);
    let largest = 0;
    for (let i = k; i < m; i++) largest = Math.max(largest, Math.abs(a[i * n + k]!));
    if (largest > 0) {
      let sum = 0;
      for (let i = k; i < m; i++) {
        v[i - k] = a[i * n + k]! / largest;
        sum += v[i - k]! ** 2;
      }
      v[0]! += v[0]! < 0 ? -Math.sqrt(sum) : Math.sqrt(sum);
      const norm = Math.sqrt(v.reduce((total, value) => total + value * value, 0));
      for (let i = 0; i < v.length; i++) v[i]! /= norm;
      reflect(a, n, k, k, v);
    }
    reflections.push(v);
  }
  const r = new Float64Array(rank * n);
  for (let i = 0; i < rank; i++) r.set(a.subarray(i * n + i, (i + 1) * n), i * n + i);
  const q = new Float64Array(m * rank);
  for (let i = 0; i < rank; i++) q[i * rank + i] = 1;
  for (let k = rank - 1; k >= 0; k--) reflect(q, rank, k, k, reflections[k]!);
  return { q, r };
}

/**
 * Lower triangular L with LLᵀ = A, n × n row-major, zeros above the diagonal. Only the lower
 * triangle of `matrix` is read.
 *
 * @throws RangeError where A is not positive definite.
 */
export function cholesky(matrix: Float64Array, n: number): Float64Array {
  const lower = new Float64Array(n * n);
  for (let i = 0; i < n; i++) {
    const row = lower.subarray(i * n, (i + 1) * n);
    for (let j = 0; j <= i; j++) {
      const other = lower.subarray(j * n, (j + 1) * n);
      let sum = matrix[i * n + j]!;
      for (let k = 0; k < j; k++) sum -= row[k]! * other[k]!;
      if (j < i) row[j] = sum / other[j]!;
      else if (sum > 0) row[j] = Math.sqrt(sum);
      else throw new RangeError(`the matrix is not positive definite (row ${i + 1})`);
    }
  }
  return lower;
}

/**
 * X with AX = B for a positive definite A (n × n, lower triangle read) and B of n × `columns`.
 *
 * @throws RangeError where A is not positive definite.
 */
export function solvePositive(
  matrix: Float64Array,
  n: number,
  rhs: Float64Array,
  columns: number,
): Float64Array {
  const lower = cholesky(matrix, n);
  const x = rhs.slice();
  const subtract = (to: number, from: number, factor: number) => {
    for (let j = 0; j < columns; j++) x[to * columns + j]! -= factor * x[from * columns + j]!;
  };
  const divide = (row: number) => {
    const pivot = lower[row * n + row]!;
    for (let j = 0; j < columns; j++) x[row * columns + j]! /= pivot;
  };
  for (let i = 0; i < n; i++) {
    for (let k = 0; k < i; k++) subtract(i, k, lower[i * n + k]!);
    divide(i);
  }
  for (let i = n - 1; i >= 0; i--) {
    divide(i);
    for (let k = 0; k < i; k++) subtract(k, i, lower[i * n + k]!);
  }
  return x;
}
