import { z } from 'zod';
import type { AnalysisContext, AnalysisDefinition, NamedRows, Side } from '../definition.ts';
import { metricInput, metricOf } from '../geometry/rips/metric-input.ts';
import type { Metric } from '../geometry/rips/distances.ts';
import { checkRows, layerValues } from '../layers.ts';
import { requireMemory } from '../memory.ts';
import { nearestNeighbours } from '../neighbours.ts';
import { permutations, seed } from '../parameters.ts';
import { mean } from '../statistics.ts';
import { checkDepth } from './mutual-knn.ts';
import { comparePairs, type PairMeasure } from './pairs.ts';
import { nodeCurvature, ricciFlow, type Curved } from './ricci-curvature.ts';
import { components, hopBytes, neighbourGraph, pathBytes } from './ricci-graph.ts';
import { layout, mostPictured, ricciViews, type Point } from './ricci-views.ts';

/** Share of the work that is not comparing. */
const curvatureShare = 0.95;

const params = z.object({
  k: z.int().min(1).max(1000).default(10).describe('Nearest neighbours that a sample is joined to'),
  alpha: z
    .number()
    .min(0)
    .lt(1)
    .default(0.5)
    .describe('Mass that a sample keeps; the rest is spread over its neighbours'),
  flow: z.int().min(0).max(1000).default(0).describe('Steps of the Ricci flow before'),
  input: metricInput,
  permutations,
  seed,
});
type Params = z.infer<typeof params>;

/** The curvature of one layer's graph. */
export interface LayerCurvature extends Curved {
  label: string;
  /** By sample. */
  nodes: Float64Array;
  mean: number;
  /** Where nodes are drawn, where few enough are. */
  points?: Point[];
}

export const ricci: AnalysisDefinition<typeof params> = {
  id: 'ricci',
  family: 'similarity',
  title: 'Ollivier-Ricci curvature',
  summary:
    'Whether neighbourhoods of samples overlap or part, and whether two representations agree where.',
  arity: 2,
  alone: true,
  params,
  values: {
    meanCurvature:
      'mean curvature of the edges: above 0 where neighbourhoods overlap, below 0 where edges are bridges; of several inputs a list, one entry each',
    nodeCurvature:
      'mean curvature of the edges at each sample; of several inputs a list, one entry each',
    similarity:
      'Pearson correlation of the node curvatures of two representations of the same samples; with a null. Absent for one matrix alone; null where a curvature is the same everywhere',
  },
  headline: 'meanCurvature',
  formula: `Graph: samples joined where either is among the k nearest of the other by Euclidean distance, ties by the lower index; edges of length 1.
κ(x, y) = 1 − W₁(m_x, m_y)/d(x, y) for every edge; m_x has mass alpha at x and (1 − alpha)/deg x at each neighbour, d is the length of the shortest path, W₁ the exact cost of optimal transport (Ollivier 2009; Lin, Lu and Yau 2011: their curvature is κ/(1 − alpha) for alpha near 1).
flow: w ← (1 − κ)·d for all edges at once, then all lengths are scaled so that their mean is 1 again; masses stay as they are (discrete Ricci flow, Ni et al. 2019). Curvatures are those after the last step.
Null: the samples of the second side are permuted; p = (1 + #{null ≥ observed}) / (1 + permutations); it belongs to similarity.`,
  invariances: [
    'orthogonal transformation of either side (rotation, reflection, permutation of units)',
    'isotropic scaling of either side',
    'translation of either side',
    'the same permutation of the samples of both sides, where no distances tie',
  ],
  invariantTo: ['permutation', 'orthogonal', 'scaling', 'translation'],
  misleads:
    'The graph decides: compare at the same k and n. In many dimensions a few samples are neighbours of very many (hubs), whose edges are bridges by that alone. Samples equal to others fill each other’s neighbourhoods. Two representations of clustered data agree on which samples lie between clusters before they agree on more.',
  citation:
    'Ollivier, Ricci curvature of Markov chains on metric spaces, Journal of Functional Analysis 2009; Lin, Lu and Yau, Ricci curvature of graphs, Tohoku Mathematical Journal 2011; Ni, Lin, Luo and Gao, Community Detection on Networks with Ricci Flow, Scientific Reports 2019',

  async run(sides, settings, context) {
    const total = sides.reduce((sum, { layers }) => sum + layers.length, 0);
    const curved = new Map<NamedRows, LayerCurvature>();
    for (const layer of sides.flatMap(({ layers }) => layers)) {
      const done = curved.size;
      const step = (part: number) =>
        context.step((curvatureShare * (done + part)) / total, `Curvature of ${layer.label}`);
      curved.set(layer, await layerCurvature(layer, settings, total === 1, { ...context, step }));
    }
    const perSide = sides.map((side) => sideValues(side, curved));
    const [only] = sides;
    const alone = sides.length === 1 && !only!.layered;
    const compared = alone
      ? undefined
      : await comparePairs(sides, similarity(curved, settings, context), settings, {
          ...context,
          step: (part, message) =>
            context.step(curvatureShare + (1 - curvatureShare) * part, message),
        });
    const all = (key: 'meanCurvature' | 'nodeCurvature') =>
      sides.length === 1 ? perSide[0]![key]! : perSide.map((values) => values[key]!);
    return {
      ...compared,
      values: {
        meanCurvature: all('meanCurvature'),
        nodeCurvature: all('nodeCurvature'),
        ...compared?.values,
      },
      estimator: `ollivier-ricci.k=${settings.k}.alpha=${settings.alpha}${settings.flow > 0 ? `.flow=${settings.flow}` : ''}`,
      preprocessing:
        settings.input === 'points' ? 'none; Euclidean distances' : 'none; distances as given',
      views: [...ricciViews(sides, curved), ...(compared?.views ?? [])],
    };
  },
};

function sideValues(side: Side, curved: ReadonlyMap<NamedRows, LayerCurvature>) {
  return layerValues(
    side,
    side.layers.map((layer) => {
      const { mean: meanCurvature, nodes } = curved.get(layer)!;
      return { meanCurvature, nodeCurvature: Array.from(nodes) };
    }),
  );
}

async function layerCurvature(
  layer: NamedRows,
  { k, alpha, flow, input }: Params,
  pictured: boolean,
  context: AnalysisContext,
): Promise<LayerCurvature> {
  const { label, n } = layer;
  const step = (fraction: number) => context.step(fraction);
  requireMemory(
    context,
    8 * n * layer.d + (flow > 0 ? pathBytes(n) : 0) + hopBytes(n),
    `${label}: a graph of ${n} samples`,
    flow > 0 ? 'use fewer samples, or flow=0' : 'use fewer samples',
  );
  const rows = await checkRows(layer, context, 2);
  checkDepth(rows, k);
  const wanted = pictured && n <= mostPictured;
  const metric =
    input === 'distances' || wanted ? await metricOf(layer, input, context) : undefined;
  const nearest =
    input === 'distances'
      ? nearestOf(metric!, k)
      : (await nearestNeighbours(context.engine, rows, k, (part) => step(part / 10))).indices;
  const graph = neighbourGraph(n, k, nearest);
  const parts = components(graph);
  if (parts > 1) {
    context.warn(
      `${label}: the graph of ${k} neighbours falls into ${parts} parts; a larger k may join them`,
    );
  }
  const result = await ricciFlow(graph, alpha, flow, (part) => step(0.1 + 0.9 * part));
  return {
    ...result,
    label,
    nodes: nodeCurvature(result),
    mean: mean(result.curvature),
    ...(wanted && metric ? { points: await layout(metric) } : {}),
  };
}

/** The k nearest points of each by given distances, ties by the lower index; n × k. */
function nearestOf(metric: Metric, k: number): Int32Array {
  const indices = new Int32Array(metric.n * k);
  for (let i = 0; i < metric.n; i++) {
    const distances = metric.from(i);
    const others = Array.from(distances.keys()).filter((j) => j !== i);
    others.sort((a, b) => distances[a]! - distances[b]! || a - b);
    indices.set(others.slice(0, k), i * k);
  }
  return indices;
}

/** Node curvatures scaled to mean 0 and length 1; undefined where they do not differ. */
type Profile = Float64Array | undefined;

function similarity(
  curved: ReadonlyMap<NamedRows, LayerCurvature>,
  { k }: Params,
  context: AnalysisContext,
): PairMeasure<Profile> {
  return {
    key: 'similarity',
    name: 'correlation of node curvatures',
    range: [-1, 1],
    leastSamples: k + 1,
    bytes: ({ n }) => 8 * n,
    prepare({ label }, layer) {
      const profile = standardised(curved.get(layer)!.nodes);
      if (profile === undefined) {
        context.warn(
          `${label}: its curvature is the same at all samples, so that similarity is null`,
        );
      }
      return profile;
    },
    compare: (a, b) => ({ similarity: a && b ? inner(a, b) : NaN }),
    permute: (b, order) => b && Float64Array.from(order, (from) => b[from]!),
  };
}

function standardised(values: Float64Array): Profile {
  const centre = mean(values);
  const centred = values.map((value) => value - centre);
  const length = Math.sqrt(inner(centred, centred));
  // Curvatures that are the same everywhere differ by rounding.
  if (length <= 1e-12 * Math.sqrt(values.length)) return undefined;
  return centred.map((value) => value / length);
}

function inner(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}
