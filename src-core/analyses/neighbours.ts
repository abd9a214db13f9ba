import type { Engine } from '../engine/device-engine.ts';
import { nearest } from '../engine/kernels.ts';
import type { Floats } from '../tensor/matrix.ts';
import { blocks, type Range } from './blocks.ts';
import type { CheckedRows } from './layers.ts';

/** Multiply-adds of one engine call. */
const callBudget = 4e8;
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

/**
 * The k nearest neighbours of every row. Candidates come from products of centred rows on the
 * device; the nearest k + 10 are then measured again in float64 from the rows as given. Where float32
 * could have missed one, the block is done again in float64.
 */
export async function nearestNeighbours(
  engine: Engine,
  rows: CheckedRows,
  k: number,
  step: Step,
): Promise<Neighbours> {
  const { n, d } = rows;
  const original = await rows.uncentred().rows(0, n);
  const centred = await rows.centred().rows(0, n);
  const norms = squaredNorms(centred, d);
  const largest = norms.reduce((a, b) => Math.max(a, b), 0);
  const unit = centred instanceof Float64Array ? Number.EPSILON : 2 ** -23;
  const exact = (i: number, j: number) => squaredDistance(original, d, i, j);

  const indices = new Int32Array(n * k);
  const distances = new Float64Array(n * k);
  const take = Math.min(n, k + spare + 1);
  const query = Math.max(
    1,
    Math.min(largestQuery, Math.floor(callBudget / (d * Math.min(n, largestTile)))),
  );
  let wide: Float64Array | undefined;
  for (const range of blocks(n, query)) {
    let candidates = await search(engine, centred, d, range, take, step);
    const sure = settle(candidates, range, (row) => roundingUnits * unit * (norms[row]! + largest));
    if (!sure && centred instanceof Float32Array) {
      wide ??= (await rows.centred('float64').rows(0, n)) as Float64Array;
      candidates = await search(engine, wide, d, range, take, step);
      settle(candidates, range, () => 0);
    }
    await step(range[1] / n);
  }
  return { n, k, indices, distances, distance: (i, j) => Math.sqrt(exact(i, j)) };

  /** Measure a block's candidates exactly and keep the nearest; false where one may be missing. */
  function settle(
    candidates: Candidates,
    [start, end]: Range,
    error: (row: number) => number,
  ): boolean {
    const order = Array.from({ length: take }, (_, at) => at);
    const squares = new Float64Array(take);
    let sure = true;
    for (let row = start; row < end; row++) {
      const offset = (row - start) * take;
      for (let at = 0; at < take; at++) {
        const candidate = candidates.indices[offset + at]!;
        squares[at] = candidate === row ? Infinity : exact(row, candidate);
      }
      order.sort(
        (a, b) =>
          squares[a]! - squares[b]! ||
          candidates.indices[offset + a]! - candidates.indices[offset + b]!,
      );
      for (let at = 0; at < k; at++) {
        indices[row * k + at] = candidates.indices[offset + order[at]!]!;
        distances[row * k + at] = Math.sqrt(squares[order[at]!]!);
      }
      const beyond = candidates.distances[offset + take - 1]! - error(row);
      if (take < n && squares[order[k - 1]!]! > beyond) sure = false;
    }
    return sure;
  }
}

/** The `take` rows that seem nearest to each row of a block, nearest first; itself among them. */
interface Candidates {
  indices: Int32Array;
  distances: Float64Array;
}

async function search(
  engine: Engine,
  data: Floats,
  d: number,
  [start, end]: Range,
  take: number,
  step: Step,
): Promise<Candidates> {
  const n = data.length / d;
  const queries = data.subarray(start * d, end * d);
  let best: Candidates | undefined;
  for (const [from, to] of blocks(n, largestTile)) {
    const k = Math.min(take, to - from);
    const found = await nearest(engine, d, queries, data.subarray(from * d, to * d), k);
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
