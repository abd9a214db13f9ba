import type { DeviceMatrix } from '../../engine/device-matrix.ts';
import type { Engine } from '../../engine/device-engine.ts';
import { dots, distances, gramInto, lengthsInto, radialInto } from '../../engine/kernels.ts';
import type { Floats, RowSource } from '../../tensor/matrix.ts';
import { blocks, type Range } from '../blocks.ts';

/** Multiply-adds that an engine call may take, for ≤ 100 ms on a slow processor. */
export const callBudget = 2e9;
/** Samples along a tile: rounding of float32 sums over a tile stays far below 1e-4. */
const largestTile = 512;
/** Kernels that one product of a stack of tiles takes at the least, or it is slow. */
const leastStack = 32;
/** A kernel over the rows of one layer, whose columns are centred. */
export interface Kernel {
  readonly rows: RowSource;
  /** exp(−γ·d²) instead of the inner product; 0 where distances give no scale: no kernel at all. */
  readonly gamma?: number;
  /** The Euclidean distance instead of the inner product. */
  readonly distance?: boolean;
}

export const isLinear = ({ gamma, distance }: Kernel) => gamma === undefined && !distance;
/** What a kernel makes of a row with itself, whatever float32 makes of it; undefined: as computed. */
const ownValue = (kernel: Kernel) => (kernel.distance ? 0 : kernel.gamma && 1);

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
  /**
   * Strictly upper triangle only: zero where the row is not before the column. Valid during the
   * visit; float32 where all rows are.
   */
  readonly values: readonly Floats[];
}

/** Element type of kernel matrices: the widest of their rows. */
export const typeOfKernels = (kernels: readonly Kernel[]): 'float32' | 'float64' =>
  kernels.some(({ rows }) => rows.dtype === 'float64') ? 'float64' : 'float32';

export const bytesOf = (type: 'float32' | 'float64') => (type === 'float64' ? 8 : 4);

/**
 * Sums over Gram matrices, tile by tile; `visit` sees each tile of the upper triangle. The tiles of
 * all kernels lie in one stack, whose product with itself holds the inner products of all pairs.
 * @param memory bytes that the stack and the rows beside it may take
 */
export async function gramSums(
  engine: Engine,
  kernels: readonly Kernel[],
  pairs: readonly Pair[],
  memory: number,
  tick: Tick,
  visit?: (tile: Tile) => Promise<void> | void,
): Promise<KernelSums> {
  const { n } = kernels[0]!.rows;
  const count = kernels.length;
  const diagonal = kernels.map(() => new Float64Array(n));
  const rowSums = kernels.map(() => new Float64Array(n));
  const inner = new Float64Array(count * count);
  const type = typeOfKernels(kernels);
  const size = tileSize(kernels, memory);
  const stack = new (type === 'float64' ? Float64Array : Float32Array)(count * size * size);
  for (const a of blocks(n, size)) {
    const panel: DeviceMatrix[] = [];
    for (const { rows } of kernels) {
      panel.push(await engine.upload(await rows.rows(...a), rows.d));
    }
    for (const b of blocks(n, size, a[0])) {
      const onDiagonal = a[0] === b[0];
      const length = (a[1] - a[0]) * (b[1] - b[0]);
      const share = (length * (onDiagonal ? 1 : 2)) / (n * n) / (count + 1);
      const values = kernels.map((_, at) => stack.subarray(at * length, (at + 1) * length));
      const read = (rows?: RowSource) => (onDiagonal || !rows ? undefined : ahead(rows.rows(...b)));
      let next = read(kernels[0]!.rows);
      for (const [at, kernel] of kernels.entries()) {
        const left = panel[at]!;
        const right = (await next) ?? left;
        // Read while the engine computes.
        next = read(kernels[at + 1]?.rows);
        const tile = values[at]!;
        await kernelTile(engine, kernel, left, right, tile);
        if (onDiagonal) takeDiagonal(tile, a, diagonal[at]!, ownValue(kernel));
        if (!isLinear(kernel)) addRowSums(tile, a, b, rowSums[at]!);
        await tick(share);
      }
      const stacked = stack.subarray(0, count * length);
      await addProducts(engine, stacked, count, inner, () => tick(0));
      await visit?.({ a, b, values });
      await tick(share);
    }
    for (const block of panel) block.dispose();
  }
  kernels.forEach((kernel, at) => {
    // Rows of a linear kernel over centred columns add up to zero with their diagonal.
    if (isLinear(kernel)) rowSums[at] = diagonal[at]!.map((norm) => -norm);
  });
  const products = Float64Array.from(pairs, ([i, j]) => {
    return 2 * inner[Math.min(i, j) * count + Math.max(i, j)]!;
  });
  return { n, diagonal, rowSums, products };
}

/** A read that is begun early, and never waited for where the work ends before. */
export function ahead<T>(read: Promise<T>): Promise<T> {
  read.catch(() => undefined);
  return read;
}

/** As many samples as time and memory allow a tile, dealt out evenly. */
function tileSize(kernels: readonly Kernel[], memory: number): number {
  const { n } = kernels[0]!.rows;
  const widest = Math.max(...kernels.map(({ rows }) => rows.d));
  const perTile = kernels.length * bytesOf(typeOfKernels(kernels));
  const perSample = kernels.reduce((sum, { rows }) => sum + rows.d * bytesOf(rows.dtype), 0);
  // perTile·s² + perSample·s ≤ memory.
  const root = Math.sqrt(perSample ** 2 + 4 * perTile * memory);
  const most = Math.min(
    largestTile,
    Math.sqrt(callBudget / widest),
    (root - perSample) / (2 * perTile),
  );
  return Math.ceil(n / Math.ceil(n / Math.max(16, Math.floor(most))));
}

function kernelTile(
  engine: Engine,
  { rows, gamma, distance }: Kernel,
  left: DeviceMatrix,
  right: DeviceMatrix | Floats,
  tile: Floats,
): Promise<void> {
  if (distance) return lengthsInto(engine, rows.d, left, right, tile);
  if (gamma === undefined) return gramInto(engine, rows.d, left, right, tile);
  if (gamma > 0) return radialInto(engine, rows.d, gamma, left, right, tile);
  tile.fill(0);
  return Promise.resolve();
}

/** Move the diagonal out of a diagonal tile, and clear what mirrors the upper triangle. */
function takeDiagonal(
  tile: Floats,
  [start, end]: Range,
  diagonal: Float64Array,
  own: number | undefined,
): void {
  const size = end - start;
  for (let row = 0; row < size; row++) {
    diagonal[start + row] = own ?? tile[row * size + row]!;
    tile.fill(0, row * size, row * size + row + 1);
  }
}

function addRowSums(tile: Floats, a: Range, b: Range, sums: Float64Array): void {
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

/** Add the inner products of every two tiles of a stack to the upper triangle of count × count. */
async function addProducts(
  engine: Engine,
  stack: Floats,
  count: number,
  inner: Float64Array,
  pause: () => Promise<void>,
): Promise<void> {
  const length = stack.length / count;
  const height = Math.max(leastStack, Math.floor(callBudget / (count * length)));
  for (const [start, end] of blocks(count, height)) {
    const left = stack.subarray(start * length, end * length);
    const products = await dots(engine, length, left, stack.subarray(start * length));
    for (let i = start, at = 0; i < end; i++) {
      for (let j = start; j < count; j++, at++) inner[i * count + j]! += products[at]!;
    }
    await pause();
  }
}

/**
 * Median of all n² squared distances, the n zeros included, found exactly in two passes without
 * keeping them: counts by leading bits, then the values that share the median's.
 */
export async function medianSquaredDistance(
  engine: Engine,
  rows: RowSource,
  tick: Tick,
): Promise<number> {
  const { n } = rows;
  const bits = 20;
  const counts = new Float64Array(1 << bits);
  const upper = async (use: (value: number, bin: number) => void) => {
    const word = new Float64Array(1);
    const halves = new Uint32Array(word.buffer);
    const size = tileSize([{ rows }], Infinity);
    for (const a of blocks(n, size)) {
      const left = await engine.upload(await rows.rows(...a), rows.d);
      for (const b of blocks(n, size, a[0])) {
        const right = a[0] === b[0] ? left : await rows.rows(...b);
        const tile = await distances(engine, rows.d, left, right);
        for (let row = a[0], at = 0; row < a[1]; row++) {
          for (let column = b[0]; column < b[1]; column++, at++) {
            if (column <= row) continue;
            word[0] = tile[at]!;
            use(word[0], halves[1]! >>> (32 - bits));
          }
        }
        const area = (a[1] - a[0]) * (b[1] - b[0]);
        await tick((area * (a[0] === b[0] ? 1 : 2)) / (n * n) / 2);
      }
      left.dispose();
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
