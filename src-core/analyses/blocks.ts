import type { Floats } from '../tensor/matrix.ts';

/** From `start` up to, not including, `end`. */
export type Range = readonly [start: number, end: number];

/** `[from, n)` in ranges of at most `size`. */
export function* blocks(n: number, size: number, from = 0): Generator<Range> {
  for (let start = from; start < n; start += size) yield [start, Math.min(start + size, n)];
}

/** Columns `[start, end)` of a row-major block of width d. */
export function columnsOf(block: Floats, d: number, [start, end]: Range): Floats {
  if (start === 0 && end === d) return block;
  const n = block.length / d;
  const width = end - start;
  const part =
    block instanceof Float64Array ? new Float64Array(n * width) : new Float32Array(n * width);
  for (let row = 0; row < n; row++) {
    part.set(block.subarray(row * d + start, row * d + end), row * width);
  }
  return part;
}
