import { Cohomology, type Pair } from './cohomology.ts';
import { coneApexes } from './cones.ts';
import { spanningForest } from './components.ts';
import type { Metric } from './distances.ts';
import { EdgeList, type Edges } from './edges.ts';
import type { Field } from './field.ts';
import { essentialTriangles } from './lenses.ts';
import { loops } from './loops.ts';
import { rankTable } from './ranks.ts';

type Step = (fraction: number, message?: string) => Promise<void>;

/** Half-open intervals; an infinite death is null. */
export type Diagram = [birth: number, death: number | null][];

/** Bytes that one edge takes: in a list and in order; for loops in triangles and boundaries too. */
const edgeBytes = (maxDegree: number) => (maxDegree === 0 ? 16 : 64);

export interface RipsLimits {
  /** Called with what it is about to hold; throws where that is too much. */
  hold: (bytes: number, what: string) => void;
  step: Step;
}

/**
 * The edges of the Rips filtration up to a threshold. Without one, up to the enclosing radius
 * min_i max_j d_ij: beyond it the complex is a cone, and nothing begins or is left but one component.
 * Central points get the low names, which makes lenses connected at first sight.
 */
export async function ripsEdges(
  metric: Metric,
  threshold: number | undefined,
  maxDegree: number,
  { hold, step }: RipsLimits,
): Promise<{ edges: Edges; threshold: number }> {
  const { n } = metric;
  const all = (n * (n - 1)) / 2;
  hold(
    n * (n / 8) + (threshold === undefined ? edgeBytes(maxDegree) * all : 0),
    `distances between ${n} points`,
  );
  const list = new EdgeList(threshold === undefined ? all : 0);
  const farthest = new Float32Array(n);
  const sums = new Float64Array(n);
  const limit = threshold ?? Infinity;
  await metric.each((i, distances) => {
    for (let j = 0; j < i; j++) {
      const length = Math.fround(distances[j]!);
      if (length <= limit) list.add(i, j, length);
      if (length > farthest[i]!) farthest[i] = length;
      if (length > farthest[j]!) farthest[j] = length;
      const near = length < limit ? length : limit;
      sums[i]! += near;
      sums[j]! += near;
    }
    if (threshold !== undefined) hold(edgeBytes(maxDegree) * list.count, `${list.count} edges`);
  }, step);
  const used = threshold ?? farthest.reduce((a, b) => Math.min(a, b), Infinity);
  const names = new Uint16Array(n);
  Array.from(names.keys())
    .sort((a, b) => sums[a]! - sums[b]! || a - b)
    .forEach((point, name) => (names[point] = name));
  return { edges: await list.sorted(n, used, names, () => step(1)), threshold: used };
}

/** Persistence diagrams of degrees 0 … maxDegree (at most 3); intervals of length 0 left out. */
export async function ripsDiagrams(
  edges: Edges,
  maxDegree: number,
  field: Field,
  { hold, step }: RipsLimits,
): Promise<Diagram[]> {
  const forest = spanningForest(edges);
  const joined = Array.from(forest, (death): Pair => ({ birth: -1, death }));
  const alone = Array.from({ length: edges.n - forest.length }, () => ({ birth: -1, death: -1 }));
  const diagrams = [diagram(edges, [...joined, ...alone])];
  if (maxDegree === 0) return diagrams;

  const triangles = await essentialTriangles(edges, (part) => step(part / 2, 'Triangles'));
  const rankOf = await rankTable(edges, () => step(0.5, 'Triangles'));
  const found = await loops(edges, triangles, forest, rankOf, field, {
    hold: (bytes) => hold(bytes + edgeBytes(maxDegree) * edges.count, 'cochains of degree 1'),
    step: (part) => step((1 + part) / 2, 'Loops'),
  });
  diagrams.push(
    diagram(
      edges,
      found.map(({ birth, triangle }) => ({
        birth,
        death: triangle < 0 ? -1 : triangles.edges[triangle]!,
      })),
    ),
  );
  if (maxDegree === 1) return diagrams;

  const apexes = await coneApexes(edges, (part) => step(part, 'Cones'));
  const cohomology = new Cohomology(edges, rankOf, apexes, field, maxDegree);
  let ends = new Set(
    found.flatMap(({ triangle: t }) =>
      t < 0 ? [] : cohomology.triangle(triangles.edges[t]!, triangles.apexes[t]!),
    ),
  );
  for (let degree = 2; degree <= maxDegree; degree++) {
    const result = await cohomology.degree(degree, ends, {
      hold: (bytes) =>
        hold(bytes + edgeBytes(maxDegree) * edges.count, `columns of degree ${degree}`),
      step: (part) => step(part, `Degree ${degree}`),
    });
    diagrams.push(diagram(edges, result.pairs));
    ends = result.ends;
  }
  return diagrams;
}

function diagram({ lengths }: Edges, pairs: readonly Pair[]): Diagram {
  return pairs
    .map(({ birth, death }): Diagram[number] => [
      birth < 0 ? 0 : lengths[birth]!,
      death < 0 ? null : lengths[death]!,
    ])
    .filter(([birth, death]) => death === null || death > birth)
    .sort((a, b) => a[0] - b[0] || (a[1] ?? Infinity) - (b[1] ?? Infinity));
}
