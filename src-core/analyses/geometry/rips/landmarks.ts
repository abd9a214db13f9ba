import type { Metric } from './distances.ts';

export interface Landmarks {
  /** Points in the order chosen. */
  chosen: Int32Array;
  /** No point is farther than this from the nearest landmark. */
  cover: number;
}

/**
 * Farthest points: from point 0 on, each next landmark is the point farthest from those before, the
 * first of several (greedy permutation, González 1985).
 */
export async function farthestPoints(
  metric: Metric,
  count: number,
  step: (fraction: number) => Promise<void>,
): Promise<Landmarks> {
  const nearest = new Float64Array(metric.n).fill(Infinity);
  const chosen = new Int32Array(count);
  let next = 0;
  let cover = 0;
  for (let at = 0; at < count; at++) {
    chosen[at] = next;
    const row = metric.from(next);
    cover = 0;
    for (let i = 0; i < metric.n; i++) {
      const distance = Math.min(nearest[i]!, row[i]!);
      nearest[i] = distance;
      if (distance > cover) {
        cover = distance;
        next = i;
      }
    }
    await step((at + 1) / count);
    // Only copies of landmarks are left.
    if (cover === 0) return { chosen: chosen.slice(0, at + 1), cover };
  }
  return { chosen, cover };
}
