import type { Engine } from '../../engine/device-engine.ts';
import { cross, gram } from '../../engine/kernels.ts';
import { symmetricEigen } from '../../engine/linear-algebra/eigen.ts';
import { blocks, columnsOf } from '../blocks.ts';
import type { CheckedRows } from '../layers.ts';
import type { Step } from './pairs.ts';
import { callBudget } from '../../engine/call-budget.ts';

// Products of matrices in memory, row-major and in float64, a block at a time.

const largestPanel = 1024;
/** Narrow enough that the half which is left out counts. */
const selfPanel = 256;

/** n rows of `width` columns. */
export interface Columns {
  n: number;
  width: number;
  data: Float64Array;
}

/** The centred rows of a layer. */
export async function centredColumns(rows: CheckedRows): Promise<Columns> {
  const data = (await rows.centred('float64').rows(0, rows.n)) as Float64Array;
  return { n: rows.n, width: rows.d, data };
}

/** AᵀB, a.width × b.width; of a matrix with itself half is computed. */
export async function crossProduct(
  engine: Engine,
  a: Columns,
  b: Columns,
  step: Step,
): Promise<Float64Array> {
  const product = new Float64Array(a.width * b.width);
  const self = a === b;
  const widest = self ? selfPanel : largestPanel;
  const panels = [...blocks(a.width, widest)].flatMap((left) =>
    [...blocks(b.width, widest, self ? left[0] : 0)].map((right) => ({ left, right })),
  );
  for (const [index, { left, right }] of panels.entries()) {
    const width = right[1] - right[0];
    const size = Math.max(16, Math.floor(callBudget / ((left[1] - left[0]) * width)));
    for (const [start, end] of blocks(a.n, size)) {
      const rowsOf = ({ data, width: all }: Columns) => data.subarray(start * all, end * all);
      const x = columnsOf(rowsOf(a), a.width, left);
      const same = self && left[0] === right[0];
      const y = same ? x : columnsOf(rowsOf(b), b.width, right);
      const part = await cross(engine, end - start, x, y);
      for (let row = left[0], at = 0; row < left[1]; row++) {
        const first = row * b.width + right[0];
        for (let to = first; to < first + width; to++) product[to]! += part[at++]!;
      }
      await step((index + end / a.n) / panels.length);
    }
  }
  if (self) {
    for (let row = 1; row < a.width; row++) {
      for (let column = 0; column < row; column++) {
        product[row * a.width + column] = product[column * a.width + row]!;
      }
    }
  }
  return product;
}

/** ABᵀ for matrices of one width, a.n × b.n. */
export async function rowProduct(
  engine: Engine,
  a: Columns,
  b: Columns,
  step: Step,
): Promise<Float64Array> {
  const { width } = a;
  const product = new Float64Array(a.n * b.n);
  const largest = Math.max(16, Math.min(2048, Math.floor(Math.sqrt(callBudget / width))));
  for (const [start, end] of blocks(a.n, largest)) {
    const left = a.data.subarray(start * width, end * width);
    for (const [from, to] of blocks(b.n, largest)) {
      const part = await gram(engine, width, left, b.data.subarray(from * width, to * width));
      for (let row = start; row < end; row++) {
        const at = (row - start) * (to - from);
        product.set(part.subarray(at, at + to - from), row * b.n + from);
      }
      await step(end / a.n);
    }
  }
  return product;
}

/** Principal components: `scores` has orthogonal columns, whose squared lengths are `variances`. */
export interface Principal {
  scores: Columns;
  /** Eigenvalues of XᵀX, descending, not negative; min(n, d) of them. */
  variances: Float64Array;
  /** Axes as rows, min(n, d) × d; only where n ≥ d. */
  axes?: Float64Array;
}

/**
 * Rotate a matrix onto its principal axes: XV, of min(n, d) columns, which has the inner products of
 * X between rows, and no more columns than rows.
 */
export async function principal(engine: Engine, x: Columns, step: Step): Promise<Principal> {
  const { n, width } = x;
  const first: Step = (part) => step(0.3 * part);
  const second: Step = (part) => step(0.3 + 0.5 * part);
  if (width <= n) {
    const moment = await crossProduct(engine, x, x, first);
    const { values, vectors } = await symmetricEigen(moment, width, {
      vectors: true,
      step: second,
    });
    const axes = { n: width, width, data: vectors };
    const data = await rowProduct(engine, x, axes, (part) => step(0.8 + 0.2 * part));
    return { scores: { n, width, data }, variances: values.map(positive), axes: vectors };
  }
  const products = await rowProduct(engine, x, x, first);
  const { values, vectors } = await symmetricEigen(products, n, { vectors: true, step: second });
  const variances = values.map(positive);
  const data = new Float64Array(n * n);
  for (let component = 0; component < n; component++) {
    const length = Math.sqrt(variances[component]!);
    for (let row = 0; row < n; row++) {
      data[row * n + component] = length * vectors[component * n + row]!;
    }
  }
  return { scores: { n, width: n, data }, variances };
}

/** Rounding may push an eigenvalue of a product below zero. */
const positive = (value: number) => Math.max(0, value);

/** Rows by index, centred again where asked for. */
export function gatherRows({ width, data }: Columns, rows: Int32Array, centre: boolean): Columns {
  const gathered = new Float64Array(rows.length * width);
  rows.forEach((row, at) =>
    gathered.set(data.subarray(row * width, (row + 1) * width), at * width),
  );
  if (centre) centreColumns(gathered, width);
  return { n: rows.length, width, data: gathered };
}

function centreColumns(data: Float64Array, width: number): void {
  const mean = new Float64Array(width);
  const n = data.length / width;
  for (let at = 0; at < data.length;) for (let j = 0; j < width; j++) mean[j]! += data[at++]! / n;
  for (let at = 0; at < data.length;) for (let j = 0; j < width; j++) data[at++]! -= mean[j]!;
}

/** Frobenius norm. */
export function norm({ data }: Columns): number {
  let sum = 0;
  for (const value of data) sum += value * value;
  return Math.sqrt(sum);
}
