import { blocks } from '../../blocks.ts';
import type { Edges } from './edges.ts';
import { itemsPerStep } from './sort.ts';

/** Finds the rank of an edge from its ends; −1 where there is none. */
export type RankOf = (i: number, j: number) => number;

const hashSize = (count: number) => 2 ** Math.ceil(Math.log2(2 * count + 2));

/** A table of n² ranks where edges are many, else a hash table of the edges. */
export async function rankTable(
  { n, count, pairs }: Edges,
  step: () => Promise<void>,
): Promise<RankOf> {
  if (n * n <= hashSize(count)) {
    const table = new Int32Array(n * n).fill(-1);
    for (const [start, end] of blocks(count, itemsPerStep)) {
      for (let rank = start; rank < end; rank++) {
        const pair = pairs[rank]!;
        const i = pair >>> 16;
        const j = pair & 0xffff;
        table[i * n + j] = rank;
        table[j * n + i] = rank;
      }
      await step();
    }
    return (i, j) => table[i * n + j]!;
  }
  const mask = hashSize(count) - 1;
  const table = new Int32Array(mask + 1).fill(-1);
  const place = (pair: number) => {
    const mixed = Math.imul(pair ^ (pair >>> 15), 0x2c1b3c6d);
    return (mixed ^ (mixed >>> 13)) & mask;
  };
  for (const [start, end] of blocks(count, itemsPerStep)) {
    for (let rank = start; rank < end; rank++) {
      let at = place(pairs[rank]!);
      while (table[at] !== -1) at = (at + 1) & mask;
      table[at] = rank;
    }
    await step();
  }
  return (i, j) => {
    const pair = (i < j ? (i << 16) | j : (j << 16) | i) >>> 0;
    for (let at = place(pair); ; at = (at + 1) & mask) {
      const rank = table[at]!;
      if (rank < 0 || pairs[rank] === pair) return rank;
    }
  };
}
