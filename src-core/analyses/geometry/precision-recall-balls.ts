import type { Engine } from '../../engine/device-engine.ts';
import { lengthsInto } from '../../engine/kernels.ts';
import type { Floats } from '../../tensor/matrix.ts';
import { blocks } from '../blocks.ts';
import type { CheckedRows } from '../layers.ts';
import { callBudget } from '../../engine/call-budget.ts';

const largestTile = 4096;
const largestHeight = 512;
/** Bound on the error of a squared distance, in units of rounding of |x|² + |y|². */
const roundingUnits = 16;

/** A set of points, and the radius of the ball around each. */
export interface Balls {
  readonly rows: CheckedRows;
  readonly radii: Float64Array;
}

export interface Overlap {
  /** Share of the second set inside at least one ball of the first. */
  precision: number;
  /** Share of the first set inside at least one ball of the second. */
  recall: number;
  /** Share of the first set's balls that hold at least one point of the second. */
  coverage: number;
  /** Mean number of balls of the first set that a point of the second is inside. */
  balls: number;
}

/**
 * How two sets lie inside (nearer than the radius of) each other's balls, from every distance
 * between them once. Distances come from products of rows on the device; those that its rounding
 * leaves open are measured in float64.
 */
export async function overlap(
  engine: Engine,
  first: Balls,
  second: Balls,
  step: (fraction: number) => Promise<void>,
): Promise<Overlap> {
  const { n, d, mean } = first.rows;
  const m = second.rows.n;
  const [x, y] = [
    await first.rows.uncentred('float64').rows(0, n),
    await second.rows.uncentred('float64').rows(0, m),
  ];
  // One shift for both keeps their distances, and float32 loses nothing to an offset.
  const double = [first, second].some(({ rows }) => rows.uncentred().dtype === 'float64');
  const [a, b] = [shifted(x, mean, double), shifted(y, mean, double)];
  const unit = double ? Number.EPSILON : 2 ** -23;
  const error = roundingUnits * unit * (largestSquare(a, d) + largestSquare(b, d));
  const limitsOf = ({ radii }: Balls) => ({
    surely: radii.map((radius) => radius ** 2 - error),
    perhaps: radii.map((radius) => radius ** 2 + error),
  });
  const [ofFirst, ofSecond] = [limitsOf(first), limitsOf(second)];
  const distance = (i: number, j: number) => {
    let sum = 0;
    for (let p = i * d, q = j * d; p < (i + 1) * d; p++, q++) sum += (x[p]! - y[q]!) ** 2;
    return Math.sqrt(sum);
  };

  const precise = new Uint8Array(m);
  const covered = new Uint8Array(n);
  const recalled = new Uint8Array(n);
  let balls = 0;
  const width = Math.min(m, largestTile);
  const height = Math.max(1, Math.min(largestHeight, n, Math.floor(callBudget / (d * width))));
  const buffer = double ? new Float64Array(height * width) : new Float32Array(height * width);
  for (const [from, to] of blocks(n, height)) {
    for (const [start, end] of blocks(m, width)) {
      const lengths = buffer.subarray(0, (to - from) * (end - start));
      const [rows, columns] = [a.subarray(from * d, to * d), b.subarray(start * d, end * d)];
      await lengthsInto(engine, d, rows, columns, lengths);
      for (let i = from, at = 0; i < to; i++) {
        const [surely, perhaps] = [ofFirst.surely[i]!, ofFirst.perhaps[i]!];
        for (let j = start; j < end; j++, at++) {
          const square = lengths[at]! ** 2;
          if (square <= perhaps && (square < surely || distance(i, j) < first.radii[i]!)) {
            precise[j] = 1;
            covered[i] = 1;
            balls++;
          }
          if (recalled[i] === 1 || square > ofSecond.perhaps[j]!) continue;
          if (square < ofSecond.surely[j]! || distance(i, j) < second.radii[j]!) recalled[i] = 1;
        }
      }
      await step((from + ((to - from) * end) / m) / n);
    }
  }
  return {
    precision: count(precise) / m,
    recall: count(recalled) / n,
    coverage: count(covered) / n,
    balls: balls / m,
  };
}

function shifted(data: Floats, mean: Float64Array, double: boolean): Floats {
  const d = mean.length;
  const target = double ? new Float64Array(data.length) : new Float32Array(data.length);
  for (let at = 0; at < data.length; at += d) {
    for (let j = 0; j < d; j++) target[at + j] = data[at + j]! - mean[j]!;
  }
  return target;
}

function largestSquare(data: Floats, d: number): number {
  let largest = 0;
  for (let at = 0; at < data.length;) {
    let square = 0;
    for (const stop = at + d; at < stop; at++) square += data[at]! ** 2;
    largest = Math.max(largest, square);
  }
  return largest;
}

const count = (flags: Uint8Array) => flags.reduce((sum, flag) => sum + flag, 0);
