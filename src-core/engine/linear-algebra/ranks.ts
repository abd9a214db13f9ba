/** Below this, comparisons are quicker than digits. */
const fewest = 512;
/** Up to this many in a run, moving each to its place is quicker than a sort. */
const shortRun = 12;
const digitBits = 11;
const buckets = 1 << digitBits;

type Words = Uint32Array<ArrayBuffer>;

/**
 * Ranks of values from 1 up, equal ones sharing the average of theirs. No value may be NaN.
 */
export function ranks(values: Float64Array): Float64Array {
  const n = values.length;
  const order = ascendingOrder(values);
  const result = new Float64Array(n);
  for (let start = 0; start < n;) {
    const value = values[order[start]!]!;
    let end = start + 1;
    while (end < n && values[order[end]!] === value) end++;
    // Positions start + 1 to end.
    const rank = (start + 1 + end) / 2;
    for (let at = start; at < end; at++) result[order[at]!] = rank;
    start = end;
  }
  return result;
}

/** Indices by value, ascending. */
function ascendingOrder(values: Float64Array): Uint32Array {
  const n = values.length;
  const byValue = (a: number, b: number) => values[a]! - values[b]!;
  const indices = Uint32Array.from(values.keys());
  if (n < fewest) return indices.sort(byValue);
  const { keys, order } = radixSorted(upperKeys(values), indices);
  // Values that differ in their lower half only are few and side by side, as a rule.
  for (let start = 0; start < n;) {
    const key = keys[start]!;
    let end = start + 1;
    while (end < n && keys[end] === key) end++;
    if (end - start > shortRun) order.subarray(start, end).sort(byValue);
    else insertionSort(values, order, start, end);
    start = end;
  }
  return order;
}

/** Sort what lies at `start` to `end` of `order` by value. */
function insertionSort(values: Float64Array, order: Words, start: number, end: number): void {
  for (let at = start + 1; at < end; at++) {
    const index = order[at]!;
    const value = values[index]!;
    let to = at;
    for (; to > start && values[order[to - 1]!]! > value; to--) order[to] = order[to - 1]!;
    order[to] = index;
  }
}

/** The upper halves of values, as whole numbers in the order of the values. */
function upperKeys(values: Float64Array): Words {
  const keys = new Uint32Array(values.length);
  const value = new Float64Array(1);
  const words = new Uint32Array(value.buffer);
  const upper = new Uint8Array(Uint32Array.of(1).buffer)[0] === 1 ? 1 : 0;
  for (let i = 0; i < values.length; i++) {
    // Adding zero makes −0 and 0 alike.
    value[0] = values[i]! + 0;
    const word = words[upper]!;
    keys[i] = word ^ ((word >> 31) | 0x80000000);
  }
  return keys;
}

/** Keys, ascending, and the indices that go with them: digits of 11 bits, the lowest first. */
function radixSorted(keys: Words, order: Words): { keys: Words; order: Words } {
  const n = keys.length;
  let nextKeys = new Uint32Array(n);
  let nextOrder = new Uint32Array(n);
  for (let shift = 0; shift < 32; shift += digitBits) {
    const places = new Uint32Array(buckets);
    for (let i = 0; i < n; i++) places[(keys[i]! >>> shift) & (buckets - 1)]!++;
    for (let bucket = 0, sum = 0; bucket < buckets; bucket++) {
      const count = places[bucket]!;
      places[bucket] = sum;
      sum += count;
    }
    for (let i = 0; i < n; i++) {
      const key = keys[i]!;
      const to = places[(key >>> shift) & (buckets - 1)]!++;
      nextKeys[to] = key;
      nextOrder[to] = order[i]!;
    }
    [keys, nextKeys] = [nextKeys, keys];
    [order, nextOrder] = [nextOrder, order];
  }
  return { keys, order };
}
