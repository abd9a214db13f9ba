import { ascending, meanRanks } from '../ranks.ts';
import { quantile } from '../statistics.ts';
import { rowStart, type Step } from './rdm.ts';

/** Ranks, from 0 for the smallest to 1 for the largest. */
export async function rankScaled(found: Float64Array, step: Step): Promise<Float64Array> {
  const ranks = meanRanks(found, await ascending(found, () => step(0)));
  let least = Infinity;
  let most = -Infinity;
  for (const rank of ranks) {
    if (rank < least) least = rank;
    if (rank > most) most = rank;
  }
  // Of equal dissimilarities nothing is left.
  const width = most - least || 1;
  return ranks.map((rank) => (rank - least) / width);
}

/** Quantiles of values, interpolated linearly. */
export async function quantilesOf(
  found: Float64Array,
  shares: readonly number[],
  step: Step,
): Promise<number[]> {
  const order = await ascending(found, () => step(0));
  const sorted = Float64Array.from(order, (at) => found[at]!);
  return shares.map((share) => quantile(sorted, share));
}

/** GT: 0 up to the lower threshold, 1 from the upper one, linear between; in place. */
export function geotopological(found: Float64Array, low: number, high: number): Float64Array {
  for (let at = 0; at < found.length; at++) {
    const value = found[at]!;
    if (low === high) found[at] = value >= high ? 1 : 0;
    else found[at] = Math.min(1, Math.max(0, (value - low) / (high - low)));
  }
  return found;
}

/**
 * Lengths of shortest paths along pairs below a threshold (Floyd and Warshall), infinite between the
 * parts that the graph falls into; O(n³).
 */
export async function shortestPaths(
  found: Float64Array,
  n: number,
  below: number,
  step: Step,
): Promise<{ lengths: Float64Array; parts: number }> {
  const paths = new Float64Array(n * n);
  for (let i = 0; i < n; i++) {
    const start = rowStart(n, i);
    for (let j = i + 1; j < n; j++) {
      const value = found[start + j]! < below ? found[start + j]! : Infinity;
      paths[i * n + j] = value;
      paths[j * n + i] = value;
    }
  }
  for (let k = 0; k < n; k++) {
    const through = paths.subarray(k * n, (k + 1) * n);
    for (let i = 0; i < n; i++) {
      const first = paths[i * n + k]!;
      if (first === Infinity || i === k) continue;
      const row = paths.subarray(i * n, (i + 1) * n);
      for (let j = 0; j < n; j++) {
        const length = first + through[j]!;
        if (length < row[j]!) row[j] = length;
      }
    }
    await step(k / n);
  }
  // Each part has one sample that reaches none before it.
  let parts = 0;
  const lengths = new Float64Array(found.length);
  for (let i = 0, at = 0; i < n; i++) {
    let reached = false;
    for (let j = 0; j < i; j++) if (paths[i * n + j]! < Infinity) reached = true;
    if (!reached) parts++;
    for (let j = i + 1; j < n; j++) lengths[at++] = paths[i * n + j]!;
  }
  return { lengths, parts };
}
