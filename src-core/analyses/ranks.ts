type Pause = () => Promise<void>;

/** Bits of a digit at most: more counters than the first cache holds slow every write. */
const widestDigit = 11;

/** Runs of equal keys up to this length are put in order by insertion. */
const shortRun = 32;

/** The nearest float32 of each value as an unsigned key of the same order; both zeros are one. */
function keysOf(values: Float64Array): Uint32Array<ArrayBuffer> {
  const keys = new Uint32Array(Float32Array.from(values).buffer);
  for (let i = 0; i < keys.length; i++) {
    const bits = keys[i]!;
    keys[i] = bits >>> 31 ? (bits === 0x80000000 ? bits : ~bits) : bits | 0x80000000;
  }
  return keys;
}

/** Subtract the least key from all; the largest that remains. */
function spreadOf(keys: Uint32Array): number {
  let least = 0xffffffff;
  let most = 0;
  for (const key of keys) {
    if (key < least) least = key;
    if (key > most) most = key;
  }
  for (let i = 0; i < keys.length; i++) keys[i]! -= least;
  return keys.length > 0 ? most - least : 0;
}

/**
 * The indices of finite values in ascending order of value, equal ones by index: a radix sort of
 * the nearest float32 numbers, then comparisons among those that float32 does not tell apart.
 */
export async function ascending(values: Float64Array, pause?: Pause): Promise<Int32Array> {
  const n = values.length;
  let keys = keysOf(values);
  let order = new Int32Array(n);
  for (let i = 0; i < n; i++) order[i] = i;
  let otherKeys = new Uint32Array(n);
  let otherOrder = new Int32Array(n);
  await pause?.();
  const bits = 32 - Math.clz32(spreadOf(keys));
  const passes = Math.ceil(bits / widestDigit);
  const width = Math.ceil(bits / passes);
  const mask = (1 << width) - 1;
  for (let shift = 0; shift < bits; shift += width) {
    const starts = new Int32Array(mask + 1);
    for (let i = 0; i < n; i++) starts[(keys[i]! >>> shift) & mask]!++;
    let start = 0;
    for (let digit = 0; digit <= mask; digit++) {
      const count = starts[digit]!;
      starts[digit] = start;
      start += count;
    }
    for (let i = 0; i < n; i++) {
      const key = keys[i]!;
      const at = starts[(key >>> shift) & mask]!++;
      otherKeys[at] = key;
      otherOrder[at] = order[i]!;
    }
    [keys, otherKeys] = [otherKeys, keys];
    [order, otherOrder] = [otherOrder, order];
    await pause?.();
  }
  for (let from = 0; from < n;) {
    let to = from + 1;
    let ascends = true;
    while (to < n && keys[to] === keys[from]) {
      if (values[order[to]!]! < values[order[to - 1]!]!) ascends = false;
      to++;
    }
    if (!ascends) arrange(values, order, from, to);
    from = to;
  }
  return order;
}

/** Sort a run that is in order of index. */
function arrange(values: Float64Array, order: Int32Array, from: number, to: number): void {
  if (to - from > shortRun) {
    order.subarray(from, to).sort((a, b) => values[a]! - values[b]! || a - b);
    return;
  }
  for (let i = from + 1; i < to; i++) {
    const index = order[i]!;
    const value = values[index]!;
    let at = i;
    for (; at > from && values[order[at - 1]!]! > value; at--) order[at] = order[at - 1]!;
    order[at] = index;
  }
}

/** Ranks from 1 of values whose ascending order is known; equal values share their mean rank. */
export function meanRanks(values: Float64Array, order: Int32Array): Float64Array {
  const ranks = new Float64Array(values.length);
  for (let from = 0; from < order.length;) {
    const value = values[order[from]!]!;
    let to = from + 1;
    while (to < order.length && values[order[to]!] === value) to++;
    const rank = (from + to + 1) / 2;
    for (let at = from; at < to; at++) ranks[order[at]!] = rank;
    from = to;
  }
  return ranks;
}
