import type { Engine } from '../../engine/device-engine.ts';
import { distances } from '../../engine/kernels.ts';
import { blocks } from '../blocks.ts';
import type { CheckedRows } from '../layers.ts';

/** Multiply-adds of one engine call. */
const callBudget = 4e8;
const largestTile = 4096;
/** Bound on the error of a squared distance, in units of rounding of |x|² + |y|². */
const roundingUnits = 16;

export interface Coverage {
  /** Share of points inside at least one ball. */
  inside: number;
  /** Share of balls that hold at least one point. */
  covered: number;
  /** Mean number of balls that a point is inside. */
  balls: number;
}

/**
 * Which `points` lie inside (nearer than the radius of) balls around `centres`. Distances come from
 * products of rows on the device; those that its rounding leaves open are measured in float64.
 */
export async function coverage(
  engine: Engine,
  centres: CheckedRows,
  radii: Float64Array,
  points: CheckedRows,
  step: (fraction: number) => Promise<void>,
): Promise<Coverage> {
  const { n, d } = centres;
  const m = points.n;
  const [exactCentres, exactPoints] = [
    await centres.uncentred('float64').rows(0, n),
    await points.uncentred('float64').rows(0, m),
  ];
  // One shift for both keeps their distances, and float32 loses nothing to an offset.
  const double = exactCentres instanceof Float64Array && isDouble(centres, points);
  const a = shifted(exactCentres, centres.mean, double);
  const b = shifted(exactPoints, centres.mean, double);
  const unit = double ? Number.EPSILON : 2 ** -23;
  const [normsA, normsB] = [squaredNorms(a, d), squaredNorms(b, d)];
  const largestB = normsB.reduce((x, y) => Math.max(x, y), 0);

  const isInside = new Uint8Array(m);
  const isCovered = new Uint8Array(n);
  let balls = 0;
  const height = Math.max(
    1,
    Math.min(512, Math.floor(callBudget / (d * Math.min(m, largestTile)))),
  );
  for (const [from, to] of blocks(n, height)) {
    const rows = a.subarray(from * d, to * d);
    for (const [start, end] of blocks(m, largestTile)) {
      const squares = await distances(engine, d, rows, b.subarray(start * d, end * d));
      for (let i = from, at = 0; i < to; i++) {
        const limit = radii[i]! ** 2;
        const error = roundingUnits * unit * (normsA[i]! + largestB);
        for (let j = start; j < end; j++, at++) {
          const square = squares[at]!;
          if (square > limit + error) continue;
          if (square >= limit - error && !(exactDistance(i, j) < radii[i]!)) continue;
          isInside[j] = 1;
          isCovered[i] = 1;
          balls++;
        }
      }
      await step((from + ((to - from) * end) / m) / n);
    }
  }
  return { inside: count(isInside) / m, covered: count(isCovered) / n, balls: balls / m };

  function exactDistance(i: number, j: number): number {
    let sum = 0;
    for (let p = i * d, q = j * d; p < (i + 1) * d; p++, q++) {
      sum += (exactCentres[p]! - exactPoints[q]!) ** 2;
    }
    return Math.sqrt(sum);
  }
}

const isDouble = (a: CheckedRows, b: CheckedRows) =>
  a.uncentred().dtype === 'float64' || b.uncentred().dtype === 'float64';

function shifted(data: ArrayLike<number>, mean: Float64Array, double: boolean) {
  const d = mean.length;
  const target = double ? new Float64Array(data.length) : new Float32Array(data.length);
  for (let at = 0; at < data.length; at += d) {
    for (let j = 0; j < d; j++) target[at + j] = data[at + j]! - mean[j]!;
  }
  return target;
}

function squaredNorms(data: ArrayLike<number>, d: number): Float64Array {
  const norms = new Float64Array(data.length / d);
  for (let row = 0, at = 0; row < norms.length; row++) {
    for (const stop = at + d; at < stop; at++) norms[row]! += data[at]! ** 2;
  }
  return norms;
}

const count = (flags: Uint8Array) => flags.reduce((sum, flag) => sum + flag, 0);
