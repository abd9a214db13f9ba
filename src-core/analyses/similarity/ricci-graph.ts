/** An undirected graph whose edges have lengths. */
export interface Graph {
  readonly n: number;
  /** Ends of the edges, from < to, ascending. */
  readonly from: Int32Array;
  readonly to: Int32Array;
  readonly lengths: Float64Array;
  /** Neighbours of node i, ascending, lie from starts[i] up to starts[i + 1]; and their edges. */
  readonly starts: Int32Array;
  readonly neighbours: Int32Array;
  readonly incident: Int32Array;
}

/**
 * The symmetrised graph of nearest neighbours: two nodes are joined where either is among the k
 * nearest of the other. All edges have length 1.
 * @param nearest n × k
 */
export function neighbourGraph(n: number, k: number, nearest: Int32Array): Graph {
  const lists = Array.from({ length: n }, () => new Set<number>());
  for (let at = 0; at < n * k; at++) {
    const [i, j] = [Math.floor(at / k), nearest[at]!];
    lists[i]!.add(j);
    lists[j]!.add(i);
  }
  const sorted = lists.map((list) => Int32Array.from(list).sort());
  const starts = new Int32Array(n + 1);
  sorted.forEach((list, i) => (starts[i + 1] = starts[i]! + list.length));
  const neighbours = new Int32Array(starts[n]!);
  sorted.forEach((list, i) => neighbours.set(list, starts[i]));
  const count = starts[n]! / 2;
  const [from, to] = [new Int32Array(count), new Int32Array(count)];
  const incident = new Int32Array(2 * count);
  // Lists are filled in the order of their neighbours: first those below, then those above.
  const next = starts.slice(0, n);
  let edge = 0;
  for (let i = 0; i < n; i++) {
    for (let at = starts[i]!; at < starts[i + 1]!; at++) {
      const j = neighbours[at]!;
      if (j < i) continue;
      [from[edge], to[edge]] = [i, j];
      incident[next[i]!++] = edge;
      incident[next[j]!++] = edge;
      edge++;
    }
  }
  const lengths = new Float64Array(count).fill(1);
  return { n, from, to, lengths, starts, neighbours, incident };
}

/** How many parts the graph falls into. */
export function components({ n, starts, neighbours }: Graph): number {
  const seen = new Uint8Array(n);
  let count = 0;
  for (let start = 0; start < n; start++) {
    if (seen[start] === 1) continue;
    count++;
    const queue = [start];
    seen[start] = 1;
    for (let i = queue.pop(); i !== undefined; i = queue.pop()) {
      for (let at = starts[i]!; at < starts[i + 1]!; at++) {
        const j = neighbours[at]!;
        if (seen[j] === 0) queue.push(j);
        seen[j] = 1;
      }
    }
  }
  return count;
}

/** Length of the shortest path between two nodes. */
export type PathLength = (i: number, j: number) => number;

/** Of nodes at most three edges apart, in a graph whose edges have length 1. */
export function hops({ n, starts, neighbours }: Graph): PathLength {
  const words = (n + 31) >>> 5;
  const near = new Uint32Array(n * words);
  for (let i = 0; i < n; i++) {
    for (let at = starts[i]!; at < starts[i + 1]!; at++) {
      const j = neighbours[at]!;
      near[i * words + (j >>> 5)]! |= 1 << (j & 31);
    }
  }
  const joined = (i: number, j: number) => ((near[i * words + (j >>> 5)]! >>> (j & 31)) & 1) === 1;
  return (i, j) => {
    if (i === j) return 0;
    if (joined(i, j)) return 1;
    const fewer = starts[i + 1]! - starts[i]! < starts[j + 1]! - starts[j]!;
    const [a, b] = fewer ? [i, j] : [j, i];
    for (let at = starts[a]!; at < starts[a + 1]!; at++) {
      if (joined(neighbours[at]!, b)) return 2;
    }
    return 3;
  };
}

/** Bytes that path lengths take. */
export const hopBytes = (n: number): number => (n * n) / 8;
export const pathBytes = (n: number): number => 8 * n * n;

/** Of all nodes (Dijkstra from each); infinite between parts that nothing joins. */
export async function shortestPaths(
  graph: Graph,
  step: (fraction: number) => Promise<void>,
): Promise<PathLength> {
  const { n } = graph;
  const lengths = new Float64Array(n * n).fill(Infinity);
  const perStep = Math.max(1, Math.floor(5e5 / graph.neighbours.length));
  for (let i = 0; i < n; i++) {
    dijkstra(graph, i, lengths.subarray(i * n, (i + 1) * n));
    if (i % perStep === 0) await step(i / n);
  }
  return (i, j) => lengths[i * n + j]!;
}

function dijkstra(graph: Graph, start: number, lengths: Float64Array): void {
  const { starts, neighbours, incident, lengths: edgeLengths } = graph;
  // A binary heap of nodes by length, in which a node may stand more than once.
  const nodes: number[] = [];
  const keys: number[] = [];
  const push = (node: number, key: number) => {
    let at = nodes.length;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (keys[parent]! <= key) break;
      nodes[at] = nodes[parent]!;
      keys[at] = keys[parent]!;
      at = parent;
    }
    nodes[at] = node;
    keys[at] = key;
  };
  const settle = () => {
    const [node, key] = [nodes.pop()!, keys.pop()!];
    const size = nodes.length;
    if (size === 0) return;
    let at = 0;
    for (let child = 1; child < size; child = 2 * at + 1) {
      if (child + 1 < size && keys[child + 1]! < keys[child]!) child++;
      if (keys[child]! >= key) break;
      nodes[at] = nodes[child]!;
      keys[at] = keys[child]!;
      at = child;
    }
    nodes[at] = node;
    keys[at] = key;
  };
  lengths[start] = 0;
  push(start, 0);
  while (nodes.length > 0) {
    const [node, length] = [nodes[0]!, keys[0]!];
    settle();
    if (length > lengths[node]!) continue;
    for (let at = starts[node]!; at < starts[node + 1]!; at++) {
      const other = neighbours[at]!;
      const through = length + edgeLengths[incident[at]!]!;
      if (through < lengths[other]!) {
        lengths[other] = through;
        push(other, through);
      }
    }
  }
}
