/** Below this, comparisons are quicker than digits. */
const fewest = 512;
const digitBits = 11;
const buckets = 1 << digitBits;

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
  const keys = upperKeys(values);
  const order = radixOrder(keys, indices);
  // Values that differ in their lower half only are few and side by side, as a rule.
  for (let start = 0; start < n;) {
    const key = keys[order[start]!]!;
    let end = start + 1;
    while (end < n && keys[order[end]!] === key) end++;
    if (end - start > 1) order.subarray(start, end).sort(byValue);
    start = end;
  }
  return order;
}

/** The upper halves of values, as whole numbers in the order of the values. */
function upperKeys(values: Float64Array): Uint32Array {
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

/** Indices by key, ascending: digits of 11 bits, the lowest first. */
function radixOrder(keys: Uint32Array, indices: Uint32Array<ArrayBuffer>): Uint32Array {
  let order = indices;
  let next = new Uint32Array(keys.length);
  for (let shift = 0; shift < 32; shift += digitBits) {
    const places = new Uint32Array(buckets);
    for (const key of keys) places[(key >>> shift) & (buckets - 1)]!++;
    for (let bucket = 0, sum = 0; bucket < buckets; bucket++) {
      const count = places[bucket]!;
      places[bucket] = sum;
      sum += count;
    }
    for (const index of order) next[places[(keys[index]! >>> shift) & (buckets - 1)]!++] = index;
    [order, next] = [next, order];
  }
  return order;
}
