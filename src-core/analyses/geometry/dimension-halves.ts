import { Random } from '../random.ts';
import type { NeighbourDistances } from './dimension-estimators.ts';
import type { Neighbours } from '../neighbours.ts';

/** Neighbours among which k of a random half are all but surely found. */
export const halvedDepth = (k: number) => Math.ceil(2 * k + 10 * Math.sqrt(2 * k));

/** The first k of each point's neighbours. */
export function firstOf({ n, k: depth, distances }: Neighbours, k: number): NeighbourDistances {
  if (depth === k) return { k, distances };
  const first = new Float64Array(n * k);
  for (let row = 0; row < n; row++) {
    first.set(distances.subarray(row * depth, row * depth + k), row * k);
  }
  return { k, distances: first };
}

/** An estimate on random halves of the samples; none where halves are too small. */
export async function onHalves(
  neighbours: Neighbours,
  k: number,
  draws: number,
  seed: number,
  estimate: (distances: NeighbourDistances) => number,
  step: (fraction: number) => Promise<void>,
): Promise<number[]> {
  const { n } = neighbours;
  const half = Math.floor(n / 2);
  const estimates: number[] = [];
  if (half <= k) return estimates;
  const random = new Random(seed);
  const isMember = new Uint8Array(n);
  for (let draw = 0; draw < draws; draw++) {
    const members = random.permutation(n).subarray(0, half);
    estimates.push(estimate(amongMembers(neighbours, members, k, isMember)));
    await step((draw + 1) / draws);
  }
  return estimates;
}

/**
 * Distances to the k nearest of `members`, for each of them.
 * @param isMember n zeros to work with; zeros again afterwards
 */
export function amongMembers(
  neighbours: Neighbours,
  members: Int32Array,
  k: number,
  isMember: Uint8Array,
): NeighbourDistances {
  const { k: depth, indices, distances, distance } = neighbours;
  for (const member of members) isMember[member] = 1;
  const kept = new Float64Array(members.length * k);
  members.forEach((row, position) => {
    let found = 0;
    for (let at = row * depth; at < (row + 1) * depth && found < k; at++) {
      if (isMember[indices[at]!]) kept[position * k + found++] = distances[at]!;
    }
    if (found === k) return;
    const all = Float64Array.from(
      members.filter((other) => other !== row),
      (other) => distance(row, other),
    );
    kept.set(all.sort().subarray(0, k), position * k);
  });
  for (const member of members) isMember[member] = 0;
  return { k, distances: kept };
}
