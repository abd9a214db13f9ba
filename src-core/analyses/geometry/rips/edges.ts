import { orderByKeys } from './sort.ts';

/** Vertices that two halves of a word can name. */
export const mostVertices = 65_535;

/** The edges of a Rips filtration, shortest first; their places in this order are their ranks. */
export interface Edges {
  /** Vertices. */
  readonly n: number;
  readonly count: number;
  /** i · 2¹⁶ + j with i < j, by rank. */
  readonly pairs: Uint32Array;
  /** By rank, ascending. */
  readonly lengths: Float32Array;
}

/** Pairs of vertices and their distances as they are found, in any order. */
export class EdgeList {
  #count = 0;
  #pairs: Uint32Array;
  #lengths: Float32Array;

  constructor(capacity: number) {
    this.#pairs = new Uint32Array(capacity);
    this.#lengths = new Float32Array(capacity);
  }

  get count(): number {
    return this.#count;
  }

  /** Note i ≠ j at distance `length`. */
  add(i: number, j: number, length: number): void {
    if (this.#count === this.#pairs.length) this.#grow();
    this.#pairs[this.#count] = i < j ? (i << 16) | j : (j << 16) | i;
    this.#lengths[this.#count++] = length;
  }

  #grow(): void {
    const capacity = Math.max(1024, Math.ceil(this.#pairs.length * 1.5));
    const [pairs, lengths] = [new Uint32Array(capacity), new Float32Array(capacity)];
    pairs.set(this.#pairs);
    lengths.set(this.#lengths);
    [this.#pairs, this.#lengths] = [pairs, lengths];
  }

  /** Those of at most `threshold`, vertices renamed, sorted by length; ties as they were added. */
  async sorted(
    n: number,
    threshold: number,
    names: Uint16Array,
    step: () => Promise<void>,
  ): Promise<Edges> {
    const [pairs, lengths] = [this.#pairs, this.#lengths];
    let count = 0;
    for (let at = 0; at < this.#count; at++) {
      if (lengths[at]! > threshold) continue;
      const pair = pairs[at]!;
      const [i, j] = [names[pair >>> 16]!, names[pair & 0xffff]!];
      pairs[count] = i < j ? (i << 16) | j : (j << 16) | i;
      lengths[count++] = lengths[at]!;
    }
    // Floats that are not negative are in the order of their bits.
    const keys = new Uint32Array(lengths.buffer, 0, count);
    return { n, count, ...(await orderByKeys(keys, pairs.subarray(0, count), step)) };
  }
}
