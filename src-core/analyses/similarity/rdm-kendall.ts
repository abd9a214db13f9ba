import { ascending } from '../ranks.ts';
import type { Comparison, Pause } from './rdm-compare.ts';
import { pairCount, rowStart } from './rdm.ts';

/** Ranks without gaps: equal dissimilarities have one. */
interface Ranked {
  readonly n: number;
  readonly ranks: Int32Array;
  /** How many different ranks there are. */
  readonly levels: number;
  /** How often each pair of stimuli was drawn; once where absent. */
  readonly weights?: Float64Array;
}

/** Kendall's τ_a and τ_b over pairs of dissimilarities, in O(N log N) (Knight 1966). */
export function kendall(kind: 'kendall-a' | 'kendall-b'): Comparison<Ranked> {
  return {
    bytes: (n) => 4 * pairCount(n),
    prepare: async (found, n, pause) => ({ n, ...(await ranked(found, pause)) }),
    similarity: (a, b, pause) => tau(a, b, kind, pause),
    permute({ n, ranks, levels }, order) {
      const moved = new Int32Array(ranks.length);
      for (let i = 0, at = 0; i < n; i++) {
        for (let j = i + 1; j < n; j++) {
          const [p, q] = order[i]! < order[j]! ? [order[i]!, order[j]!] : [order[j]!, order[i]!];
          moved[at++] = ranks[rowStart(n, p) + q]!;
        }
      }
      return { n, ranks: moved, levels };
    },
    resample: ({ n, ranks, levels }, counts) => {
      const weights = new Float64Array(ranks.length);
      for (let i = 0, at = 0; i < n; i++) {
        for (let j = i + 1; j < n; j++) weights[at++] = counts[i]! * counts[j]!;
      }
      return { n, ranks, levels, weights };
    },
    pool(all, n) {
      const sum = new Float64Array(pairCount(n));
      for (const { ranks, levels } of all) {
        const means = meanRankOf(ranks, levels);
        for (let at = 0; at < sum.length; at++) sum[at]! += means[ranks[at]!]!;
      }
      return sum;
    },
  };
}

async function ranked(
  found: Float64Array,
  pause: Pause,
): Promise<{ ranks: Int32Array; levels: number }> {
  const order = await ascending(found, pause);
  await pause();
  const ranks = new Int32Array(found.length);
  let level = 0;
  for (let at = 0; at < order.length; at++) {
    if (at > 0 && found[order[at]!] !== found[order[at - 1]!]) level++;
    ranks[order[at]!] = level;
  }
  return { ranks, levels: level + 1 };
}

function meanRankOf(ranks: Int32Array, levels: number): Float64Array {
  const counts = new Float64Array(levels);
  for (const rank of ranks) counts[rank]! += 1;
  let below = 0;
  return counts.map((count) => {
    const mean = below + (count + 1) / 2;
    below += count;
    return mean;
  });
}

/** Positions in stable ascending order of a rank. */
function stably(order: Int32Array | undefined, ranks: Int32Array, levels: number): Int32Array {
  const starts = new Int32Array(levels + 1);
  for (const rank of ranks) starts[rank + 1]!++;
  for (let level = 0; level < levels; level++) starts[level + 1]! += starts[level]!;
  const sorted = new Int32Array(ranks.length);
  for (let at = 0; at < ranks.length; at++) {
    const position = order ? order[at]! : at;
    sorted[starts[ranks[position]!]!++] = position;
  }
  return sorted;
}

/** Pairs among items of one rank, Σ w(w − 1)/2, weights being numbers of copies. */
function pairsWithin(
  order: Int32Array,
  same: (a: number, b: number) => boolean,
  weights: Float64Array | undefined,
): number {
  let pairs = 0;
  for (let from = 0; from < order.length;) {
    let weight = weights ? weights[order[from]!]! : 1;
    let to = from + 1;
    while (to < order.length && same(order[from]!, order[to]!)) {
      weight += weights ? weights[order[to]!]! : 1;
      to++;
    }
    pairs += (weight * (weight - 1)) / 2;
    from = to;
  }
  return pairs;
}

async function tau(
  a: Ranked,
  b: Ranked,
  kind: 'kendall-a' | 'kendall-b',
  pause: Pause,
): Promise<number> {
  const { weights } = a;
  const byB = stably(undefined, b.ranks, b.levels);
  await pause();
  const tiedB = pairsWithin(byB, (p, q) => b.ranks[p] === b.ranks[q], weights);
  await pause();
  const order = stably(byB, a.ranks, a.levels);
  await pause();
  const tiedA = pairsWithin(order, (p, q) => a.ranks[p] === a.ranks[q], weights);
  await pause();
  const tiedBoth = pairsWithin(
    order,
    (p, q) => a.ranks[p] === a.ranks[q] && b.ranks[p] === b.ranks[q],
    weights,
  );
  await pause();
  const sequence = new Int32Array(order.length);
  for (let at = 0; at < order.length; at++) sequence[at] = b.ranks[order[at]!]!;
  const ordered = weights && Float64Array.from(order, (at) => weights[at]!);
  await pause();
  const discordant = await inversions(sequence, ordered, pause);
  const drawn = weights ? weights.reduce((sum, weight) => sum + weight, 0) : order.length;
  const pairs = (drawn * (drawn - 1)) / 2;
  const difference = pairs - tiedA - tiedB + tiedBoth - 2 * discordant;
  if (tiedA === pairs || tiedB === pairs) return NaN;
  if (kind === 'kendall-a') return difference / pairs;
  return difference / Math.sqrt(pairs - tiedA) / Math.sqrt(pairs - tiedB);
}

/** Pairs of which the first is the larger, by merging; overwrites its input. */
async function inversions(
  sequence: Int32Array,
  weights: Float64Array | undefined,
  pause: Pause,
): Promise<number> {
  const n = sequence.length;
  let from = sequence;
  let to: Int32Array = new Int32Array(n);
  let weightsFrom = weights;
  let weightsTo: Float64Array | undefined = weights && new Float64Array(n);
  let count = 0;
  for (let width = 1; width < n; width *= 2) {
    for (let start = 0; start < n; start += 2 * width) {
      const middle = Math.min(start + width, n);
      const end = Math.min(start + 2 * width, n);
      let left = start;
      let right = middle;
      // Weight of what is left of the first run.
      let rest = middle - start;
      if (weightsFrom) {
        rest = 0;
        for (let at = start; at < middle; at++) rest += weightsFrom[at]!;
      }
      for (let at = start; at < end; at++) {
        const takeLeft = left < middle && (right >= end || from[left]! <= from[right]!);
        const taken = takeLeft ? left++ : right++;
        to[at] = from[taken]!;
        const weight = weightsFrom ? weightsFrom[taken]! : 1;
        if (weightsTo) weightsTo[at] = weight;
        if (takeLeft) rest -= weight;
        else count += weight * rest;
      }
    }
    [from, to] = [to, from];
    [weightsFrom, weightsTo] = [weightsTo, weightsFrom];
    await pause();
  }
  return count;
}
