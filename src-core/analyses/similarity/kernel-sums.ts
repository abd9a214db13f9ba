import type { Engine } from '../../engine/device-engine.ts';
import { cross, distances, gram } from '../../engine/kernels.ts';
import type { RowSource } from '../../tensor/matrix.ts';
import { blocks, columnsOf, type Range } from '../blocks.ts';

/** Multiply-adds that an engine call may take, for ≤ 100 ms on a slow processor. */
const callBudget = 4e8;
const largestTile = 512;
const largestPanel = 1024;
/** Inner products of tiles between two chances to stop. */
const pairsPerPause = 32;

/** A kernel over the rows of one layer; columns are centred over the range that is summed. */
export interface Kernel {
  readonly rows: RowSource;
  /** exp(−γ·d²) instead of the inner product; 0 where distances give no scale: no kernel at all. */
  readonly gamma?: number;
}

/**
 * What HSIC needs to know of kernel matrices over the same n samples. A tilde stands for the matrix
 * with a zero diagonal.
 */
export interface KernelSums {
  readonly n: number;
  /** K_aa of each kernel. */
  readonly diagonal: Float64Array[];
  /** Row sums of each K̃. */
  readonly rowSums: Float64Array[];
  /** Σ_ab K̃_i[a,b]·K̃_j[a,b] of each pair asked for. */
  readonly products: Float64Array;
}

/** Kernels by index. */
export type Pair = readonly [i: number, j: number];

/** Called after each engine call with its share of the whole. */
export type Tick = (share: number) => Promise<void>;

/** A block of all kernel matrices: rows [a0, a1) × columns [b0, b1), each row-major. */
export interface Tile {
  readonly a: Range;
  readonly b: Range;
  /** Strictly upper triangle only: zero where the row is not before the column. */
  readonly values: readonly Float64Array[];
}

/** Sums over Gram matrices, tile by tile; `visit` sees each tile of the upper triangle. */
export async function gramSums(
  engine: Engine,
  kernels: readonly Kernel[],
  pairs: readonly Pair[],
  range: Range,
  tick: Tick,
  visit?: (tile: Tile) => Promise<void> | void,
): Promise<KernelSums> {
  const n = range[1] - range[0];
  const sums: KernelSums = {
    n,
    diagonal: kernels.map(() => new Float64Array(n)),
    rowSums: kernels.map(() => new Float64Array(n)),
    products: new Float64Array(pairs.length),
  };
  for (const { a, b, share } of tiles(kernels, n)) {
    const values: Float64Array[] = [];
    for (const [index, kernel] of kernels.entries()) {
      const tile = await kernelTile(engine, kernel, range[0], a, b);
      if (a[0] === b[0]) takeDiagonal(tile, a, sums.diagonal[index]!);
      addRowSums(tile, a, b, sums.rowSums[index]!);
      values.push(tile);
      await tick(share / kernels.length);
    }
    for (const [index, [i, j]] of pairs.entries()) {
      sums.products[index]! += 2 * dot(values[i]!, values[j]!);
      if (index % pairsPerPause === 0) await tick(0);
    }
    await visit?.({ a, b, values });
  }
  return sums;
}

/** The tiles of the upper triangle of n × n, with the share of the work in each. */
function* tiles(kernels: readonly Kernel[], n: number) {
  const widest = Math.max(...kernels.map(({ rows }) => rows.d));
  const size = Math.max(16, Math.min(largestTile, Math.floor(Math.sqrt(callBudget / widest))));
  const count = Math.ceil(n / size);
  for (const a of blocks(n, size)) {
    for (const b of blocks(n, size, a[0])) {
      yield { a, b, share: 2 / (count * (count + 1)) };
    }
  }
}

async function kernelTile(
  engine: Engine,
  { rows, gamma }: Kernel,
  offset: number,
  a: Range,
  b: Range,
): Promise<Float64Array> {
  const left = await rows.rows(offset + a[0], offset + a[1]);
  const right = a[0] === b[0] ? left : await rows.rows(offset + b[0], offset + b[1]);
  if (gamma === 0) return new Float64Array((a[1] - a[0]) * (b[1] - b[0]));
  if (gamma === undefined) return gram(engine, rows.d, left, right);
  const tile = await distances(engine, rows.d, left, right);
  for (let at = 0; at < tile.length; at++) tile[at] = Math.exp(-gamma * tile[at]!);
  if (a[0] === b[0]) {
    // The distance of a row to itself is zero, whatever float32 makes of it.
    for (let row = 0; row < a[1] - a[0]; row++) tile[row * (a[1] - a[0] + 1)] = 1;
  }
  return tile;
}

/** Move the diagonal out of a diagonal tile, and clear what mirrors the upper triangle. */
function takeDiagonal(tile: Float64Array, [start, end]: Range, diagonal: Float64Array): void {
  const size = end - start;
  for (let row = 0; row < size; row++) {
    diagonal[start + row] = tile[row * size + row]!;
    tile.fill(0, row * size, row * size + row + 1);
  }
}

function addRowSums(tile: Float64Array, a: Range, b: Range, sums: Float64Array): void {
  const width = b[1] - b[0];
  for (let row = a[0], at = 0; row < a[1]; row++) {
    let sum = 0;
    for (let column = 0; column < width; column++, at++) {
      const value = tile[at]!;
      sum += value;
      sums[b[0] + column]! += value;
    }
    sums[row]! += sum;
  }
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}

/**
 * The same sums for linear kernels from p × q cross-products, which take O(p² + q²) memory and one
 * pass for each pair: ⟨K, L⟩ = ‖XᵀY‖²_F, and rows of a centred Gram matrix add up to zero.
 */
export async function featureSums(
  engine: Engine,
  kernels: readonly Kernel[],
  pairs: readonly Pair[],
  range: Range,
  tick: Tick,
): Promise<KernelSums> {
  const n = range[1] - range[0];
  const diagonal: Float64Array[] = [];
  for (const { rows } of kernels) diagonal.push(await squaredNorms(rows, range));
  const products = new Float64Array(pairs.length);
  for (const [index, [i, j]] of pairs.entries()) {
    const share = (part: number) => tick(part / pairs.length);
    const whole = await crossNorm(engine, kernels[i]!.rows, kernels[j]!.rows, range, share);
    products[index] = whole - dot(diagonal[i]!, diagonal[j]!);
  }
  return { n, diagonal, rowSums: diagonal.map((norms) => norms.map((norm) => -norm)), products };
}

async function squaredNorms(rows: RowSource, [from, to]: Range): Promise<Float64Array> {
  const norms = new Float64Array(to - from);
  for (const [start, end] of blocks(to, Math.max(1, Math.floor(2 ** 20 / rows.d)), from)) {
    const block = await rows.rows(start, end);
    for (let row = start, at = 0; row < end; row++) {
      for (const stop = at + rows.d; at < stop; at++) norms[row - from]! += block[at]! ** 2;
    }
  }
  return norms;
}

/** ‖XᵀY‖²_F, one panel of columns by another at a time. */
async function crossNorm(
  engine: Engine,
  x: RowSource,
  y: RowSource,
  [from, to]: Range,
  tick: Tick,
): Promise<number> {
  const panels = [...blocks(x.d, largestPanel)].flatMap((a) =>
    [...blocks(y.d, largestPanel)].map((b) => ({ a, b })),
  );
  let norm = 0;
  for (const { a, b } of panels) {
    const size = Math.max(16, Math.floor(callBudget / ((a[1] - a[0]) * (b[1] - b[0]))));
    const sum = new Float64Array((a[1] - a[0]) * (b[1] - b[0]));
    for (const [start, end] of blocks(to, size, from)) {
      const left = columnsOf(await x.rows(start, end), x.d, a);
      const right = columnsOf(await y.rows(start, end), y.d, b);
      const part = await cross(engine, end - start, left, right);
      for (let at = 0; at < sum.length; at++) sum[at]! += part[at]!;
      await tick((end - start) / (to - from) / panels.length);
    }
    norm += dot(sum, sum);
  }
  return norm;
}

/** Multiply-adds of either way; the feature form serves linear kernels only. */
export function featureFormIsCheaper(
  kernels: readonly Kernel[],
  pairs: readonly Pair[],
  n: number,
): boolean {
  if (kernels.some(({ gamma }) => gamma !== undefined)) return false;
  const width = (index: number) => kernels[index]!.rows.d;
  const feature = pairs.reduce((sum, [i, j]) => sum + n * width(i) * width(j), 0);
  const grams = kernels.reduce((sum, { rows }) => sum + (n * n * rows.d) / 2, 0);
  return feature < grams + (pairs.length * n * n) / 2;
}

/**
 * Median of all n² squared distances, the n zeros included, found exactly in two passes without
 * keeping them: counts by leading bits, then the values that share the median's.
 */
export async function medianSquaredDistance(
  engine: Engine,
  rows: RowSource,
  range: Range,
  tick: Tick,
): Promise<number> {
  const n = range[1] - range[0];
  const bits = 20;
  const counts = new Float64Array(1 << bits);
  const upper = async (use: (value: number, bin: number) => void) => {
    const word = new Float64Array(1);
    const halves = new Uint32Array(word.buffer);
    for (const { a, b, share } of tiles([{ rows }], n)) {
      const left = await rows.rows(range[0] + a[0], range[0] + a[1]);
      const right = await rows.rows(range[0] + b[0], range[0] + b[1]);
      const tile = await distances(engine, rows.d, left, right);
      for (let row = a[0], at = 0; row < a[1]; row++) {
        for (let column = b[0]; column < b[1]; column++, at++) {
          if (column <= row) continue;
          word[0] = tile[at]!;
          use(word[0], halves[1]! >>> (32 - bits));
        }
      }
      await tick(share / 2);
    }
  };
  await upper((_, bin) => counts[bin]!++);
  // Each distance occurs twice in the matrix, after the n zeros of its diagonal.
  const ranks = [Math.ceil((n * n) / 2) - 1, Math.floor((n * n) / 2)].map((rank) =>
    Math.floor((rank - n) / 2),
  );
  const bins = ranks.map((rank) => {
    let bin = 0;
    let below = 0;
    while (below + counts[bin]! <= rank) below += counts[bin++]!;
    return { bin, rank: rank - below };
  });
  const found = new Map(bins.map(({ bin }) => [bin, new Float64Array(counts[bin]!)]));
  const filled = new Map<number, number>();
  await upper((value, bin) => {
    const values = found.get(bin);
    if (values === undefined) return;
    const at = filled.get(bin) ?? 0;
    values[at] = value;
    filled.set(bin, at + 1);
  });
  for (const values of found.values()) values.sort();
  return bins.reduce((sum, { bin, rank }) => sum + found.get(bin)![rank]! / 2, 0);
}
