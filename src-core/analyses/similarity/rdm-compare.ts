import { ascending } from '../ranks.ts';
import { kendall } from './rdm-kendall.ts';
import { pairCount, rowStart } from './rdm.ts';

export type Pause = () => Promise<void>;

export const comparisonKinds = [
  'spearman',
  'pearson',
  'cosine',
  'kendall-a',
  'kendall-b',
  'rho-a',
  'whitened-cosine',
] as const;
export type ComparisonKind = (typeof comparisonKinds)[number];

/** A way to compare dissimilarities; `V` is what it keeps of those of one representation. */
export interface Comparison<V> {
  /** @param found the upper triangle of a dissimilarity matrix; belongs to the result. */
  prepare(found: Float64Array, n: number, pause: Pause): Promise<V>;
  /** NaN where one side is constant. */
  similarity(a: V, b: V, pause: Pause): Promise<number> | number;
  /** Stimulus i becomes the one that was `order[i]`. */
  permute(v: V, order: Int32Array): V;
  /** Over stimuli drawn `counts` times each; pairs of copies of one stimulus are left out. */
  resample(v: V, counts: Float64Array, pause: Pause): Promise<V> | V;
  /** What best predicts several: their mean in the comparison's own units (as dissimilarities). */
  pool(all: readonly V[], n: number): Float64Array;
  /** Bytes kept of n stimuli, with what permuting needs. */
  bytes(n: number, permuting: boolean): number;
}

/** Dissimilarities scaled so that the similarity of two is their inner product. */
interface Scaled {
  readonly n: number;
  /** Upper triangle. */
  readonly values: Float64Array;
  /** What the diagonal adds, where the comparison is of whole matrices. */
  readonly diagonal?: Float64Array;
  /** Positions of the values in ascending order, and which equal the one before. */
  readonly order?: Int32Array;
  readonly tied?: Uint8Array;
  /** Whole matrix, filled in when it is first permuted. */
  square?: Float64Array;
  readonly moved?: Int32Array;
}

type ScaledKind = Exclude<ComparisonKind, 'kendall-a' | 'kendall-b'>;

/** Weights of pairs of stimuli that were drawn so many times. */
export function pairWeights(counts: Float64Array): Float64Array {
  const n = counts.length;
  const weights = new Float64Array(pairCount(n));
  for (let i = 0, at = 0; i < n; i++) {
    for (let j = i + 1; j < n; j++) weights[at++] = counts[i]! * counts[j]!;
  }
  return weights;
}

class InnerProduct implements Comparison<Scaled> {
  readonly #kind: ScaledKind;
  readonly #ranked: boolean;

  constructor(kind: ScaledKind) {
    this.#kind = kind;
    this.#ranked = kind === 'spearman' || kind === 'rho-a';
  }

  bytes(n: number, permuting: boolean): number {
    return pairCount(n) * (this.#ranked ? 13 : 8) + (permuting ? 8 * n * n : 0);
  }

  async prepare(found: Float64Array, n: number, pause: Pause): Promise<Scaled> {
    if (this.#kind === 'whitened-cosine') return doublyCentred(found, n);
    if (!this.#ranked) return { n, values: this.#scale(found) };
    const order = await ascending(found, pause);
    await pause();
    const tied = this.#toScaledRanks(found, order);
    await pause();
    return { n, values: found, order, tied };
  }

  /** Mean ranks, centred and scaled, in place; which values in their order equal the one before. */
  #toScaledRanks(values: Float64Array, order: Int32Array): Uint8Array {
    const count = values.length;
    const tied = new Uint8Array(count);
    const middle = (count + 1) / 2;
    let square = (count ** 3 - count) / 12;
    for (let from = 0; from < count;) {
      const value = values[order[from]!]!;
      let to = from + 1;
      for (; to < count && values[order[to]!] === value; to++) tied[to] = 1;
      const rank = (from + 1 + to) / 2 - middle;
      for (let at = from; at < to; at++) values[order[at]!] = rank;
      square -= ((to - from) ** 3 - (to - from)) / 12;
      from = to;
    }
    const constant = count > 1 && !tied.includes(0, 1);
    const scale =
      this.#kind === 'rho-a' ? Math.sqrt(12 / (count ** 3 - count)) : 1 / Math.sqrt(square);
    const factor = constant ? NaN : scale;
    for (let at = 0; at < count; at++) values[at]! *= factor;
    return tied;
  }

  /** Centre where the comparison does, and scale; with weights, for weighted sums. */
  #scale(values: Float64Array, weights?: Float64Array): Float64Array {
    let total = values.length;
    let mean = 0;
    if (weights) total = weights.reduce((sum, weight) => sum + weight, 0);
    if (this.#kind !== 'cosine') {
      for (let at = 0; at < values.length; at++) mean += (weights?.[at] ?? 1) * values[at]!;
      mean /= total;
    }
    let square = 0;
    for (let at = 0; at < values.length; at++) {
      const value = values[at]! - mean;
      const weight = weights?.[at] ?? 1;
      square += weight * value * value;
      values[at] = weights ? Math.sqrt(weight) * value : value;
    }
    // What only rounding tells apart is constant.
    const constant = !(square > total * (mean * 1e-13) ** 2);
    const scale =
      this.#kind === 'rho-a' ? Math.sqrt(12 / (total ** 3 - total)) : 1 / Math.sqrt(square);
    const factor = constant ? NaN : scale;
    for (let at = 0; at < values.length; at++) values[at]! *= factor;
    return values;
  }

  similarity(a: Scaled, b: Scaled): number {
    let sum = 0;
    if (b.moved) {
      sum = movedProduct(a, b, b.moved);
    } else {
      for (let at = 0; at < a.values.length; at++) sum += a.values[at]! * b.values[at]!;
    }
    if (a.diagonal && b.diagonal) {
      for (let i = 0; i < a.n; i++) {
        sum += a.diagonal[i]! * b.diagonal[b.moved ? b.moved[i]! : i]!;
      }
    }
    return sum;
  }

  permute(v: Scaled, order: Int32Array): Scaled {
    v.square ??= squareOf(v);
    return { ...v, moved: order };
  }

  async resample(v: Scaled, counts: Float64Array, pause: Pause): Promise<Scaled> {
    if (v.diagonal) return recentred(v, v.diagonal, counts);
    const weights = pairWeights(counts);
    await pause();
    const values = v.order ? weightedRanks(v.order, v.tied!, weights) : v.values.slice();
    await pause();
    this.#scale(values, weights);
    await pause();
    return { n: v.n, values };
  }

  pool(all: readonly Scaled[], n: number): Float64Array {
    const sum = new Float64Array(pairCount(n));
    for (const { values, diagonal, order, tied } of all) {
      if (order) {
        const ranks = weightedRanks(order, tied!);
        for (let at = 0; at < sum.length; at++) sum[at]! += ranks[at]!;
        continue;
      }
      for (let i = 0; i < n; i++) {
        const start = rowStart(n, i);
        for (let j = i + 1; j < n; j++) {
          // Products doubly centred keep the distances that they came from.
          sum[start + j]! += diagonal
            ? diagonal[i]! + diagonal[j]! - Math.SQRT2 * values[start + j]!
            : values[start + j]!;
        }
      }
    }
    return sum;
  }
}

function squareOf({ n, values }: Scaled): Float64Array {
  const square = new Float64Array(n * n);
  for (let i = 0, at = 0; i < n; i++) {
    for (let j = i + 1; j < n; j++, at++) {
      square[i * n + j] = values[at]!;
      square[j * n + i] = values[at]!;
    }
  }
  return square;
}

function movedProduct(a: Scaled, { square }: Scaled, order: Int32Array): number {
  const { n, values } = a;
  const whole = square!;
  let sum = 0;
  for (let i = 0, at = 0; i < n; i++) {
    const row = order[i]! * n;
    for (let j = i + 1; j < n; j++, at++) sum += values[at]! * whole[row + order[j]!]!;
  }
  return sum;
}

/** Mean ranks of values that occur so many times, once where weights are absent. */
function weightedRanks(order: Int32Array, tied: Uint8Array, weights?: Float64Array): Float64Array {
  const ranks = new Float64Array(order.length);
  let below = 0;
  for (let from = 0; from < order.length;) {
    let weight = weights ? weights[order[from]!]! : 1;
    let to = from + 1;
    while (to < order.length && tied[to] === 1) {
      weight += weights ? weights[order[to]!]! : 1;
      to++;
    }
    const rank = below + (weight + 1) / 2;
    for (let at = from; at < to; at++) ranks[order[at]!] = rank;
    below += weight;
    from = to;
  }
  return ranks;
}

/**
 * G = −½HDH of unit Frobenius norm, off-diagonal entries scaled by √2, so that the sum over the
 * upper triangle and the diagonal is the product of whole matrices.
 */
function doublyCentred(found: Float64Array, n: number): Scaled {
  const sums = new Float64Array(n);
  let total = 0;
  for (let i = 0, at = 0; i < n; i++) {
    for (let j = i + 1; j < n; j++) {
      const value = found[at++]!;
      sums[i]! += value;
      sums[j]! += value;
      total += 2 * value;
    }
  }
  const mean = total / n ** 2;
  const diagonal = sums.map((sum) => sum / n - mean / 2);
  for (let i = 0, at = 0; i < n; i++) {
    for (let j = i + 1; j < n; j++, at++) {
      found[at] = -0.5 * (found[at]! - sums[i]! / n - sums[j]! / n + mean);
    }
  }
  return unitNorm(n, found, diagonal);
}

/** Scale products (off-diagonal entries not yet by √2) to unit norm. */
function unitNorm(n: number, values: Float64Array, diagonal: Float64Array): Scaled {
  let square = 0;
  for (const value of values) square += 2 * value * value;
  for (const value of diagonal) square += value * value;
  const scale = square > 0 ? 1 / Math.sqrt(square) : NaN;
  for (let at = 0; at < values.length; at++) values[at]! *= scale * Math.SQRT2;
  return { n, values, diagonal: diagonal.map((value) => value * scale) };
}

/** Products centred again over stimuli drawn so many times; a copy counts as the diagonal does. */
function recentred({ n, values }: Scaled, diagonal: Float64Array, counts: Float64Array): Scaled {
  const drawn = counts.reduce((sum, count) => sum + count, 0);
  const means = new Float64Array(n);
  for (let i = 0, at = 0; i < n; i++) {
    means[i]! += counts[i]! * diagonal[i]!;
    for (let j = i + 1; j < n; j++, at++) {
      const value = values[at]! / Math.SQRT2;
      means[i]! += counts[j]! * value;
      means[j]! += counts[i]! * value;
    }
  }
  let mean = 0;
  for (let i = 0; i < n; i++) {
    means[i]! /= drawn;
    mean += (counts[i]! * means[i]!) / drawn;
  }
  const products = new Float64Array(values.length);
  for (let i = 0, at = 0; i < n; i++) {
    for (let j = i + 1; j < n; j++, at++) {
      const centred = values[at]! / Math.SQRT2 - means[i]! - means[j]! + mean;
      products[at] = Math.sqrt(counts[i]! * counts[j]!) * centred;
    }
  }
  const own = diagonal.map((value, i) => counts[i]! * (value - 2 * means[i]! + mean));
  return unitNorm(n, products, own);
}

/** The comparison of a name. What it keeps is its own affair. */
export function comparisonOf(kind: ComparisonKind): Comparison<unknown> {
  if (kind === 'kendall-a' || kind === 'kendall-b') return kendall(kind);
  return new InnerProduct(kind);
}
