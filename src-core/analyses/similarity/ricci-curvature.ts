import { transport } from '../../engine/linear-algebra/transport.ts';
import { hops, shortestPaths, type Graph, type PathLength } from './ricci-graph.ts';

/** Costs computed between two calls of `step`. */
const costsPerStep = 2e5;

type Step = (fraction: number) => Promise<void>;

/** What has become of a graph: curvature of every edge, and the graph after the flow. */
export interface Curved {
  graph: Graph;
  /** By edge. */
  curvature: Float64Array;
}

/**
 * Ollivier-Ricci curvature of every edge, after some steps of the discrete Ricci flow: each makes an
 * edge as long as the transport between its ends costs, w ← W₁ = (1 − κ)·d; then all lengths are
 * scaled so that their sum stays.
 */
export async function ricciFlow(
  graph: Graph,
  alpha: number,
  flow: number,
  step: Step,
): Promise<Curved> {
  let flowed = graph;
  for (let iteration = 0; ; iteration++) {
    const part: Step = (fraction) => step((iteration + fraction) / (flow + 1));
    const unit = iteration === 0;
    const path = unit ? hops(flowed) : await shortestPaths(flowed, (done) => part(done / 2));
    const { costs, distances } = await transports(flowed, alpha, path, part);
    if (iteration === flow) {
      return {
        graph: flowed,
        // Ends that the flow has drawn into one are as near as can be.
        curvature: costs.map((cost, e) => (distances[e]! > 0 ? 1 - cost / distances[e]! : 1)),
      };
    }
    const total = costs.reduce((a, b) => a + b, 0);
    if (total === 0) return { graph: flowed, curvature: costs.map(() => 1) };
    flowed = { ...flowed, lengths: costs.map((cost) => (cost * costs.length) / total) };
  }
}

/** Of each edge, the cost of transport between the measures of its ends, and their distance. */
async function transports(
  { n, from, to, starts, neighbours }: Graph,
  alpha: number,
  path: PathLength,
  step: Step,
): Promise<{ costs: Float64Array; distances: Float64Array }> {
  const count = from.length;
  const [costs, distances] = [new Float64Array(count), new Float64Array(count)];
  // Mass of one end less that of the other: what both have stays where it is, at no cost, since
  // path lengths obey the triangle inequality.
  const mass = new Float64Array(n);
  const spread = (node: number, sign: number) => {
    mass[node]! += sign * alpha;
    const share = (1 - alpha) / (starts[node + 1]! - starts[node]!);
    for (let at = starts[node]!; at < starts[node + 1]!; at++) {
      mass[neighbours[at]!]! += sign * share;
    }
  };
  let work = 0;
  for (let edge = 0; edge < count; edge++) {
    const [x, y] = [from[edge]!, to[edge]!];
    spread(x, 1);
    spread(y, -1);
    const sources: number[] = [];
    const sinks: number[] = [];
    const supply: number[] = [];
    const demand: number[] = [];
    const take = (node: number) => {
      const excess = mass[node]!;
      mass[node] = 0;
      // Less than rounding leaves of equal masses.
      if (excess > 1e-14) {
        sources.push(node);
        supply.push(excess);
      } else if (excess < -1e-14) {
        sinks.push(node);
        demand.push(-excess);
      }
    };
    for (const node of [x, y]) {
      take(node);
      for (let at = starts[node]!; at < starts[node + 1]!; at++) take(neighbours[at]!);
    }
    const between = new Float64Array(sources.length * sinks.length);
    sources.forEach((a, i) => {
      sinks.forEach((b, j) => (between[i * sinks.length + j] = path(a, b)));
    });
    distances[edge] = path(x, y);
    costs[edge] = transport(Float64Array.from(supply), Float64Array.from(demand), between);
    work += between.length;
    if (work > costsPerStep) {
      work = 0;
      await step(edge / count);
    }
  }
  return { costs, distances };
}

/** Mean curvature of the edges at each node. */
export function nodeCurvature({ graph, curvature }: Curved): Float64Array {
  const { n, starts, incident } = graph;
  return Float64Array.from({ length: n }, (_, i) => {
    let sum = 0;
    for (let at = starts[i]!; at < starts[i + 1]!; at++) sum += curvature[incident[at]!]!;
    return sum / (starts[i + 1]! - starts[i]!);
  });
}
