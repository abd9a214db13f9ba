import type { Engine } from '../../engine/device-engine.ts';
import { gram } from '../../engine/kernels.ts';
import { blocks, type Range } from '../blocks.ts';

type Step = (fraction: number) => Promise<void>;

/** Classes in a block of the Gram matrix of means. */
const blockClasses = 1024;
/** The median needs every pair at once: at most these. */
const mostMedianPairs = 1 << 23;
/** Below this share of the lengths a squared distance from a Gram matrix has lost digits. */
const cancelled = 1e-6;
/** Below this share of their lengths two means differ by rounding only. */
const coincident = 1e-12;

/** A frame that class means collapse to. */
export interface Target {
  /** Whether the means are taken about their own mean, or as they are. */
  readonly centred: boolean;
  /** Lengths of means: all alike, of any length, or as the frame has them. */
  readonly lengths: 'equal' | 'free' | 'given';
  /** Cosine of two different classes. */
  cosine(a: number, b: number): number;
  /** Inner product of two classes; `lengths` are those of the means. */
  product(a: number, b: number, lengths: Float64Array): number;
}

export function simplexTarget(classes: number): Target {
  return {
    centred: true,
    lengths: 'equal',
    cosine: () => -1 / (classes - 1),
    product: (a, b) => (a === b ? 1 : 0) - 1 / classes,
  };
}

export const orthogonalTarget: Target = {
  centred: false,
  lengths: 'free',
  cosine: () => 0,
  product: (a, b, lengths) => (a === b ? lengths[a]! ** 2 : 0),
};

/** @param matrix C × C inner products of the frame */
export function gramTarget(matrix: Float64Array, classes: number): Target {
  const product = (a: number, b: number) => matrix[a * classes + b]!;
  return {
    centred: false,
    lengths: 'given',
    cosine: (a, b) => product(a, b) / Math.sqrt(product(a, a) * product(b, b)),
    product,
  };
}

/** What is added up over pairs of classes. */
export interface PairStatistics {
  /** Spread of cosines about those of the target. */
  cosStd: number;
  /** Mean distance of cosines from those of the target. */
  angle: number;
  /** ‖MMᵀ/‖MMᵀ‖ − T/‖T‖‖ (Frobenius). */
  error: number;
  /** Class-distance normalised variance, mean over pairs; infinite where two means coincide. */
  cdnv: number;
  /** The median of the same; NaN where there are too many classes. */
  cdnvMedian: number;
  /** Of log(1/distance) of unit means. */
  logMean: number;
  logVariance: number;
  /** Pairs whose means coincide. */
  coincident: number;
  /** Pairs whose means point in one direction. */
  parallel: number;
  /** Cosines of means, where there are few enough classes for one block. */
  cosines?: Float64Array;
}

/** Mean and variance of values one by one, exact where all are equal. */
class Moments {
  #first: number | undefined;
  #count = 0;
  #sum = 0;
  #squares = 0;

  add(value: number): void {
    this.#first ??= value;
    const off = value - this.#first;
    this.#count += 1;
    this.#sum += off;
    this.#squares += off * off;
  }

  get mean(): number {
    return this.#count === 0 ? NaN : this.#first! + this.#sum / this.#count;
  }

  get variance(): number {
    return Math.max(0, this.#squares / this.#count - (this.#sum / this.#count) ** 2);
  }
}

/** Squared distance of rows a and b, each divided by its scale. */
function distance(
  rows: Float64Array,
  d: number,
  [a, b]: readonly [number, number],
  [scaleA, scaleB]: readonly [number, number],
): number {
  let sum = 0;
  for (let j = 0; j < d; j++) {
    sum += (rows[a * d + j]! / scaleA - rows[b * d + j]! / scaleB) ** 2;
  }
  return sum;
}

/**
 * Statistics over all pairs of classes, in blocks: a C × C matrix is never whole where C is large.
 * @param means class means about the origin of the target, C × d
 * @param size length that the means had as they were, before a centre was subtracted
 * @param variances mean squared distance of samples to the mean of their class, C
 */
export async function pairStatistics(
  engine: Engine,
  means: Float64Array,
  d: number,
  size: number,
  variances: Float64Array,
  target: Target,
  step: Step,
): Promise<PairStatistics> {
  const classes = variances.length;
  const lengths = lengthsOf(means, d);
  const tiles = [...blocks(classes, blockClasses)].flatMap((a) =>
    [...blocks(classes, blockClasses, a[0])].map((b): [Range, Range] => [a, b]),
  );
  const part = ([start, end]: Range) => means.subarray(start * d, end * d);
  const only = tiles.length === 1 ? await gram(engine, d, means, means) : undefined;
  /** Inner products of all pairs a ≤ b. */
  const visit = async (share: number, meet: (a: number, b: number, product: number) => void) => {
    for (const [index, [rows, columns]] of tiles.entries()) {
      const products = only ?? (await gram(engine, d, part(rows), part(columns)));
      const width = columns[1] - columns[0];
      for (let a = rows[0]; a < rows[1]; a++) {
        for (let b = Math.max(a, columns[0]); b < columns[1]; b++) {
          meet(a, b, products[(a - rows[0]) * width + b - columns[0]]!);
        }
      }
      await step((share + (index + 1) / tiles.length) / 2);
    }
  };

  let [gramSquares, targetSquares] = [0, 0];
  await visit(0, (a, b, product) => {
    const times = a === b ? 1 : 2;
    gramSquares += times * product ** 2;
    targetSquares += times * target.product(a, b, lengths) ** 2;
  });
  const [gramNorm, targetNorm] = [Math.sqrt(gramSquares), Math.sqrt(targetSquares)];

  const pairs = (classes * (classes - 1)) / 2;
  const ratios = pairs <= mostMedianPairs ? new Float64Array(pairs) : undefined;
  const [deviations, angles, logs] = [new Moments(), new Moments(), new Moments()];
  const count = { seen: 0, coincident: 0, parallel: 0 };
  let [error, ratioSum] = [0, 0];
  const cosines = only && new Float64Array(classes * classes).fill(NaN);
  await visit(1, (a, b, product) => {
    const off = product / gramNorm - target.product(a, b, lengths) / targetNorm;
    error += (a === b ? 1 : 2) * off * off;
    const [lengthA, lengthB] = [lengths[a]!, lengths[b]!];
    const cosine = lengthA > 0 && lengthB > 0 ? product / (lengthA * lengthB) : NaN;
    if (cosines) cosines[a * classes + b] = cosines[b * classes + a] = cosine;
    if (a === b) return;
    const both = lengthA ** 2 + lengthB ** 2;
    let apart = both - 2 * product;
    if (apart < cancelled * both) apart = distance(means, d, [a, b], [1, 1]);
    const same = apart <= (coincident * size) ** 2;
    if (same) count.coincident += 1;
    const ratio = same ? Infinity : (variances[a]! + variances[b]!) / (2 * apart);
    ratioSum += ratio;
    if (ratios) ratios[count.seen] = ratio;
    count.seen += 1;
    if (Number.isNaN(cosine)) return;
    deviations.add(cosine - target.cosine(a, b));
    angles.add(Math.abs(cosine - target.cosine(a, b)));
    let between = 2 - 2 * cosine;
    if (between < cancelled) between = distance(means, d, [a, b], [lengthA, lengthB]);
    if (between <= coincident ** 2) count.parallel += 1;
    else logs.add(-Math.log(between) / 2);
  });
  return {
    cosStd: Math.sqrt(deviations.variance),
    angle: angles.mean,
    error: Math.sqrt(error),
    cdnv: ratioSum / pairs,
    cdnvMedian: ratios ? median(ratios) : NaN,
    logMean: count.parallel > 0 ? Infinity : logs.mean,
    logVariance: count.parallel > 0 ? NaN : logs.variance,
    coincident: count.coincident,
    parallel: count.parallel,
    ...(cosines ? { cosines } : {}),
  };
}

/** Length of each row of width d. */
export function lengthsOf(rows: Float64Array, d: number): Float64Array {
  const squares = new Float64Array(rows.length / d);
  for (let at = 0; at < rows.length; at++) squares[Math.floor(at / d)]! += rows[at]! ** 2;
  return squares.map(Math.sqrt);
}

/** Of values that may be infinite. */
function median(values: Float64Array): number {
  const sorted = values.sort();
  const last = sorted.length - 1;
  return (sorted[Math.floor(last / 2)]! + sorted[Math.ceil(last / 2)]!) / 2;
}
