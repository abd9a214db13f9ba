import type { Engine } from '../../engine/device-engine.ts';
import { cross, gram } from '../../engine/kernels.ts';
import { qr } from '../../engine/linear-algebra/factor.ts';
import { transpose } from '../../engine/linear-algebra/transpose.ts';
import { blocks } from '../blocks.ts';
import type { CheckedRows } from '../layers.ts';
import { Random } from '../random.ts';
import type { Step } from './pairs.ts';
import { callBudget } from '../../engine/call-budget.ts';

/** Units that a random rotation mixes at a time. */
const mixed = 256;

/** The units of a layer that vary, and how much. */
export interface Units {
  readonly rows: CheckedRows;
  /** Their columns. */
  readonly live: Int32Array;
  /** Variance of each column, of live ones above zero. */
  readonly variance: Float64Array;
}

export async function unitsOf(rows: CheckedRows, step: Step): Promise<Units> {
  const { n, d } = rows;
  const source = rows.centred();
  const variance = new Float64Array(d);
  for (const [start, end] of blocks(n, Math.max(1, Math.floor((1 << 20) / d)))) {
    const block = await source.rows(start, end);
    for (let at = 0; at < block.length;) {
      for (let j = 0; j < d; j++) variance[j]! += block[at++]! ** 2 / n;
    }
    await step(end / n);
  }
  const live = Int32Array.from(variance.keys()).filter((j) => variance[j]! > 0);
  return { rows, live, variance };
}

/** Covariances of the live units of two layers, streamed: p × q. */
export async function covariances(
  engine: Engine,
  a: Units,
  b: Units,
  step: Step,
): Promise<Float64Array> {
  const [x, y] = [a.rows.centred(), b.rows.centred()];
  const sum = new Float64Array(x.d * y.d);
  const size = Math.max(16, Math.floor(callBudget / (x.d * y.d)));
  for (const [start, end] of blocks(x.n, size)) {
    const left = await x.rows(start, end);
    const right = a === b ? left : await y.rows(start, end);
    const part = await cross(engine, end - start, left, right);
    for (let at = 0; at < sum.length; at++) sum[at]! += part[at]! / x.n;
    await step(end / x.n);
  }
  if (a.live.length === x.d && b.live.length === y.d) return sum;
  const kept = new Float64Array(a.live.length * b.live.length);
  let at = 0;
  for (const i of a.live) for (const j of b.live) kept[at++] = sum[i * y.d + j]!;
  return kept;
}

/** Correlations from covariances and the variances of either side; of |r| where unsigned. */
export function correlations(
  covariance: Float64Array,
  first: Float64Array,
  second: Float64Array,
  signed: boolean,
): Float64Array {
  const q = second.length;
  const scale = second.map((variance) => (variance > 0 ? 1 / Math.sqrt(variance) : 0));
  const found = new Float64Array(covariance.length);
  for (let i = 0, at = 0; i < first.length; i++) {
    const own = 1 / Math.sqrt(first[i]!);
    for (let j = 0; j < q; j++, at++) {
      const r = Math.min(1, Math.max(-1, covariance[at]! * own * scale[j]!));
      found[at] = signed ? r : Math.abs(r);
    }
  }
  return found;
}

export const liveVariance = ({ live, variance }: Units): Float64Array =>
  Float64Array.from(live, (j) => variance[j]!);

/** A random rotation of q units, as rotations of random parts of them. */
export interface Rotation {
  parts: { units: Int32Array; matrix: Float64Array }[];
}

/**
 * Random rotations of units in random parts of 256 (Haar, by QR of Gaussian matrices), which mix
 * far more units into each than anything single could survive.
 */
export async function randomRotation(q: number, random: Random, step: Step): Promise<Rotation> {
  const order = random.permutation(q);
  const parts: Rotation['parts'] = [];
  for (const [start, end] of blocks(q, mixed)) {
    const size = end - start;
    const gaussian = Float64Array.from({ length: size * size }, () => random.gaussian());
    const { q: basis, r } = qr(gaussian, size, size);
    // Of either sign at random, which QR alone is not.
    for (let row = 0; row < size; row++) {
      for (let j = 0; j < size; j++) {
        if (r[j * (size + 1)]! < 0) basis[row * size + j]! *= -1;
      }
    }
    parts.push({ units: order.slice(start, end), matrix: basis });
    await step(end / q);
  }
  return { parts };
}

/** The columns of a matrix rotated, rows × q. */
export async function rotateColumns(
  engine: Engine,
  matrix: Float64Array,
  q: number,
  { parts }: Rotation,
): Promise<Float64Array> {
  const rows = matrix.length / q;
  const rotated = new Float64Array(matrix.length);
  for (const { units, matrix: rotation } of parts) {
    const width = units.length;
    const panel = new Float64Array(rows * width);
    for (let row = 0, at = 0; row < rows; row++) {
      for (const unit of units) panel[at++] = matrix[row * q + unit]!;
    }
    const mixedPanel = await gram(engine, width, panel, rotation);
    for (let row = 0, at = 0; row < rows; row++) {
      for (const unit of units) rotated[row * q + unit] = mixedPanel[at++]!;
    }
  }
  return rotated;
}

/** A covariance matrix of q units after their rotation. */
export async function rotateBoth(
  engine: Engine,
  matrix: Float64Array,
  q: number,
  rotation: Rotation,
): Promise<Float64Array> {
  const once = await rotateColumns(engine, matrix, q, rotation);
  return rotateColumns(engine, transpose(once, q, q), q, rotation);
}

/** The variances of q units after their rotation, from the covariances within what it mixes. */
export async function rotatedVariance(
  engine: Engine,
  matrix: Float64Array,
  q: number,
  { parts }: Rotation,
): Promise<Float64Array> {
  const variance = new Float64Array(q);
  for (const { units, matrix: rotation } of parts) {
    const width = units.length;
    const within = new Float64Array(width * width);
    let at = 0;
    for (const i of units) for (const j of units) within[at++] = matrix[i * q + j]!;
    const turned = await gram(engine, width, within, rotation);
    units.forEach((unit, j) => {
      for (let k = 0; k < width; k++) {
        variance[unit]! += rotation[j * width + k]! * turned[k * width + j]!;
      }
    });
  }
  return variance;
}
