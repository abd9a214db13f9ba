import { blocks } from '../../blocks.ts';
import { BitQueue } from './bit-queue.ts';
import type { Edges } from './edges.ts';
import type { Field } from './field.ts';
import type { Triangles } from './lenses.ts';
import type { RankOf } from './ranks.ts';
import { itemsPerStep } from './sort.ts';

/** Triangles looked at between two calls of `step`. */
const visitsPerStep = 1 << 19;

/** Bytes of an entry of a cochain that is kept. */
const entryBytes = 6;

interface Progress {
  step: (fraction: number) => Promise<void>;
  /** Called with the bytes of cochains as they grow; may throw. */
  hold: (bytes: number) => void;
}

/** A class that the edge of rank `birth` makes and a triangle ends; −1 where none does. */
export interface Loop {
  birth: number;
  /** Index among the triangles. */
  triangle: number;
}

/**
 * Persistent homology in degree 1, by its cohomology: from the last edge that makes a class down to
 * the first, a cochain that is 1 there grows over later edges so that its coboundary vanishes on one
 * triangle after the other. The first triangle of an edge sets the value of that edge (an apparent
 * pair); any other on which the coboundary does not vanish ends the class, or is the end of a later
 * one, whose cochain is then subtracted.
 *
 * @param forest edges that join components: they end classes of degree 0 and make none (clearing).
 */
export async function loops(
  edges: Edges,
  triangles: Triangles,
  forest: Int32Array,
  rankOf: RankOf,
  field: Field,
  { step, hold }: Progress,
): Promise<Loop[]> {
  const complex = await triangleComplex(edges, triangles, rankOf, () => step(0));
  const births = birthRanks(edges, triangles, forest);
  const values = new Uint16Array(edges.count);
  const queue = new BitQueue(triangles.count);
  const ended = new Map<number, Cochain>();
  const found: Loop[] = [];
  let visits = 0;
  let bytes = 0;
  for (let at = births.length - 1; at >= 0; at--) {
    const birth = births[at]!;
    const support = [birth];
    values[birth] = 1;
    complex.eachWithLeg(birth, -1, queue);
    let end = -1;
    for (let t = queue.take(); t >= 0; t = queue.take()) {
      if (++visits % visitsPerStep === 0) await step(1 - at / births.length);
      const value = field.of(complex.coboundary(values, t));
      if (value === 0) continue;
      if (complex.isFirst(t)) {
        const edge = triangles.edges[t]!;
        values[edge] = field.of(-complex.sign(t) * value);
        support.push(edge);
        complex.eachWithLeg(edge, t, queue);
        complex.others(t, queue);
        continue;
      }
      const later = ended.get(t);
      if (later === undefined) {
        end = t;
        const kept = cochain(values, support, field, value);
        ended.set(t, kept);
        bytes += entryBytes * kept.edges.length;
        hold(bytes);
        break;
      }
      for (let entry = 0; entry < later.edges.length; entry++) {
        const edge = later.edges[entry]!;
        const before = values[edge]!;
        values[edge] = field.of(before - value * later.values[entry]!);
        if (before === 0) support.push(edge);
        complex.eachWithLeg(edge, t, queue);
      }
      complex.others(t, queue);
    }
    found.push({ birth, triangle: end });
    for (const edge of support) values[edge] = 0;
    queue.clear();
  }
  return found;
}

/** Edges that no triangle ends and that join no components: each makes a class. */
function birthRanks({ count }: Edges, triangles: Triangles, forest: Int32Array): Int32Array {
  const other = new Uint8Array(count);
  for (const rank of forest) other[rank] = 1;
  for (let t = 0; t < triangles.count; t++) other[triangles.edges[t]!] = 1;
  const births: number[] = [];
  for (let rank = 0; rank < count; rank++) if (other[rank] === 0) births.push(rank);
  return Int32Array.from(births);
}

/** Values on edges; the others are 0. */
interface Cochain {
  edges: Int32Array;
  values: Uint16Array;
}

/** The values so far, scaled so that a coboundary of `value` becomes 1. */
function cochain(values: Uint16Array, support: number[], field: Field, value: number): Cochain {
  const scale = field.inverse(value);
  // An edge may be listed twice: it had become 0 in between.
  const edges = Int32Array.from(new Set(support.filter((edge) => values[edge] !== 0)));
  return {
    edges,
    values: Uint16Array.from(edges, (edge) => field.of(values[edge]! * scale)),
  };
}

/** Triangles with their boundaries, and for each edge the triangles in which it is not the longest. */
class TriangleComplex {
  readonly #edges: Int32Array;
  /** Ranks of the two shorter edges. */
  readonly #legs: Int32Array;
  /** Which of the three edges joins the least to the greatest vertex: 0 the longest, 1, 2 the legs. */
  readonly #negative: Uint8Array;
  /** The triangles of which an edge is a leg lie in `members` from its start up to the next. */
  readonly #starts: Int32Array;
  readonly #members: Int32Array;

  constructor(
    edges: Int32Array,
    legs: Int32Array,
    negative: Uint8Array,
    starts: Int32Array,
    members: Int32Array,
  ) {
    this.#edges = edges;
    this.#legs = legs;
    this.#negative = negative;
    this.#starts = starts;
    this.#members = members;
  }

  /** Whether t is the first triangle of its longest edge. */
  isFirst(t: number): boolean {
    return t === 0 || this.#edges[t - 1] !== this.#edges[t];
  }

  /** Sign of the longest edge in the boundary. */
  sign(t: number): number {
    return this.#negative[t] === 0 ? -1 : 1;
  }

  coboundary(values: Uint16Array, t: number): number {
    const negative = this.#negative[t]!;
    const long = values[this.#edges[t]!]!;
    const a = values[this.#legs[2 * t]!]!;
    const b = values[this.#legs[2 * t + 1]!]!;
    return negative === 0 ? a + b - long : negative === 1 ? long + b - a : long + a - b;
  }

  /** Queue triangles after `t` of which an edge is a leg. */
  eachWithLeg(edge: number, t: number, queue: BitQueue): void {
    for (let at = this.#starts[edge]!; at < this.#starts[edge + 1]!; at++) {
      const member = this.#members[at]!;
      if (member > t) queue.add(member);
    }
  }

  /** Queue the further triangles of t's longest edge. */
  others(t: number, queue: BitQueue): void {
    for (let at = t + 1; at < this.#edges.length && this.#edges[at] === this.#edges[t]; at++) {
      queue.add(at);
    }
  }
}

async function triangleComplex(
  { count, pairs }: Edges,
  { count: total, edges, apexes }: Triangles,
  rankOf: RankOf,
  step: () => Promise<void>,
): Promise<TriangleComplex> {
  const legs = new Int32Array(2 * total);
  const negative = new Uint8Array(total);
  const starts = new Int32Array(count + 1);
  for (const [start, end] of blocks(total, itemsPerStep)) {
    for (let t = start; t < end; t++) {
      const pair = pairs[edges[t]!]!;
      const i = pair >>> 16;
      const j = pair & 0xffff;
      const k = apexes[t]!;
      const a = rankOf(i, k);
      const b = rankOf(j, k);
      legs[2 * t] = a;
      legs[2 * t + 1] = b;
      negative[t] = k < i ? 2 : k > j ? 1 : 0;
      starts[a]! += 1;
      starts[b]! += 1;
    }
    await step();
  }
  let sum = 0;
  for (let rank = 0; rank <= count; rank++) {
    sum += starts[rank]!;
    starts[rank] = sum;
  }
  const members = new Int32Array(2 * total);
  for (const [start, end] of blocks(2 * total, itemsPerStep)) {
    // From the last to the first, so that each list ascends.
    for (let at = start; at < end; at++) {
      const leg = 2 * total - 1 - at;
      members[--starts[legs[leg]!]!] = leg >>> 1;
    }
    await step();
  }
  return new TriangleComplex(edges, legs, negative, starts, members);
}
