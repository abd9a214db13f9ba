import { UMAP } from 'umap-js';
import type { Neighbours } from '../neighbours.ts';
import type { Random } from '../random.ts';

/** Largest coordinate at the start, as the authors' implementation scales it. */
const startSize = 10;

/**
 * UMAP (McInnes et al. 2018) by umap-js, over exact neighbours, from a given start (n × dims, e.g.
 * principal components) in place of a random one.
 */
export async function umap(
  neighbours: Neighbours,
  start: Float64Array,
  random: Random,
  step: (fraction: number) => Promise<void>,
): Promise<Float64Array> {
  const { n, k, indices, distances } = neighbours;
  const dims = start.length / n;
  const map = new UMAP({
    nComponents: dims,
    nNeighbors: k + 1,
    random: () => random.uniform(),
  });
  // The library counts a sample as its own first neighbour.
  const listed = (of: Int32Array | Float64Array, own: (i: number) => number) =>
    Array.from({ length: n }, (_, i) => [own(i), ...of.subarray(i * k, (i + 1) * k)]);
  map.setPrecomputedKNN(
    listed(indices, (i) => i),
    listed(distances, () => 0),
  );
  // With neighbours given, it asks the samples for nothing but their number.
  const rounds = map.initializeFit(Array.from({ length: n }, () => []));
  const places = map.getEmbedding();
  const largest = start.reduce((a, b) => Math.max(a, Math.abs(b)), 0);
  places.forEach((place, i) => {
    for (let c = 0; c < dims; c++) {
      const noise = 1e-4 * random.gaussian();
      place[c] = (largest > 0 ? (start[i * dims + c]! / largest) * startSize : 0) + noise;
    }
  });
  for (let round = 0; round < rounds; round++) {
    map.step();
    await step((round + 1) / rounds);
  }
  return Float64Array.from(places.flat());
}
