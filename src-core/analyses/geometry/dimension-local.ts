import { combined, twoNn, type Combine, type DimensionEstimate } from './dimension-estimators.ts';
import { amongMembers } from './dimension-halves.ts';
import type { Neighbours } from '../neighbours.ts';

/** Neighbourhoods between two reports. */
const pointsAStep = 500;

/**
 * TwoNN in the neighbourhood of each point: among its k nearest neighbours, without the point
 * itself; combined over points. Points that equal another one are dropped.
 */
export async function localTwoNn(
  neighbours: Neighbours,
  k: number,
  discard: number,
  combine: Combine,
  step: (fraction: number) => Promise<void>,
): Promise<DimensionEstimate> {
  const { n, k: depth, indices, distances } = neighbours;
  const perPoint = new Float64Array(n).fill(NaN);
  const isMember = new Uint8Array(n);
  let dropped = 0;
  for (let point = 0; point < n; point++) {
    if (point % pointsAStep === 0) await step(point / n);
    const start = point * depth;
    if (distances[start] === 0) {
      dropped++;
      continue;
    }
    const members = indices.subarray(start, start + k);
    perPoint[point] = twoNn(amongMembers(neighbours, members, 2, isMember), discard).dimension;
  }
  return { dimension: combined(perPoint, combine), dropped, perPoint };
}
