import type { Engine } from '../engine/device-engine.ts';
import type { DeviceMatrix } from '../engine/device-matrix.ts';
import { nearest } from '../engine/kernels.ts';
import type { Floats } from '../tensor/matrix.ts';
import { blocks, type Range } from './blocks.ts';
import type { CheckedRows } from './layers.ts';

/** Multiply-adds of one engine call, for ≤ 100 ms on a slow processor. */
const callBudget = 2e9;
const largestQuery = 512;
const largestTile = 4096;
/** Candidates looked at beyond those asked for. */
const spare = 10;
/**
 * Bound on the error of a squared distance by its expansion |x|² + |y|² − 2xy, in units of rounding
 * of |x|² + |y|²; far above what blocked products show.
 */
const roundingUnits = 16;

type Step = (fraction: number) => Promise<void>;

export interface Neighbours {
  readonly n: number;
  readonly k: number;
  /** n × k, nearest first, ties by the lower index; a row is not its own neighbour. */
  readonly indices: Int32Array;
  /** Euclidean distances in float64; n × k. */
  readonly distances: Float64Array;
  /** Distance between two rows, in float64. */
  readonly distance: (i: number, j: number) => number;
}

/** Where neighbours are looked for; what is small is near. */
interface Space {
  readonly n: number;
  readonly d: number;
  /** Rows whose distances on the device approximate `exact`; n × d each. */
  readonly device: Rows;
  /** The same in float64. */
  wide(): Promise<Rows> | Rows;
  /** What neighbours are ordered by, of row i as a query and row j as a neighbour. */
  exact(i: number, j: number): number;
  /** Bound on how far the device is off for a query, in units of its rounding. */
  scale(i: number): number;
}

interface Rows {
  queries: Floats;
  data: Floats;
}

/**
 * The k nearest neighbours of every row by Euclidean distance. Candidates come from products of
 * centred rows on the device; the nearest k + 10 are then measured again in float64 from the rows as
 * given. Where float32 could have missed one, the block is done again in float64.
 */
export async function nearestNeighbours(
  engine: Engine,
  rows: CheckedRows,
  k: number,
  step: Step,
): Promise<Neighbours> {
  const { n } = rows;
  const original = await rows.uncentred().rows(0, n);
  const centred = await rows.centred().rows(0, n);
  const wide = () => rows.centred('float64').rows(0, n);
  return euclidean(engine, { original, centred, wide, d: rows.d }, k, step);
}

/**
 * The k nearest neighbours of every row by the angle between rows; distances are those of rows scaled
 * to unit length. Rows of zeros, which have no direction, are equally far from all others.
 * @param data n × d; changed
 * @param dtype what candidates are found in; see {@link nearestNeighbours}
 */
export async function nearestByCosine(
  engine: Engine,
  data: Float64Array,
  d: number,
  dtype: 'float32' | 'float64',
  k: number,
  step: Step,
): Promise<Neighbours & { zeroRows: number }> {
  let zeroRows = 0;
  for (let row = 0; row < data.length; row += d) {
    const values = data.subarray(row, row + d);
    let squares = 0;
    for (let j = 0; j < d; j++) squares += values[j]! * values[j]!;
    if (squares === 0) zeroRows++;
    const length = squares === 0 ? 1 : Math.sqrt(squares);
    for (let j = 0; j < d; j++) values[j]! /= length;
  }
  const found = await nearestByDistance(engine, data, d, dtype, k, step);
  return { ...found, zeroRows };
}

/** {@link nearestNeighbours} of rows in memory. */
export async function nearestByDistance(
  engine: Engine,
  data: Float64Array,
  d: number,
  dtype: 'float32' | 'float64',
  k: number,
  step: Step,
): Promise<Neighbours> {
  const n = data.length / d;
  const mean = new Float64Array(d);
  for (let at = 0; at < data.length;) for (let j = 0; j < d; j++) mean[j]! += data[at++]! / n;
  const shifted = new Float64Array(data.length);
  for (let at = 0; at < data.length;) {
    for (let j = 0; j < d; j++, at++) shifted[at] = data[at]! - mean[j]!;
  }
  const centred = dtype === 'float32' ? new Float32Array(shifted) : shifted;
  return euclidean(engine, { original: data, centred, wide: () => shifted, d }, k, step);
}

function euclidean(
  engine: Engine,
  rows: { original: Floats; centred: Floats; wide(): Promise<Floats> | Floats; d: number },
  k: number,
  step: Step,
): Promise<Neighbours> {
  const { original, centred, d } = rows;
  const norms = squaredNorms(centred, d);
  const largest = norms.reduce((a, b) => Math.max(a, b), 0);
  const space: Space = {
    n: norms.length,
    d,
    device: { queries: centred, data: centred },
    async wide() {
      const data = await rows.wide();
      return { queries: data, data };
    },
    exact: (i, j) => squaredDistance(original, d, i, j),
    scale: (row) => roundingUnits * (norms[row]! + largest),
  };
  return search(engine, space, k, step);
}

/** Neighbours by inner product, the largest first. */
export interface ProductNeighbours {
  readonly n: number;
  readonly k: number;
  /** n × k, ties by the lower index; a row is not its own neighbour. */
  readonly indices: Int32Array;
  /** Inner products in float64; n × k. */
  readonly products: Float64Array;
}

/**
 * The k rows with the largest inner product with every row. With a further coordinate
 * √(max‖x‖² − ‖x‖²) for data and 0 for queries, these are the nearest by Euclidean distance.
 * @param data n × d
 */
export async function nearestByProduct(
  engine: Engine,
  data: Float64Array,
  d: number,
  dtype: 'float32' | 'float64',
  k: number,
  step: Step,
): Promise<ProductNeighbours> {
  const norms = squaredNorms(data, d);
  const n = norms.length;
  const largest = norms.reduce((a, b) => Math.max(a, b), 0);
  const extended = (extra: (row: number) => number) => {
    const rows = new Float64Array(n * (d + 1));
    for (let row = 0; row < n; row++) {
      rows.set(data.subarray(row * d, (row + 1) * d), row * (d + 1));
      rows[row * (d + 1) + d] = extra(row);
    }
    return rows;
  };
  const wide = {
    queries: extended(() => 0),
    data: extended((row) => Math.sqrt(largest - norms[row]!)),
  };
  const narrow = () => ({
    queries: new Float32Array(wide.queries),
    data: new Float32Array(wide.data),
  });
  const device = dtype === 'float32' ? narrow() : wide;
  const product = (i: number, j: number) => {
    let sum = 0;
    for (let a = i * d, b = j * d; a < (i + 1) * d; a++, b++) sum += data[a]! * data[b]!;
    return sum;
  };
  const space: Space = {
    n,
    d: d + 1,
    device,
    wide: () => wide,
    exact: (i, j) => norms[i]! + largest - 2 * product(i, j),
    scale: (row) => roundingUnits * (norms[row]! + largest),
  };
  const { indices } = await search(engine, space, k, step);
  const products = Float64Array.from(indices, (j, at) => product(Math.floor(at / k), j));
  return { n, k, indices, products };
}

const roundingOf = (data: Floats) => (data instanceof Float64Array ? Number.EPSILON : 2 ** -23);

async function search(engine: Engine, space: Space, k: number, step: Step): Promise<Neighbours> {
  const { n, d } = space;
  const exact = (i: number, j: number) => space.exact(i, j);
  const indices = new Int32Array(n * k);
  const distances = new Float64Array(n * k);
  const take = Math.min(n, k + spare + 1);
  const query = Math.max(
    1,
    Math.min(largestQuery, Math.floor(callBudget / (d * Math.min(n, largestTile)))),
  );
  const narrow = await place(engine, space.device, d);
  let wide: Placed | undefined;
  try {
    for (const range of blocks(n, query)) {
      let candidates = await candidatesOf(engine, narrow, d, range, take, step);
      const sure = settle(candidates, range, roundingOf(space.device.data));
      if (!sure && space.device.data instanceof Float32Array) {
        wide ??= await place(engine, await space.wide(), d);
        candidates = await candidatesOf(engine, wide, d, range, take, step);
        settle(candidates, range, Number.EPSILON);
      }
      await step(range[1] / n);
    }
  } finally {
    for (const tile of [...narrow.tiles, ...(wide?.tiles ?? [])]) tile.dispose();
  }
  return { n, k, indices, distances, distance: (i, j) => Math.sqrt(exact(i, j)) };

  /** Measure a block's candidates exactly and keep the nearest; false where one may be missing. */
  function settle({ indices: found, distances: rough }: Candidates, range: Range, unit: number) {
    const order = Array.from({ length: take }, (_, at) => at);
    const squares = new Float64Array(take);
    let sure = true;
    for (let row = range[0]; row < range[1]; row++) {
      const offset = (row - range[0]) * take;
      const error = unit * space.scale(row);
      // k others seem no farther than this, so that none beyond twice the error is among the nearest.
      const limit = rough[offset + Math.min(k, take - 1)]! + 2 * error;
      for (let at = 0; at < take; at++) {
        const candidate = found[offset + at]!;
        const near = candidate !== row && rough[offset + at]! <= limit;
        squares[at] = near ? exact(row, candidate) : Infinity;
      }
      order.sort((a, b) => squares[a]! - squares[b]! || found[offset + a]! - found[offset + b]!);
      for (let at = 0; at < k; at++) {
        indices[row * k + at] = found[offset + order[at]!]!;
        distances[row * k + at] = Math.sqrt(squares[order[at]!]!);
      }
      if (take < n && squares[order[k - 1]!]! > rough[offset + take - 1]! - error) sure = false;
    }
    return sure;
  }
}

/** The `take` rows that seem nearest to each row of a block, nearest first; itself among them. */
interface Candidates {
  indices: Int32Array;
  distances: Float64Array;
}

/** Rows whose data are where the engine computes, for every block of queries. */
interface Placed {
  queries: Floats;
  tiles: readonly DeviceMatrix[];
}

async function place(engine: Engine, { queries, data }: Rows, d: number): Promise<Placed> {
  const tiles: DeviceMatrix[] = [];
  for (const [from, to] of blocks(data.length / d, largestTile)) {
    tiles.push(await engine.upload(data.subarray(from * d, to * d), d));
  }
  return { queries, tiles };
}

async function candidatesOf(
  engine: Engine,
  { queries: all, tiles }: Placed,
  d: number,
  [start, end]: Range,
  take: number,
  step: Step,
): Promise<Candidates> {
  const n = all.length / d;
  const queries = all.subarray(start * d, end * d);
  let best: Candidates | undefined;
  for (const [index, rows] of tiles.entries()) {
    const from = index * largestTile;
    const found = await nearest(engine, d, queries, rows, Math.min(take, rows.rows));
    const tile = {
      indices: Int32Array.from(found.indices, (index) => Number(index) + from),
      distances: found.distances,
    };
    best = best ? merge(best, tile, end - start, take) : tile;
    await step(start / n);
  }
  return best!;
}

function merge(a: Candidates, b: Candidates, rows: number, take: number): Candidates {
  const [widthA, widthB] = [a.indices.length / rows, b.indices.length / rows];
  const width = Math.min(take, widthA + widthB);
  const indices = new Int32Array(rows * width);
  const distances = new Float64Array(rows * width);
  for (let row = 0; row < rows; row++) {
    let [i, j] = [row * widthA, row * widthB];
    const [endA, endB] = [i + widthA, j + widthB];
    for (let at = row * width; at < (row + 1) * width; at++) {
      const first = j === endB || (i < endA && a.distances[i]! <= b.distances[j]!);
      const [source, from] = first ? [a, i++] : [b, j++];
      indices[at] = source.indices[from]!;
      distances[at] = source.distances[from]!;
    }
  }
  return { indices, distances };
}

function squaredNorms(data: Floats, d: number): Float64Array {
  const norms = new Float64Array(data.length / d);
  for (let row = 0, at = 0; row < norms.length; row++) {
    for (const stop = at + d; at < stop; at++) norms[row]! += data[at]! ** 2;
  }
  return norms;
}

function squaredDistance(data: Floats, d: number, i: number, j: number): number {
  let sum = 0;
  for (let a = i * d, b = j * d; a < (i + 1) * d; a++, b++) sum += (data[a]! - data[b]!) ** 2;
  return sum;
}
