import type { Edges } from './edges.ts';

/** Words of neighbours looked at between two calls of `step`. */
const wordsPerStep = 1 << 21;

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
  const edgesPerStep = Math.ceil(wordsPerStep / ((n + 31) >>> 5));
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
  /** Where the neighbours of the edge's ends begin. */
  #first = 0;
  #second = 0;
  /** The first word of the lens that holds anything. */
  #low = 0;
  #filled = false;

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
    const words = this.#words;
    this.#first = i * words;
    this.#second = j * words;
    let low = 0;
    let both = 0;
    while (low < words && (both = near[this.#first + low]! & near[this.#second + low]!) === 0)
      low++;
    if (low === words) return -1;
    this.#low = low;
    this.#filled = false;
    return (low << 5) | lowestBit(both);
  }

  /** Leave out the component of `apex`; the least member of what is left, or −1. */
  nextComponent(apex: number): number {
    // Most often all are, since the least vertex is a central one.
    if (!this.#filled && this.#isClose(apex)) return -1;
    this.#fill();
    const near = this.#near;
    const rest = this.#rest;
    const reached = this.#reached;
    const low = this.#low;
    const high = this.#words - 1;
    const row = apex * this.#words;
    let left = 0;
    rest[apex >>> 5]! &= ~(1 << (apex & 31));
    for (let w = low; w <= high; w++) {
      const here = rest[w]! & near[row + w]!;
      reached[w] = here;
      left |= rest[w]! ^= here;
    }
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

  /** Whether all other members of the lens are near `apex`, its least, or near one that is. */
  #isClose(apex: number): boolean {
    const near = this.#near;
    const words = this.#words;
    const a = this.#first;
    const b = this.#second;
    const row = apex * words;
    const low = apex >>> 5;
    for (let w = low; w < words; w++) {
      let missed = near[a + w]! & near[b + w]! & ~near[row + w]!;
      if (w === low) missed &= ~(1 << (apex & 31));
      for (; missed !== 0; missed &= missed - 1) {
        const other = ((w << 5) | lowestBit(missed)) * words;
        let at = low;
        while (
          at < words &&
          (near[other + at]! & near[row + at]! & near[a + at]! & near[b + at]!) === 0
        ) {
          at++;
        }
        if (at === words) return false;
      }
    }
    return true;
  }

  /** Write the members of the lens out, where that is still to be done. */
  #fill(): void {
    if (this.#filled) return;
    this.#filled = true;
    const [near, rest, a, b] = [this.#near, this.#rest, this.#first, this.#second];
    for (let w = this.#low; w < this.#words; w++) rest[w] = near[a + w]! & near[b + w]!;
  }
}

const lowestBit = (word: number) => 31 - Math.clz32(word & -word);
