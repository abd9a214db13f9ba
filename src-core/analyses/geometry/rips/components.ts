import type { Edges } from './edges.ts';

/** Edges that join two components, ascending: a spanning forest (Kruskal). */
export function spanningForest({ n, count, pairs }: Edges): Int32Array {
  const parent = Int32Array.from({ length: n }, (_, i) => i);
  const root = (start: number): number => {
    let at = start;
    while (parent[at] !== at) {
      parent[at] = parent[parent[at]!]!;
      at = parent[at]!;
    }
    return at;
  };
  const ranks: number[] = [];
  for (let rank = 0; rank < count && ranks.length < n - 1; rank++) {
    const pair = pairs[rank]!;
    const [a, b] = [root(pair >>> 16), root(pair & 0xffff)];
    if (a === b) continue;
    parent[a] = b;
    ranks.push(rank);
  }
  return Int32Array.from(ranks);
}
