import type { Edges } from './edges.ts';

/** Edges looked at between two calls of `step`. */
const edgesPerStep = 1 << 15;

/**
 * Triangles that are enough for homology in degree 1, in the order of the filtration: by the rank of
 * their longest edge, then by the vertex opposite to it.
 */
export interface Triangles {
  readonly count: number;
  /** Rank of the longest edge. */
  readonly edges: Int32Array;
  /** The vertex opposite to it. */
  readonly apexes: Uint16Array;
}

/**
 * The lens of an edge holds the vertices that shorter edges join to both its ends: each makes a
 * triangle of which the edge is the longest. Where shorter edges join two vertices of a lens, the
 * boundary of one's triangle is that of the other's and of two triangles that came before. One
 * triangle for each connected component of the lens is enough, therefore (Koyama, Mémoli, Robins and
 * Turner 2024): the one of the least vertex, the first of them.
 */
export async function essentialTriangles(
  { n, count, pairs }: Edges,
  step: (fraction: number) => Promise<void>,
): Promise<Triangles> {
  const lenses = new Lenses(n);
  let total = 0;
  let edges = new Int32Array(count + 1024);
  let apexes = new Uint16Array(count + 1024);
  const note = (rank: number, apex: number) => {
    if (total === edges.length) {
      const grown = Math.ceil(total * 1.25);
      [edges, apexes] = [
        copyOf(edges, new Int32Array(grown)),
        copyOf(apexes, new Uint16Array(grown)),
      ];
    }
    edges[total] = rank;
    apexes[total++] = apex;
  };
  for (let rank = 0; rank < count; rank++) {
    const pair = pairs[rank]!;
    let apex = lenses.open(pair >>> 16, pair & 0xffff);
    while (apex >= 0) {
      note(rank, apex);
      apex = lenses.nextComponent(apex);
    }
    lenses.join(pair >>> 16, pair & 0xffff);
    if (rank % edgesPerStep === 0) await step(rank / count);
  }
  return { count: total, edges: edges.subarray(0, total), apexes: apexes.subarray(0, total) };
}

function copyOf<T extends Int32Array | Uint16Array>(from: T, to: T): T {
  to.set(from);
  return to;
}

/** Neighbours of every vertex among the edges so far, one bit each, and the lens of the next edge. */
class Lenses {
  readonly #words: number;
  readonly #near: Uint32Array;
  /** Members of the lens whose component is not known yet. */
  readonly #rest: Uint32Array;
  /** Members of the present component. */
  readonly #reached: Uint32Array;
  /** Words of the lens that hold anything. */
  #low = 0;
  #high = -1;

  constructor(n: number) {
    this.#words = (n + 31) >>> 5;
    this.#near = new Uint32Array(n * this.#words);
    this.#rest = new Uint32Array(this.#words);
    this.#reached = new Uint32Array(this.#words);
  }

  join(i: number, j: number): void {
    this.#near[i * this.#words + (j >>> 5)]! |= 1 << (j & 31);
    this.#near[j * this.#words + (i >>> 5)]! |= 1 << (i & 31);
  }

  /** Begin with the lens of an edge; its least member, or −1. */
  open(i: number, j: number): number {
    const near = this.#near;
    const rest = this.#rest;
    const words = this.#words;
    const a = i * words;
    const b = j * words;
    let low = words;
    let high = -1;
    for (let w = 0; w < words; w++) {
      const both = near[a + w]! & near[b + w]!;
      rest[w] = both;
      if (both !== 0) {
        if (high < 0) low = w;
        high = w;
      }
    }
    this.#low = low;
    this.#high = high;
    return high < 0 ? -1 : (low << 5) | lowestBit(rest[low]!);
  }

  /** Leave out the component of `apex`; the least member of what is left, or −1. */
  nextComponent(apex: number): number {
    const near = this.#near;
    const rest = this.#rest;
    const reached = this.#reached;
    const low = this.#low;
    const high = this.#high;
    const row = apex * this.#words;
    let left = 0;
    rest[apex >>> 5]! &= ~(1 << (apex & 31));
    for (let w = low; w <= high; w++) {
      const here = rest[w]! & near[row + w]!;
      reached[w] = here;
      left |= rest[w]! ^= here;
    }
    // Most often the first vertex, which is a central one, is near all others.
    while (left !== 0) {
      let moved = false;
      left = 0;
      for (let w = low; w <= high; w++) {
        let todo = rest[w]!;
        while (todo !== 0) {
          const bit = todo & -todo;
          todo ^= bit;
          const other = ((w << 5) | lowestBit(bit)) * this.#words;
          for (let at = low; at <= high; at++) {
            if ((near[other + at]! & reached[at]!) !== 0) {
              rest[w]! ^= bit;
              reached[w]! |= bit;
              moved = true;
              break;
            }
          }
        }
        left |= rest[w]!;
      }
      if (!moved) break;
    }
    if (left === 0) return -1;
    let first = low;
    while (rest[first] === 0) first++;
    this.#low = first;
    return (first << 5) | lowestBit(rest[first]!);
  }
}

const lowestBit = (word: number) => 31 - Math.clz32(word & -word);
