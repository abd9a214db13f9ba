import { gram } from '../../engine/kernels.ts';
import { leadingEigen } from '../../engine/linear-algebra/eigen.ts';
import type { Engine } from '../../engine/device-engine.ts';
import type { Floats, RowSource } from '../../tensor/matrix.ts';
import { blocks } from '../blocks.ts';
import { smallerMoment } from '../geometry/second-moment.ts';

type Step = (fraction: number) => Promise<void>;

const blockElements = 1 << 20;
const sizeOf = (d: number) => Math.max(1, Math.floor(blockElements / d));

/** Rows of another source less a vector and over another, in float64. */
export class ScaledRows implements RowSource {
  readonly n: number;
  readonly d: number;
  readonly dtype = 'float64';
  readonly #source: RowSource;
  readonly #shift: Float64Array;
  readonly #scale: Float64Array;

  constructor(source: RowSource, shift: Float64Array, scale: Float64Array) {
    this.n = source.n;
    this.d = source.d;
    this.#source = source;
    this.#shift = shift;
    this.#scale = scale;
  }

  async rows(start: number, end: number): Promise<Floats> {
    const block = Float64Array.from(await this.#source.rows(start, end));
    for (let at = 0; at < block.length;) {
      for (let j = 0; j < this.d; j++, at++) {
        block[at] = (block[at]! - this.#shift[j]!) / this.#scale[j]!;
      }
    }
    return block;
  }
}

/** Population standard deviation of each column, 1 where a column is constant. */
export async function deviations(
  rows: RowSource,
  mean: Float64Array,
  step: Step,
): Promise<Float64Array> {
  const { n, d } = rows;
  const squares = new Float64Array(d);
  for (const [start, end] of blocks(n, sizeOf(d))) {
    const block = await rows.rows(start, end);
    for (let at = 0; at < block.length;) {
      for (let j = 0; j < d; j++) squares[j]! += (block[at++]! - mean[j]!) ** 2;
    }
    await step(end / n);
  }
  return squares.map((sum) => (sum > 0 ? Math.sqrt(sum / n) : 1));
}

/**
 * The leading principal axes of centred rows, as unit vectors: at most `count` × d, fewer where the
 * rows vary along fewer.
 */
export async function principalAxes(
  engine: Engine,
  rows: RowSource,
  count: number,
  step: Step,
): Promise<Float64Array> {
  const { n, d } = rows;
  const { matrix, size } = await smallerMoment(engine, rows, (part) => step(0.4 * part));
  const eigen = await leadingEigen(matrix, size, Math.min(count, size), {
    step: (part) => step(0.4 + 0.4 * part),
  });
  const { values } = eigen;
  const rank = values.filter((value) => value > 1e-12 * values[0]!).length;
  const vectors = eigen.vectors.slice(0, rank * size);
  if (size === d && n >= d) return vectors;
  // From eigenvectors u of XXᵀ to those of XᵀX: Xᵀu/σ.
  const axes = new Float64Array(rank * d);
  for (const [start, end] of blocks(n, sizeOf(d))) {
    const block = await rows.rows(start, end);
    for (let k = 0; k < rank; k++) {
      const sigma = Math.sqrt(values[k]!);
      for (let row = start, at = 0; row < end; row++) {
        const weight = vectors[k * n + row]! / sigma;
        for (let j = 0; j < d; j++, at++) axes[k * d + j]! += weight * block[at]!;
      }
    }
    await step(0.8 + (0.2 * end) / n);
  }
  return axes;
}

/**
 * Share of the length of each row that lies along the axes, 0 to 1; rows of zeros have no score.
 * @param axes r × d unit vectors
 */
export async function shares(
  engine: Engine,
  rows: RowSource,
  axes: Float64Array,
  step: Step,
): Promise<Float64Array> {
  const { n, d } = rows;
  const rank = axes.length / d;
  const found: number[] = [];
  for (const [start, end] of blocks(n, sizeOf(d))) {
    const block = await rows.rows(start, end);
    const along = await gram(engine, d, block, axes);
    for (let row = 0; row < end - start; row++) {
      let [length, part] = [0, 0];
      for (let j = row * d; j < (row + 1) * d; j++) length += block[j]! ** 2;
      for (let k = row * rank; k < (row + 1) * rank; k++) part += along[k]! ** 2;
      if (length > 0) found.push(Math.sqrt(part / length));
    }
    await step(end / n);
  }
  return Float64Array.from(found);
}

/** Chance that a score of the first kind is above one of the second; ties count half. */
export function auroc(first: Float64Array, second: Float64Array): number {
  const others = second.toSorted();
  let wins = 0;
  for (const score of first) {
    wins += (countBelow(others, score, false) + countBelow(others, score, true)) / 2;
  }
  return wins / (first.length * second.length);
}

/** How many ascending values are below a number, or, with `orAt`, at most it. */
function countBelow(sorted: Float64Array, value: number, orAt: boolean): number {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    const below = orAt ? sorted[middle]! <= value : sorted[middle]! < value;
    if (below) low = middle + 1;
    else high = middle;
  }
  return low;
}

/**
 * Share of the second kind that passes where `share` of the first kind does: the threshold is the
 * highest score that at least that share of the first reaches.
 */
export function falsePositives(first: Float64Array, second: Float64Array, share: number): number {
  const sorted = first.toSorted();
  const kept = Math.ceil(share * first.length - 1e-9);
  const threshold = sorted[first.length - kept]!;
  return second.filter((score) => score >= threshold).length / second.length;
}
