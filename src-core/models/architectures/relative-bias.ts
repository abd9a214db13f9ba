import type { Network, Node } from './network.ts';

/**
 * The bucket of each distance −`furthest` … `furthest` from a query to a key (Raffel et al. 2020,
 * bidirectional): half of the buckets for keys after the query; within a half, one bucket a distance
 * up to a half of it, then buckets that widen with the logarithm up to `furthest`. In float32, as
 * the models were trained.
 */
export function distanceBuckets(buckets: number, furthest: number): number[] {
  const half = Math.floor(buckets / 2);
  const exact = Math.floor(half / 2);
  const span = Math.log(furthest / exact);
  const bucketOf = (distance: number): number => {
    if (distance < exact) return distance;
    const log = Math.fround(Math.log(Math.fround(distance / exact)));
    const wide = Math.fround(Math.fround(log / Math.fround(span)) * (half - exact));
    return Math.min(exact + Math.trunc(wide), half - 1);
  };
  return Array.from({ length: 2 * furthest + 1 }, (_, i) => {
    const distance = i - furthest;
    return bucketOf(Math.abs(distance)) + (distance > 0 ? half : 0);
  });
}

/**
 * What the relative positions add to the scores: [1, heads, tokens, tokens].
 * @param lookUp rows of the table [buckets, heads]
 * @param positions [tokens]: 0, 1, 2, …
 */
export function relativeBias(
  net: Network,
  lookUp: (buckets: Node) => Node,
  positions: Node,
  { buckets, furthest }: { buckets: number; furthest: number },
): Node {
  const table = BigInt64Array.from(distanceBuckets(buckets, furthest), BigInt);
  const keys = net.op('Unsqueeze', [positions, net.ints(0)]);
  const queries = net.op('Unsqueeze', [positions, net.ints(1)]);
  const distance = net.op('Sub', [keys, queries]);
  const near = net.op('Max', [net.int(-furthest), net.op('Min', [distance, net.int(furthest)])]);
  const index = net.op('Add', [near, net.int(furthest)]);
  const rows = lookUp(net.op('Gather', [net.constant(table), index], { axis: 0 }));
  const byHead = net.op('Transpose', [rows], { perm: [2, 0, 1] });
  return net.op('Unsqueeze', [byHead, net.ints(0)]);
}
