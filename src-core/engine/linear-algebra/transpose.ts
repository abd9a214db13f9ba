/** Doubles of a cache line: rows that are read together, so that lines are written whole. */
const lineLength = 8;

/** Aᵀ for A: m × n, row-major. */
export function transpose(a: Float64Array, m: number, n: number): Float64Array {
  const result = new Float64Array(m * n);
  for (let top = 0; top < m; top += lineLength) {
    const bottom = Math.min(m, top + lineLength);
    for (let j = 0; j < n; j++) {
      for (let i = top; i < bottom; i++) result[j * m + i] = a[i * n + j]!;
    }
  }
  return result;
}
