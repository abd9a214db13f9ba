/**
 * The combinatorial number system: a simplex of vertices v₀ < … < v_q is the number
 * Σ C(vᵢ, i + 1), which is exact below 2⁵³.
 */
export class SimplexNumbers {
  readonly #n: number;
  /** C(v, k) at k·(n + 1) + v. */
  readonly #binomials: Float64Array;

  /** For simplices of at most `size` of n vertices; see {@link fits}. */
  constructor(n: number, size: number) {
    this.#n = n;
    this.#binomials = new Float64Array((size + 1) * (n + 1));
    for (let v = 0; v <= n; v++) {
      this.#binomials[v] = 1;
      for (let k = 1; k <= size && v > 0; k++) {
        this.#binomials[k * (n + 1) + v] = this.choose(v - 1, k) + this.choose(v - 1, k - 1);
      }
    }
  }

  choose(v: number, k: number): number {
    return this.#binomials[k * (this.#n + 1) + v]!;
  }

  /** Write the vertices of a simplex of `size` vertices, ascending. */
  vertices(index: number, size: number, into: Int32Array): void {
    let rest = index;
    let high = this.#n - 1;
    for (let k = size; k > 0; k--) {
      // The greatest v with C(v, k) ≤ rest.
      let low = k - 1;
      while (low < high) {
        const middle = (low + high + 1) >> 1;
        if (this.choose(middle, k) <= rest) low = middle;
        else high = middle - 1;
      }
      into[k - 1] = low;
      rest -= this.choose(low, k);
      high = low - 1;
    }
  }

  /** Number of the simplex of ascending vertices. */
  index(vertices: Int32Array, size: number): number {
    let sum = 0;
    for (let k = 0; k < size; k++) sum += this.choose(vertices[k]!, k + 1);
    return sum;
  }
}

/** Whether numbers of simplices of `size` out of n vertices are exact. */
export function fits(n: number, size: number): boolean {
  let count = 1;
  for (let k = 1; k <= size; k++) count = (count * (n - k + 1)) / k;
  return count < Number.MAX_SAFE_INTEGER;
}
