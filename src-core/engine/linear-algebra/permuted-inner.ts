/**
 * Σᵢⱼ K[i, j]·L[π(i), π(j)] of two symmetric n × n matrices, π(i) = order[i]: their inner product
 * after one of them is permuted. Only K's lower triangle is read.
 */
export function permutedInner(
  k: Float64Array,
  l: Float64Array,
  n: number,
  order: Int32Array | Uint32Array,
): number {
  let diagonal = 0;
  let below = 0;
  for (let i = 0; i < n; i++) {
    const row = i * n;
    const other = order[i]! * n;
    // Two sums, so that an addition need not wait for the one before.
    let even = 0;
    let odd = 0;
    let j = 0;
    for (; j + 1 < i; j += 2) {
      even += k[row + j]! * l[other + order[j]!]!;
      odd += k[row + j + 1]! * l[other + order[j + 1]!]!;
    }
    if (j < i) even += k[row + j]! * l[other + order[j]!]!;
    below += even + odd;
    diagonal += k[row + i]! * l[other + order[i]!]!;
  }
  return diagonal + 2 * below;
}
