import { symmetricEigen } from '../../engine/linear-algebra/eigen.ts';
import type { View } from '../../results/schema.ts';
import type { NamedRows, Side } from '../definition.ts';
import type { Metric } from '../geometry/rips/distances.ts';
import type { LayerCurvature } from './ricci.ts';

/** Nodes of a graph that a picture can hold. */
export const mostPictured = 300;
const bins = 30;

export type Point = readonly [x: number, y: number];

/** The first two principal components, from distances alone (classical scaling). */
export async function layout(metric: Metric): Promise<Point[]> {
  const { n } = metric;
  const gram = new Float64Array(n * n);
  for (let i = 0; i < n; i++) {
    metric.from(i).forEach((distance, j) => (gram[i * n + j] = -(distance ** 2) / 2));
  }
  const means = Float64Array.from({ length: n }, (_, i) => {
    let sum = 0;
    for (let j = 0; j < n; j++) sum += gram[i * n + j]!;
    return sum / n;
  });
  const centre = means.reduce((a, b) => a + b, 0) / n;
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < n; j++) gram[i * n + j]! += centre - means[i]! - means[j]!;
  }
  const { values, vectors } = await symmetricEigen(gram, n, { vectors: true });
  const coordinate = (axis: number, i: number) =>
    axis < n ? Math.sqrt(Math.max(0, values[axis]!)) * vectors[axis * n + i]! : 0;
  return Array.from({ length: n }, (_, i): Point => [coordinate(0, i), coordinate(1, i)]);
}

/** Graph and node curvatures of one matrix, mean curvatures over the layers of models, and a table. */
export function ricciViews(
  sides: readonly Side[],
  curved: ReadonlyMap<NamedRows, LayerCurvature>,
): View[] {
  const of = ({ layers }: Side) => layers.map((layer) => curved.get(layer)!);
  const all = sides.flatMap((side) => of(side).map((layer) => ({ side, layer })));
  const [first] = all;
  return [
    ...(all.length === 1 ? [...graphView(first!.layer), ...histogram(first!.layer)] : []),
    ...sides
      .filter(({ layers }) => layers.length > 1)
      .map((side): View => ({
        kind: 'line',
        title: `Mean curvature over layers${sides.length > 1 ? `: ${side.name}` : ''}`,
        x: { name: side.name, values: of(side).map(({ label }) => label) },
        y: { name: 'curvature' },
        series: [{ name: 'mean curvature', values: of(side).map(({ mean }) => mean) }],
      })),
    {
      kind: 'table',
      title: 'Ollivier-Ricci curvature',
      columns: ['layer', 'mean curvature', 'edges', 'edges below 0'],
      rows: all.map(({ side, layer: { label, mean, curvature } }) => [
        side.layered && sides.length > 1 ? `${side.name} ${label}` : label,
        mean,
        curvature.length,
        curvature.filter((value) => value < 0).length,
      ]),
    },
  ];
}

function graphView({ graph, curvature, nodes, points }: LayerCurvature): View[] {
  if (points === undefined) return [];
  return [
    {
      kind: 'graph',
      title: 'Neighbours, drawn at the first two principal components',
      nodes: points.map(([x, y], i) => ({ name: String(i), x, y, value: nodes[i]! })),
      edges: Array.from(curvature, (value, e) => ({
        from: graph.from[e]!,
        to: graph.to[e]!,
        value,
      })),
      unit: 'curvature',
    },
  ];
}

function histogram({ nodes }: LayerCurvature): View[] {
  const low = nodes.reduce((a, b) => Math.min(a, b));
  const high = nodes.reduce((a, b) => Math.max(a, b));
  if (!(high > low)) return [];
  const counts = new Array<number>(bins).fill(0);
  for (const value of nodes) {
    counts[Math.min(bins - 1, Math.floor(((value - low) / (high - low)) * bins))]! += 1;
  }
  return [
    {
      kind: 'histogram',
      title: 'Curvature at samples',
      x: { name: 'curvature' },
      edges: Array.from({ length: bins + 1 }, (_, at) => low + ((high - low) * at) / bins),
      counts,
    },
  ];
}
