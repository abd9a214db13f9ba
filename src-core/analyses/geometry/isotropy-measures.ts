import type { Floats } from '../../tensor/matrix.ts';
import { blocks } from '../blocks.ts';
import type { CheckedRows } from '../layers.ts';

type Step = (fraction: number) => Promise<void>;

/** Elements of a block that is read at once. */
const blockElements = 1 << 20;
/** Candidates for massive activations that are kept; the largest ones. */
export const mostMassive = 1000;

export interface Activation {
  sample: number;
  unit: number;
  value: number;
}

export interface Isotropy {
  /** NaN below two rows with a direction. */
  anisotropy: number;
  /** Population variance of each unit. */
  variances: Float64Array;
  /** Mean over units of the standard deviation of x/‖x‖. */
  channelStd: number;
  /** Rows of zeros, which have no direction. */
  zeroRows: number;
  /** Activations above the absolute limit, the largest first. */
  large: Activation[];
  /** How many there are, kept or not. */
  largeCount: number;
}

async function eachBlock(
  rows: CheckedRows,
  step: Step,
  visit: (block: Floats, start: number) => void,
): Promise<void> {
  const source = rows.uncentred();
  for (const [start, end] of blocks(rows.n, Math.max(1, Math.floor(blockElements / rows.d)))) {
    visit(await source.rows(start, end), start);
    await step(end / rows.n);
  }
}

/** Everything that one pass over the rows gives. */
export async function isotropyOf(rows: CheckedRows, limit: number, step: Step): Promise<Isotropy> {
  const { n, d, mean } = rows;
  const variances = new Float64Array(d);
  const unit = new Float64Array(d);
  // Unit rows are summed as differences from the first, which loses nothing where all are alike.
  let first: Float64Array | undefined;
  const sums = new Float64Array(d);
  const squares = new Float64Array(d);
  let zeroRows = 0;
  let largeCount = 0;
  let large: Activation[] = [];
  await eachBlock(rows, step, (block, start) => {
    for (let at = 0, sample = start; at < block.length; at += d, sample++) {
      let length = 0;
      for (let j = 0; j < d; j++) {
        const value = block[at + j]!;
        variances[j]! += (value - mean[j]!) ** 2;
        length += value * value;
        if (Math.abs(value) > limit) {
          large.push({ sample, unit: j, value });
          largeCount++;
        }
      }
      if (large.length > 2 * mostMassive) large = largest(large);
      if (length === 0) {
        zeroRows++;
        continue;
      }
      const scale = 1 / Math.sqrt(length);
      for (let j = 0; j < d; j++) unit[j] = block[at + j]! * scale;
      first ??= unit.slice();
      for (let j = 0; j < d; j++) {
        const difference = unit[j]! - first[j]!;
        sums[j]! += difference;
        squares[j]! += difference * difference;
      }
    }
  });
  const count = n - zeroRows;
  let [sumSquared, deviations] = [0, 0];
  for (let j = 0; j < d; j++) {
    variances[j]! /= n;
    sumSquared += (sums[j]! + count * (first?.[j] ?? 0)) ** 2;
    deviations += Math.sqrt(Math.max(0, squares[j]! / count - (sums[j]! / count) ** 2));
  }
  return {
    anisotropy: count < 2 ? NaN : (sumSquared - count) / (count * (count - 1)),
    variances,
    channelStd: deviations / d,
    zeroRows,
    large: largest(large),
    largeCount,
  };
}

const largest = (activations: Activation[]) =>
  activations.sort((a, b) => Math.abs(b.value) - Math.abs(a.value)).slice(0, mostMassive);

/**
 * Median of |x| over all elements, rounded to float32, in two passes and constant memory: the bits
 * of numbers that are not negative are in their order, so that their upper half is counted first
 * and then the lower half of those that share the median's.
 */
export async function medianMagnitude(rows: CheckedRows, step: Step): Promise<number> {
  const count = rows.n * rows.d;
  const middle = [Math.floor((count - 1) / 2), Math.floor(count / 2)] as const;
  const upper = await countBits(
    rows,
    (part) => step(part / 2),
    (bits) => bits >>> 16,
  );
  const chosen = middle.map((rank) => locate(upper, rank));
  const values: number[] = [];
  for (const [position, { bucket, rank }] of chosen.entries()) {
    if (position > 0 && bucket === chosen[0]!.bucket && rank === chosen[0]!.rank) {
      values.push(values[0]!);
      continue;
    }
    const lower = await countBits(
      rows,
      (part) => step(0.5 + (position + part) / 4),
      (bits) => (bits >>> 16 === bucket ? bits & 0xffff : -1),
    );
    const bits = bucket * 2 ** 16 + locate(lower, rank).bucket;
    values.push(new Float32Array(Uint32Array.of(bits).buffer)[0]!);
  }
  return (values[0]! + values[1]!) / 2;
}

async function countBits(
  rows: CheckedRows,
  step: Step,
  bucketOf: (bits: number) => number,
): Promise<Float64Array> {
  const counts = new Float64Array(2 ** 16);
  const float = new Float32Array(1);
  const bits = new Uint32Array(float.buffer);
  await eachBlock(rows, step, (block) => {
    for (const value of block) {
      float[0] = Math.abs(value);
      const bucket = bucketOf(bits[0]!);
      if (bucket >= 0) counts[bucket]! += 1;
    }
  });
  return counts;
}

/** The bucket of the element of that rank, and its rank there. */
function locate(counts: Float64Array, rank: number): { bucket: number; rank: number } {
  let bucket = 0;
  while (rank >= counts[bucket]!) rank -= counts[bucket++]!;
  return { bucket, rank };
}
