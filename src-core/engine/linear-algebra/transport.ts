/** Weights may differ in sum by this much, relatively. */
const balance = 1e-9;

/**
 * The least cost of moving weights `a` (p of them) to weights `b` (q) where a unit costs
 * `cost[i·q + j]`, which must not be negative: the exact optimum of the transportation problem. Where
 * sums differ by rounding, `b` is scaled to the sum of `a`.
 *
 * @throws RangeError where weights are negative, differ in sum, or anything is not finite.
 */
export function transport(a: Float64Array, b: Float64Array, cost: Float64Array): number {
  const total = (weights: Float64Array) => weights.reduce((sum, weight) => sum + weight, 0);
  const [supply, demand] = [total(a), total(b)];
  const valid = (value: number) => value >= 0 && value < Infinity;
  if (!a.every(valid) || !b.every(valid) || !cost.every(valid))
    throw new RangeError('weights and costs must be finite and not negative');
  if (Math.abs(supply - demand) > balance * Math.max(supply, demand))
    throw new RangeError(`weights differ in sum: ${supply} and ${demand}`);
  // Without those that hold nothing.
  const sources = Array.from(a.keys()).filter((i) => a[i]! > 0);
  const sinks = Array.from(b.keys()).filter((j) => b[j]! > 0);
  if (sources.length === 0) return 0;
  const costs = new Float64Array(sources.length * sinks.length);
  sources.forEach((i, row) =>
    sinks.forEach((j, column) => (costs[row * sinks.length + column] = cost[i * b.length + j]!)),
  );
  return new TransportSimplex(
    Float64Array.from(sources, (i) => a[i]!),
    Float64Array.from(sinks, (j) => (b[j]! * supply) / demand),
    costs,
  ).solve();
}

/**
 * The network simplex method on the complete bipartite graph, with strongly feasible spanning trees
 * (Cunningham, 1976), which cannot cycle. It starts from a tree that links every node with an
 * artificial root. Only arcs of the tree carry flow; the arc between a node and its parent is kept
 * with the node. All costs of arcs in the tree equal the difference of the potentials of their ends.
 */
class TransportSimplex {
  private readonly p: number;
  private readonly q: number;
  private readonly cost: Float64Array;
  private readonly root: number;
  private readonly parent: Int32Array;
  private readonly depth: Int32Array;
  private readonly firstChild: Int32Array;
  private readonly nextSibling: Int32Array;
  private readonly previousSibling: Int32Array;
  /** Of the arc to the parent: its flow, its cost, and whether it leads to the parent. */
  private readonly flow: Float64Array;
  private readonly arcCost: Float64Array;
  private readonly upward: Uint8Array;
  private readonly potential: Float64Array;
  /** Gains below this are rounding. */
  private readonly tolerance: number;
  private readonly blockSize: number;
  private nextArc = 0;

  constructor(a: Float64Array, b: Float64Array, cost: Float64Array) {
    const [p, q] = [a.length, b.length];
    const nodes = p + q + 1;
    this.p = p;
    this.q = q;
    this.cost = cost;
    this.root = p + q;
    this.parent = new Int32Array(nodes).fill(this.root);
    this.parent[this.root] = -1;
    this.depth = new Int32Array(nodes).fill(1);
    this.depth[this.root] = 0;
    this.firstChild = new Int32Array(nodes).fill(-1);
    this.nextSibling = new Int32Array(nodes).fill(-1);
    this.previousSibling = new Int32Array(nodes).fill(-1);
    this.flow = new Float64Array(nodes);
    this.flow.set(a);
    this.flow.set(b, p);
    const largest = cost.reduce((most, value) => Math.max(most, value), 0);
    // Dear enough that no flow stays: a way through the root costs more than any arc.
    this.arcCost = new Float64Array(nodes).fill(largest > 0 ? largest : 1);
    this.upward = new Uint8Array(nodes).fill(1, 0, p);
    this.potential = new Float64Array(nodes);
    this.tolerance = 1e-14 * largest;
    this.blockSize = Math.max(16, Math.ceil(Math.sqrt(cost.length)));
    for (let node = 0; node < this.root; node++) this.attach(node, this.root);
    this.price(this.root);
  }

  solve(): number {
    for (;;) {
      let arc = this.entering();
      if (arc < 0) {
        // Potentials gather rounding as they shift: look again with fresh ones.
        this.price(this.root);
        arc = this.entering();
        if (arc < 0) break;
      }
      this.pivot(Math.floor(arc / this.q), this.p + (arc % this.q), this.cost[arc]!);
    }
    let total = 0;
    for (let node = 0; node < this.root; node++) {
      if (this.parent[node] !== this.root) total += this.flow[node]! * this.arcCost[node]!;
    }
    return total;
  }

  /** The arc of most gain of the first block of arcs that holds one with any; −1 at the optimum. */
  private entering(): number {
    const { p, q, cost, potential } = this;
    let best = -1;
    let lowest = -this.tolerance;
    let row = Math.floor(this.nextArc / q);
    let column = this.nextArc % q;
    let left = this.blockSize;
    for (let count = 0, arc = this.nextArc; count < cost.length; count++) {
      const gain = cost[arc]! - potential[row]! + potential[p + column]!;
      if (gain < lowest) {
        lowest = gain;
        best = arc;
      }
      arc++;
      if (++column === q) {
        column = 0;
        if (++row === p) row = arc = 0;
      }
      if (--left === 0) {
        if (best >= 0) {
          this.nextArc = arc;
          return best;
        }
        left = this.blockSize;
      }
    }
    return best;
  }

  /** Push flow around the cycle that the arc from `source` to `sink` closes; the arc it empties leaves. */
  private pivot(source: number, sink: number, cost: number): void {
    const { parent, depth, flow, upward, potential } = this;
    let [a, b] = [source, sink];
    while (a !== b) {
      if (depth[a]! >= depth[b]!) a = parent[a]!;
      else b = parent[b]!;
    }
    const apex = a;
    // The last blocking arc along the cycle from its apex: this keeps the tree strongly feasible.
    let amount = Infinity;
    let leaving = -1;
    let sourceMoves = true;
    for (let node = source; node !== apex; node = parent[node]!) {
      if (upward[node] === 1 && flow[node]! < amount) {
        amount = flow[node]!;
        leaving = node;
      }
    }
    for (let node = sink; node !== apex; node = parent[node]!) {
      if (upward[node] === 0 && flow[node]! <= amount) {
        amount = flow[node]!;
        leaving = node;
        sourceMoves = false;
      }
    }
    for (let node = source; node !== apex; node = parent[node]!)
      flow[node]! += upward[node] === 1 ? -amount : amount;
    for (let node = sink; node !== apex; node = parent[node]!)
      flow[node]! += upward[node] === 1 ? amount : -amount;
    const gain = cost - potential[source]! + potential[sink]!;
    const [moved, fixed] = sourceMoves ? [source, sink] : [sink, source];
    this.hang(moved, fixed, leaving, amount, cost, sourceMoves);
    this.shift(moved, sourceMoves ? gain : -gain);
  }

  /** Cut the subtree at `top` off its parent, turn it so that `node` is its top, and hang it on `to`. */
  private hang(
    node: number,
    to: number,
    top: number,
    flow: number,
    cost: number,
    upward: boolean,
  ): void {
    let carried = { flow, cost, upward: upward ? 1 : 0 };
    for (let at = node, above = to; ;) {
      const next = this.parent[at]!;
      const kept = { flow: this.flow[at]!, cost: this.arcCost[at]!, upward: 1 - this.upward[at]! };
      this.detach(at);
      this.attach(at, above);
      this.flow[at] = carried.flow;
      this.arcCost[at] = carried.cost;
      this.upward[at] = carried.upward;
      if (at === top) return;
      carried = kept;
      above = at;
      at = next;
    }
  }

  /** Add to the potentials of a subtree; its depths follow its new place. */
  private shift(top: number, amount: number): void {
    this.walk(top, (node) => {
      this.potential[node]! += amount;
      this.depth[node] = this.depth[this.parent[node]!]! + 1;
    });
  }

  /** Potentials of a subtree, from that of its top. */
  private price(top: number): void {
    this.walk(top, (node) => {
      if (node === top) return;
      const above = this.potential[this.parent[node]!]!;
      this.potential[node] = above + (this.upward[node] === 1 ? 1 : -1) * this.arcCost[node]!;
    });
  }

  /** Parents before children. */
  private walk(top: number, visit: (node: number) => void): void {
    for (let node = top; ;) {
      visit(node);
      if (this.firstChild[node]! >= 0) {
        node = this.firstChild[node]!;
        continue;
      }
      while (node !== top && this.nextSibling[node]! < 0) node = this.parent[node]!;
      if (node === top) return;
      node = this.nextSibling[node]!;
    }
  }

  private attach(node: number, parent: number): void {
    const first = this.firstChild[parent]!;
    this.parent[node] = parent;
    this.nextSibling[node] = first;
    this.previousSibling[node] = -1;
    if (first >= 0) this.previousSibling[first] = node;
    this.firstChild[parent] = node;
  }

  private detach(node: number): void {
    const [before, after] = [this.previousSibling[node]!, this.nextSibling[node]!];
    if (before >= 0) this.nextSibling[before] = after;
    else this.firstChild[this.parent[node]!] = after;
    if (after >= 0) this.previousSibling[after] = before;
  }
}
