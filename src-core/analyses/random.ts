/**
 * Reproducible random numbers: Chris Doty-Humphrey's sfc32 (128 bits of state, passes PractRand),
 * seeded by hashing an integer. The same seed gives the same draws on every platform.
 */
export class Random {
  #a: number;
  #b: number;
  #c: number;
  #counter = 1;

  constructor(seed: number) {
    this.#a = 0x9e3779b9;
    this.#b = Math.floor(seed / 2 ** 32) >>> 0;
    this.#c = seed >>> 0;
    // The first outputs still show the seed; the author's own seeding drops twelve.
    for (let i = 0; i < 12; i++) this.#bits();
  }

  #bits(): number {
    const sum = (this.#a + this.#b + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = ((this.#c << 21) | (this.#c >>> 11)) + sum;
    return sum >>> 0;
  }

  /** Uniform in [0, 1), 32 bits. */
  uniform(): number {
    return this.#bits() / 2 ** 32;
  }

  /** Standard normal (Box and Muller). */
  gaussian(): number {
    const radius = Math.sqrt(-2 * Math.log(1 - this.uniform()));
    return radius * Math.cos(2 * Math.PI * this.uniform());
  }

  /** Uniform integer in [0, n). */
  below(n: number): number {
    return Math.floor(this.uniform() * n);
  }

  /** 0 … n − 1 in random order (Fisher and Yates). */
  permutation(n: number): Int32Array {
    const order = Int32Array.from({ length: n }, (_, i) => i);
    for (let i = n - 1; i > 0; i--) {
      const j = this.below(i + 1);
      [order[i], order[j]] = [order[j]!, order[i]!];
    }
    return order;
  }

  /** How often each of n samples occurs among n draws with replacement. */
  multiplicities(n: number): Float64Array {
    const counts = new Float64Array(n);
    for (let i = 0; i < n; i++) counts[this.below(n)]! += 1;
    return counts;
  }
}
