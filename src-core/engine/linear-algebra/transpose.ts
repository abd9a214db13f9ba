/** Square blocks of this many elements a side stay in the cache. */
const blockSize = 32;

/** Aᵀ for A: m × n, row-major. */
export function transpose(a: Float64Array, m: number, n: number): Float64Array {
  const result = new Float64Array(m * n);
  for (let top = 0; top < m; top += blockSize) {
    const bottom = Math.min(m, top + blockSize);
    for (let left = 0; left < n; left += blockSize) {
      const right = Math.min(n, left + blockSize);
      for (let i = top; i < bottom; i++)
        for (let j = left; j < right; j++) result[j * m + i] = a[i * n + j]!;
    }
  }
  return result;
}
