/** Below this, comparisons are quicker than digits. */
const fewest = 512;
const digitBits = 11;
const buckets = 1 << digitBits;

/**
 * Ranks of values from 1 up, equal ones sharing the average of theirs. Radix sort, so that millions
 * take a fraction of a second. No value may be NaN.
 */
export function ranks(values: Float64Array): Float64Array {
  const n = values.length;
  const order = n < fewest ? comparedOrder(values) : radixOrder(values);
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

function comparedOrder(values: Float64Array): Uint32Array {
  const order = Uint32Array.from(values.keys());
  return order.sort((a, b) => values[a]! - values[b]!);
}

/** Indices by value, ascending: digits of 11 bits, the lowest first. */
function radixOrder(values: Float64Array): Uint32Array {
  const n = values.length;
  // Keys that order as unsigned numbers do; adding zero makes −0 and 0 alike.
  const words = new Uint32Array(values.map((value) => value + 0).buffer);
  const [low, high] = littleEndian ? [0, 1] : [1, 0];
  let lows = new Uint32Array(n);
  let highs = new Uint32Array(n);
  for (let i = 0; i < n; i++) {
    const flip = (words[2 * i + high]! | 0) >> 31;
    lows[i] = words[2 * i + low]! ^ flip;
    highs[i] = words[2 * i + high]! ^ (flip | 0x80000000);
  }
  let order = Uint32Array.from(values.keys());
  let [nextLows, nextHighs, nextOrder] = [1, 2, 3].map(() => new Uint32Array(n)) as Three;
  for (let shift = 0; shift < 64; shift += digitBits) {
    const counts = new Uint32Array(buckets);
    for (let i = 0; i < n; i++) counts[digit(lows[i]!, highs[i]!, shift)]!++;
    // A digit that all have in common orders nothing.
    if (counts[digit(lows[0]!, highs[0]!, shift)] === n) continue;
    for (let bucket = 0, sum = 0; bucket < buckets; bucket++) {
      const count = counts[bucket]!;
      counts[bucket] = sum;
      sum += count;
    }
    for (let i = 0; i < n; i++) {
      const [lower, upper] = [lows[i]!, highs[i]!];
      const to = counts[digit(lower, upper, shift)]!++;
      nextLows[to] = lower;
      nextHighs[to] = upper;
      nextOrder[to] = order[i]!;
    }
    [lows, nextLows] = [nextLows, lows];
    [highs, nextHighs] = [nextHighs, highs];
    [order, nextOrder] = [nextOrder, order];
  }
  return order;
}

type Words = Uint32Array<ArrayBuffer>;
type Three = [Words, Words, Words];

const littleEndian = new Uint8Array(Uint32Array.of(1).buffer)[0] === 1;

/** Bits from `shift` on of the 64 of a key. */
function digit(low: number, high: number, shift: number): number {
  if (shift >= 32) return (high >>> (shift - 32)) & (buckets - 1);
  if (shift + digitBits <= 32) return (low >>> shift) & (buckets - 1);
  return ((low >>> shift) | (high << (32 - shift))) & (buckets - 1);
}
