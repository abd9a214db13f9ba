import { blocks } from '../../blocks.ts';

const digits = 11;
const buckets = 1 << digits;

/** Items that are moved between two calls of `step`. */
export const itemsPerStep = 1 << 21;

/**
 * Keys and what belongs to them, by ascending key, ties in the order given: a radix sort of three
 * passes. The keys are the bits of float32 numbers, which are returned as such; both inputs are
 * overwritten.
 */
export async function orderByKeys(
  keys: Uint32Array,
  items: Uint32Array,
  step: () => Promise<void>,
): Promise<{ lengths: Float32Array; pairs: Uint32Array }> {
  const n = keys.length;
  const starts = [0, 1, 2].map(() => new Uint32Array(buckets));
  const [first, second, third] = starts as [Uint32Array, Uint32Array, Uint32Array];
  for (let at = 0; at < n; at++) {
    const key = keys[at]!;
    first[key & (buckets - 1)]! += 1;
    second[(key >>> digits) & (buckets - 1)]! += 1;
    third[key >>> (2 * digits)]! += 1;
  }
  let from = keys;
  let fromItems = items;
  let to: Uint32Array = new Uint32Array(n);
  let toItems: Uint32Array = new Uint32Array(n);
  for (const [pass, counts] of starts.entries()) {
    let total = 0;
    for (let bucket = 0; bucket < buckets; bucket++) {
      const count = counts[bucket]!;
      counts[bucket] = total;
      total += count;
    }
    const shift = pass * digits;
    for (const [start, end] of blocks(n, itemsPerStep)) {
      for (let at = start; at < end; at++) {
        const place = counts[(from[at]! >>> shift) & (buckets - 1)]!++;
        to[place] = from[at]!;
        toItems[place] = fromItems[at]!;
      }
      await step();
    }
    [from, to, fromItems, toItems] = [to, from, toItems, fromItems];
  }
  return { lengths: new Float32Array(from.buffer, from.byteOffset, n), pairs: fromItems };
}
