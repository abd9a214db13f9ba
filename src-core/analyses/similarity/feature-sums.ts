import type { DeviceMatrix } from '../../engine/device-matrix.ts';
import type { Engine } from '../../engine/device-engine.ts';
import { CrossSum, squaredNorms } from '../../engine/kernels.ts';
import { blocks, columnsOf, type Range } from '../blocks.ts';
import {
  ahead,
  bytesOf,
  callBudget,
  isLinear,
  type Kernel,
  type KernelSums,
  type Pair,
  type Tick,
} from './kernel-sums.ts';

/** Bytes of the rows of all layers that are read at once. */
const blockBytes = 2 ** 26;

const dot = (a: Float64Array, b: Float64Array) => {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
};

/**
 * The sums of linear kernels from p × q cross-products, in one pass over the rows for as many
 * pairs as fit: ⟨K, L⟩ = ‖XᵀY‖²_F, and rows of a centred Gram matrix add up to zero.
 * @param memory bytes that cross-products may take
 */
export async function featureSums(
  engine: Engine,
  kernels: readonly Kernel[],
  pairs: readonly Pair[],
  memory: number,
  tick: Tick,
): Promise<KernelSums> {
  const { n } = kernels[0]!.rows;
  const diagonal = kernels.map(() => new Float64Array(n));
  const products = new Float64Array(pairs.length);
  const width = (index: number) => kernels[index]!.rows.d;
  const all = pairs.reduce((sum, [i, j]) => sum + width(i) * width(j), 0);
  const known = new Set<number>();
  // A product too large to be held is taken panel by panel.
  const widest = Math.max(1, Math.floor(Math.sqrt(memory / CrossSum.bytes(1))));
  const parts = pairs.flatMap((pair, index) => panels(pair, index, width, widest));
  for (const group of groups(parts, memory, ({ a, b }) => CrossSum.bytes(length(a), length(b)))) {
    const sums = group.map(({ itself, a, b }) =>
      itself ? new CrossSum(engine, length(a)) : new CrossSum(engine, length(a), length(b)),
    );
    const layers = [...new Set(group.flatMap(({ pair }) => pair))];
    const bytes = layers.reduce((sum, at) => sum + width(at) * bytesOf(kernels[at]!.rows.dtype), 0);
    const largest = Math.max(...group.map(({ a, b }) => length(a) * length(b)));
    const size = Math.max(16, Math.floor(Math.min(blockBytes / bytes, callBudget / largest)));
    const readAll = (start: number, end: number) =>
      ahead(Promise.all(layers.map((at) => kernels[at]!.rows.rows(start, end))));
    let next = readAll(0, Math.min(size, n));
    for (const [start, end] of blocks(n, size)) {
      const read = await next;
      // Read while the engine computes.
      next = readAll(end, Math.min(end + size, n));
      const held = new Map<string, DeviceMatrix>();
      const columns = async (layer: number, range: Range) => {
        const key = `${layer} ${range[0]}`;
        const found = held.get(key);
        if (found) return found;
        const block = columnsOf(read[layers.indexOf(layer)]!, width(layer), range);
        const matrix = await engine.upload(block, length(range));
        held.set(key, matrix);
        return matrix;
      };
      for (const [index, at] of layers.entries()) {
        if (known.has(at)) continue;
        const norms = await squaredNorms(engine, width(at), read[index]!);
        diagonal[at]!.set(norms, start);
      }
      for (const [index, { pair, itself, a, b }] of group.entries()) {
        const left = await columns(pair[0], a);
        const right = itself ? undefined : await columns(pair[1], b);
        await sums[index]!.add(end - start, left, right);
        await tick(((end - start) / n) * ((length(a) * length(b)) / all));
      }
      for (const matrix of held.values()) matrix.dispose();
    }
    for (const layer of layers) known.add(layer);
    group.forEach(({ index, weight }, at) => {
      products[index]! += weight * sums[at]!.squaredNorm();
    });
  }
  pairs.forEach(([i, j], index) => (products[index]! -= dot(diagonal[i]!, diagonal[j]!)));
  return { n, diagonal, rowSums: diagonal.map((norms) => norms.map((norm) => -norm)), products };
}

const length = ([start, end]: Range) => end - start;

/** Columns of one layer by columns of another: a part of the product of a pair. */
interface Panel {
  pair: Pair;
  index: number;
  a: Range;
  b: Range;
  /** Columns by themselves. */
  itself: boolean;
  /** 2 where it stands for its mirror image too. */
  weight: 1 | 2;
}

function panels(
  pair: Pair,
  index: number,
  width: (layer: number) => number,
  widest: number,
): Panel[] {
  const [i, j] = pair;
  return [...blocks(width(i), widest)].flatMap((a) =>
    [...blocks(width(j), widest, i === j ? a[0] : 0)].map((b) => {
      const itself = i === j && a[0] === b[0];
      return { pair, index, a, b, itself, weight: i === j && !itself ? 2 : 1 };
    }),
  );
}

/** Items in groups of at most `limit`, or of one. */
function groups<T>(items: readonly T[], limit: number, sizeOf: (item: T) => number): T[][] {
  const answer: T[][] = [];
  let room = 0;
  for (const item of items) {
    const size = sizeOf(item);
    if (answer.length === 0 || size > room) {
      answer.push([]);
      room = limit;
    }
    answer.at(-1)!.push(item);
    room -= size;
  }
  return answer;
}

/** Multiply-adds of either way; the feature form serves linear kernels only. */
export function featureFormIsCheaper(kernels: readonly Kernel[], pairs: readonly Pair[]): boolean {
  if (!kernels.every(isLinear)) return false;
  const { n } = kernels[0]!.rows;
  const width = (index: number) => kernels[index]!.rows.d;
  const feature = pairs.reduce((sum, [i, j]) => sum + n * width(i) * width(j), 0);
  const grams = kernels.reduce((sum, { rows }) => sum + (n * n * rows.d) / 2, 0);
  return feature < grams + (kernels.length ** 2 * n * n) / 4;
}
