import { blocks } from './blocks.ts';
import type { AnalysisContext } from './definition.ts';

/** Elements that are looked at between two pauses. */
const blockElements = 1 << 22;

/** How many rows equal another one; rows of zeros do not count. */
export async function countCopies(
  data: Float64Array,
  d: number,
  pause: () => Promise<void>,
): Promise<number> {
  const words = new Uint32Array(data.buffer, data.byteOffset, 2 * data.length);
  // By hash, the first of each of the rows that have it.
  const firsts = new Map<number, number[]>();
  const repeated = new Set<number>();
  let others = 0;
  const equal = (a: number, b: number) => {
    for (let j = 0; j < d; j++) if (data[a * d + j] !== data[b * d + j]) return false;
    return true;
  };
  for (const [start, end] of blocks(data.length / d, Math.max(1, Math.floor(blockElements / d)))) {
    for (let row = start; row < end; row++) {
      let hash = 0;
      let zero = true;
      for (let at = 2 * row * d; at < 2 * (row + 1) * d; at++) {
        // Fowler, Noll and Vo, by words.
        hash = Math.imul(hash ^ words[at]!, 16777619);
        if (words[at] !== 0) zero = false;
      }
      if (zero) continue;
      const alike = firsts.get(hash);
      const first = alike?.find((other) => equal(other, row));
      if (first !== undefined) {
        repeated.add(first);
        others++;
      } else if (alike) alike.push(row);
      else firsts.set(hash, [row]);
    }
    await pause();
  }
  return repeated.size + others;
}

/** Say how many samples equal another one where their neighbours are asked for. */
export async function warnCopies(
  label: string,
  data: Float64Array,
  d: number,
  context: AnalysisContext,
  pause: () => Promise<void>,
): Promise<void> {
  const copies = await countCopies(data, d, pause);
  const n = data.length / d;
  if (copies === 0 || copies === n) return;
  context.warn(
    `${label}: ${copies} of ${n} samples equal another one, and ties among their neighbours go by index`,
  );
}
