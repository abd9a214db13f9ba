import type { Edges } from './edges.ts';
import type { Field } from './field.ts';
import { SimplexHeap } from './heap.ts';
import type { RankOf } from './ranks.ts';
import { SimplexNumbers } from './simplices.ts';

/** Vertices looked at between two calls of `step`. */
const workPerStep = 1 << 22;

/** Bytes of an entry of a stored column. */
const entryBytes = 14;
/** Of an entry of the column that is being reduced. */
const partBytes = 64;

export interface Pair {
  /** Rank of the longest edge of the simplex that makes the class. */
  birth: number;
  /** Of the one that ends it; −1 where none does. */
  death: number;
}

/** A column of the reduction: simplices of one degree with coefficients. */
interface Column {
  ranks: Int32Array;
  indices: Float64Array;
  coefficients: Uint16Array;
}

interface Progress {
  step: (fraction: number) => Promise<void>;
  /** Called with the bytes of stored columns as they grow; may throw. */
  hold: (bytes: number) => void;
}

/**
 * Persistent cohomology in degrees 2 and up, as Ripser does it (Bauer 2021): cofacets are enumerated
 * and never stored, simplices that end a class one degree below are left out (clearing), and so are
 * apparent pairs. Simplices are in the order of the rank of their longest edge, then of their number.
 *
 * Edges whose lens is a cone are passed over as a whole, and of the cofacets of which such an edge is
 * the longest only those with the apex are looked at; see {@link coneApexes}.
 */
export class Cohomology {
  readonly #edges: Edges;
  readonly #rankOf: RankOf;
  readonly #apexes: Int32Array;
  readonly #field: Field;
  readonly #numbers: SimplexNumbers;
  readonly #heap = new SimplexHeap();
  readonly #scratch: Int32Array;
  readonly #cofacet: Int32Array;
  #work = 0;

  /** @param apexes of every edge, see {@link coneApexes}. */
  constructor(edges: Edges, rankOf: RankOf, apexes: Int32Array, field: Field, maxDegree: number) {
    this.#edges = edges;
    this.#rankOf = rankOf;
    this.#apexes = apexes;
    this.#field = field;
    this.#numbers = new SimplexNumbers(edges.n, maxDegree + 2);
    this.#scratch = new Int32Array(maxDegree + 2);
    this.#cofacet = new Int32Array(maxDegree + 2);
  }

  /** Number of a triangle given by its longest edge and the vertex opposite. */
  triangle(rank: number, apex: number): number {
    const pair = this.#edges.pairs[rank]!;
    return this.#numberOf([pair >>> 16, pair & 0xffff, apex]);
  }

  #numberOf(vertices: readonly number[]): number {
    const sorted = this.#cofacet;
    vertices.forEach((v, size) => {
      let at = size;
      for (; at > 0 && sorted[at - 1]! > v; at--) sorted[at] = sorted[at - 1]!;
      sorted[at] = v;
    });
    return this.#numbers.index(sorted, vertices.length);
  }

  /**
   * Classes of one degree ≥ 2, and the numbers of the simplices that end them.
   * @param ends of the degree below.
   */
  async degree(
    degree: number,
    ends: ReadonlySet<number>,
    { step, hold }: Progress,
  ): Promise<{ pairs: Pair[]; ends: Set<number> }> {
    const pairs: Pair[] = [];
    const columns = new Map<number, Column>();
    let bytes = 0;
    const { count } = this.#edges;
    for (let rank = count - 1; rank >= 0; rank--) {
      for (const index of this.#candidates(rank, degree, ends)) {
        const reduced = await this.#reduce(rank, index, degree, columns, (held) => {
          hold(bytes + held);
          return step(1 - rank / count);
        });
        if (reduced === undefined) continue;
        const { end, death, column } = reduced;
        pairs.push({ birth: rank, death });
        if (end === undefined) continue;
        columns.set(end, column);
        bytes += entryBytes * column.ranks.length;
        hold(bytes);
      }
      if (this.#work > workPerStep) {
        this.#work = 0;
        await step(1 - rank / count);
      }
    }
    return { pairs, ends: new Set(columns.keys()) };
  }

  /**
   * Numbers of the simplices of a degree of which the edge of this rank is the longest, from the last
   * to the first, without those that end a class and those that an apparent pair ends.
   */
  *#candidates(rank: number, degree: number, ends: ReadonlySet<number>): Generator<number> {
    if (this.#apexes[rank]! >= 0) return;
    const pair = this.#edges.pairs[rank]!;
    const [i, j] = [pair >>> 16, pair & 0xffff];
    const lens = this.#lens(i, j, rank);
    for (const rest of this.#cliques(lens, degree - 1, rank)) {
      // The facet before is the one without the least vertex of the rest, `first`: an apparent pair
      // if it has no lesser cofacet.
      const [first, ...others] = rest as [number, ...number[]];
      const adjacent = lens.find((k) => others.every((other) => this.#near(k, other, rank)));
      if (adjacent === first) continue;
      // Its own first cofacet ends it in an apparent pair where the new vertex is before the rest.
      const next = lens.find((k) => rest.every((other) => this.#near(k, other, rank)));
      if (next !== undefined && next < first) continue;
      const index = this.#numberOf([i, j, ...rest]);
      if (!ends.has(index)) yield index;
    }
  }

  /** Vertices that shorter edges join to both ends, ascending. */
  #lens(i: number, j: number, rank: number): number[] {
    const lens: number[] = [];
    const { n } = this.#edges;
    this.#work += n;
    for (let k = 0; k < n; k++) {
      if (this.#near(i, k, rank) && this.#near(j, k, rank)) lens.push(k);
    }
    return lens;
  }

  /** Whether an edge before `rank` joins two vertices. */
  #near(a: number, b: number, rank: number): boolean {
    if (a === b) return false;
    const between = this.#rankOf(a, b);
    return between >= 0 && between < rank;
  }

  /** Sets of one or two of the vertices, ascending in themselves, near one another; last first. */
  *#cliques(lens: readonly number[], size: number, rank: number): Generator<number[]> {
    for (let at = lens.length - 1; at >= 0; at--) {
      const last = lens[at]!;
      if (size === 1) {
        yield [last];
        continue;
      }
      for (let below = at - 1; below >= 0; below--) {
        this.#work += 1;
        if (this.#near(lens[below]!, last, rank)) yield [lens[below]!, last];
      }
    }
  }

  /** Reduce the coboundary of a simplex; undefined where its class ends as it begins. */
  async #reduce(
    rank: number,
    index: number,
    degree: number,
    columns: ReadonlyMap<number, Column>,
    pause: (held: number) => Promise<void>,
  ): Promise<{ end?: number; death: number; column: Column } | undefined> {
    const heap = this.#heap;
    const field = this.#field;
    heap.clear();
    const parts: [rank: number, index: number, coefficient: number][] = [];
    const add = (r: number, simplex: number, coefficient: number) => {
      parts.push([r, simplex, coefficient]);
      this.#pushCoboundary(r, simplex, degree, coefficient);
    };
    add(rank, index, 1);
    for (;;) {
      const pivot = this.#takePivot();
      if (pivot === undefined) return { death: -1, column: columnOf(parts, field, 1) };
      const [death, end, coefficient] = pivot;
      const facet = this.#apparentFacet(death, end, degree + 2);
      const other = facet === undefined ? columns.get(end) : undefined;
      if (facet === undefined && other === undefined) {
        return { end, death, column: columnOf(parts, field, field.inverse(coefficient)) };
      }
      // The pivot was taken off the heap and is still part of the column.
      heap.push(death, end, coefficient);
      if (facet !== undefined) {
        const own = this.#coefficient(facet, end, degree + 2);
        add(death, facet, field.of(-coefficient * field.inverse(field.of(own))));
      } else if (other !== undefined) {
        for (let at = 0; at < other.ranks.length; at++) {
          const scaled = field.of(-coefficient * other.coefficients[at]!);
          add(other.ranks[at]!, other.indices[at]!, scaled);
        }
      }
      if (this.#work > workPerStep) {
        this.#work = 0;
        await pause(partBytes * parts.length + entryBytes * heap.size);
      }
    }
  }

  /** The first simplex on the heap whose coefficients do not cancel, off the heap. */
  #takePivot(): [rank: number, index: number, coefficient: number] | undefined {
    const heap = this.#heap;
    while (heap.size > 0) {
      const { rank, index } = heap;
      let sum = 0;
      while (heap.size > 0 && heap.rank === rank && heap.index === index) {
        sum = (sum + heap.coefficient) % this.#field.p;
        heap.pop();
      }
      if (sum !== 0) return [rank, index, sum];
    }
    return undefined;
  }

  #pushCoboundary(rank: number, index: number, degree: number, coefficient: number): void {
    const { n } = this.#edges;
    const size = degree + 1;
    const vertices = this.#scratch;
    const numbers = this.#numbers;
    const rankOf = this.#rankOf;
    const apexes = this.#apexes;
    numbers.vertices(index, size, vertices);
    this.#work += n;
    const negative = this.#field.of(-coefficient);
    // Number of the cofacet without the new vertex's own part: those above it move up one place.
    let above = 0;
    for (let k = 0; k < size; k++) above += numbers.choose(vertices[k]!, k + 2);
    let below = 0;
    let place = 0;
    for (let v = 0; v < n; v++) {
      if (place < size && vertices[place] === v) {
        below += numbers.choose(v, place + 1);
        above -= numbers.choose(v, place + 2);
        place++;
        continue;
      }
      let longest = rank;
      let k = 0;
      for (; k < size; k++) {
        const between = rankOf(vertices[k]!, v);
        if (between < 0) break;
        if (between > longest) longest = between;
      }
      if (k < size) continue;
      const apex = apexes[longest]!;
      if (apex >= 0 && apex !== v) {
        k = 0;
        while (k < size && vertices[k] !== apex) k++;
        if (k === size) continue;
      }
      this.#heap.push(
        longest,
        below + numbers.choose(v, place + 1) + above,
        place % 2 === 0 ? coefficient : negative,
      );
    }
  }

  /** Sign of a facet in the boundary of a simplex of `size` vertices. */
  #coefficient(facet: number, simplex: number, size: number): number {
    const [all, some] = [this.#cofacet, this.#scratch];
    this.#numbers.vertices(simplex, size, all);
    this.#numbers.vertices(facet, size - 1, some);
    let place = 0;
    while (place < size - 1 && all[place] === some[place]) place++;
    return place % 2 === 0 ? 1 : -1;
  }

  /**
   * The facet with which a simplex of `size` vertices is in an apparent pair: the one without the apex
   * of its longest edge; without an apex its last one with the same longest edge, of which it is the
   * first cofacet.
   */
  #apparentFacet(rank: number, index: number, size: number): number | undefined {
    const pair = this.#edges.pairs[rank]!;
    const [i, j] = [pair >>> 16, pair & 0xffff];
    const vertices = this.#cofacet;
    this.#numbers.vertices(index, size, vertices);
    const apex = this.#apexes[rank]!;
    let place = 0;
    if (apex >= 0) {
      while (vertices[place] !== apex) place++;
    } else {
      while (vertices[place] === i || vertices[place] === j) place++;
      const removed = vertices[place]!;
      for (let v = 0; v < removed; v++) {
        let k = 0;
        while (k < size && (k === place || this.#near(v, vertices[k]!, rank))) k++;
        if (k === size) return undefined;
      }
      this.#work += removed;
    }
    for (let k = place; k < size - 1; k++) vertices[k] = vertices[k + 1]!;
    return this.#numbers.index(vertices, size - 1);
  }
}

function columnOf(
  parts: readonly (readonly [rank: number, index: number, coefficient: number])[],
  field: Field,
  scale: number,
): Column {
  // What was added more than once is one entry.
  const sums = new Map<number, [rank: number, coefficient: number]>();
  for (const [rank, index, coefficient] of parts) {
    const before = sums.get(index)?.[1] ?? 0;
    sums.set(index, [rank, field.of(before + coefficient)]);
  }
  const kept = [...sums].filter(([, [, coefficient]]) => coefficient !== 0);
  return {
    ranks: Int32Array.from(kept, ([, [rank]]) => rank),
    indices: Float64Array.from(kept, ([index]) => index),
    coefficients: Uint16Array.from(kept, ([, [, value]]) => field.of(value * scale)),
  };
}
