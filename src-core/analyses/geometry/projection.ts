import { z } from 'zod';
import { UserError } from '../../errors.ts';
import type { AnalysisContext, AnalysisDefinition } from '../definition.ts';
import { checkRows, layerValues, type CheckedRows } from '../layers.ts';
import { requireMemory } from '../memory.ts';
import { nearestNeighbours } from '../neighbours.ts';
import { seed } from '../parameters.ts';
import { Random } from '../random.ts';
import { real } from '../statistics.ts';
import { warnConstantUnits } from '../warnings.ts';
import { principalComponents } from './projection-pca.ts';
import { tsne, tsneNeighbours } from './projection-tsne.ts';
import { umap } from './projection-umap.ts';
import { projectionViews, type LayerProjection } from './projection-views.ts';

const leastSamples = 4;
/** Dimensions of a map; more than that nobody looks at. */
const mostMapped = 3;

const params = z.object({
  method: z
    .enum(['pca', 'umap', 'tsne'])
    .default('pca')
    .describe('Principal components, or a map that keeps neighbours together (UMAP, t-SNE)'),
  components: z
    .int()
    .min(1)
    .max(1000)
    .default(2)
    .describe('Coordinates of each sample; at most 3 for umap and tsne'),
  neighbours: z
    .int()
    .min(2)
    .max(500)
    .default(15)
    .describe('umap: neighbours of each sample, itself counted, that hold it in place'),
  perplexity: z
    .number()
    .min(1)
    .max(500)
    .default(30)
    .describe('tsne: effective number of neighbours of each sample'),
  seed,
});
type Params = z.infer<typeof params>;

const estimators = { pca: 'pca', umap: 'umap', tsne: 'tsne.barnes-hut' };

export const projection: AnalysisDefinition<typeof params> = {
  id: 'projection',
  family: 'geometry',
  title: 'Projection of samples',
  summary: 'A map of the samples to look at.',
  arity: 1,
  labels: 'optional',
  params,
  values: {
    coordinates: 'samples × components',
    explained: 'pca only: share of the variance that each component holds',
  },
  headline: 'explained',
  formula: `pca: coordinates of the centred samples along the leading eigenvectors of their covariance; explained = λ_c/Σλ. The sign of each component makes the coordinate farthest from zero positive.
umap (McInnes et al. 2018): low-dimensional places whose fuzzy neighbourhoods agree with those of the samples, over exact Euclidean neighbours, min_dist 0.1, starting from principal components.
tsne (van der Maaten and Hinton 2008; trees of van der Maaten 2014, θ = 0.5): places whose Student affinities have least KL divergence from Gaussian affinities of the given perplexity, over the 3·perplexity nearest neighbours; 1,000 iterations, the first 250 with attraction 12 times stronger, from principal components with standard deviation 1e-4.`,
  invariances: [
    'orthogonal transformation (but for rounding, which umap and tsne magnify)',
    'isotropic scaling (explained, umap, tsne)',
    'translation',
  ],
  invariantTo: ['permutation', 'orthogonal', 'scaling', 'translation'],
  misleads:
    'Distances between clusters, their sizes and their densities mean little in umap and tsne: only neighbours are kept, and clusters appear in noise. pca shows the directions of most variance, whatever they stand for; look at explained. A second perplexity, neighbour number or seed shows what is stable.',
  citation:
    'Pearson, On lines and planes of closest fit to systems of points in space, 1901; McInnes, Healy and Melville, UMAP: Uniform Manifold Approximation and Projection for Dimension Reduction, 2018; van der Maaten and Hinton, Visualizing Data using t-SNE, JMLR 2008; van der Maaten, Accelerating t-SNE using Tree-Based Algorithms, JMLR 2014; Kobak and Berens, The art of using t-SNE for single-cell transcriptomics, Nature Communications 2019',

  async run(sides, settings, context) {
    const side = sides[0]!;
    const { method, components } = settings;
    if (method !== 'pca' && components > mostMapped) {
      throw new UserError(
        'usage',
        `projection: parameter 'components'`,
        `${components} is too many for ${method}`,
        `give at most ${mostMapped}, or use pca`,
      );
    }
    const checked: CheckedRows[] = [];
    const layers: LayerProjection[] = [];
    for (const [index, layer] of side.layers.entries()) {
      const step = (fraction: number) =>
        context.step((index + fraction) / side.layers.length, `Map of ${layer.label}`);
      const rows = await checkRows(layer, context, leastSamples);
      checked.push(rows);
      layers.push(await project(rows, settings, context, step));
    }
    warnConstantUnits(checked, context);
    return {
      values: layerValues(
        side,
        layers.map(({ coordinates, width, explained }) => ({
          coordinates: Array.from({ length: coordinates.length / width }, (_, i) => [
            ...coordinates.subarray(i * width, (i + 1) * width),
          ]),
          ...(explained && { explained: Array.from(explained, real) }),
        })),
      ),
      estimator: estimators[method],
      preprocessing: method === 'pca' ? 'columns centred' : 'none; Euclidean distances',
      views: projectionViews(side, layers, method),
    };
  },
};

async function project(
  rows: CheckedRows,
  { method, components, neighbours, perplexity, seed: from }: Params,
  context: AnalysisContext,
  step: (fraction: number) => Promise<void>,
): Promise<LayerProjection> {
  const { label, n, d } = rows;
  const { engine } = context;
  const size = Math.min(n, d);
  requireMemory(
    context,
    8 * (2 * size * size + n * components),
    `${label}: principal components of ${n} samples of ${d} units`,
    'use fewer samples or a layer of fewer units',
  );
  const found = await principalComponents(engine, rows, components, (part) =>
    step(method === 'pca' ? part : 0.1 * part),
  );
  if (found.count < components) {
    context.warn(`${label}: ${n} samples of ${d} units have only ${found.count} components`);
  }
  const { scores, count, explained } = found;
  if (method === 'pca') return { label, coordinates: scores, width: count, explained };

  const start = scores;
  const k = method === 'umap' ? Math.min(neighbours, n) - 1 : tsneNeighbours(perplexity, n);
  if (method === 'tsne' && 3 * perplexity > n - 1) {
    context.warn(`${label}: a perplexity of ${perplexity} is much for ${n} samples`);
  }
  // Lists of neighbours, their symmetric graph, and what each edge keeps.
  const bytesAnEdge = method === 'umap' ? 150 : 70;
  requireMemory(
    context,
    n * k * bytesAnEdge + 16 * n * d,
    `${label}: a map of ${n} samples with ${k} neighbours each`,
    `use fewer samples, or a smaller ${method === 'umap' ? 'neighbours' : 'perplexity'}`,
  );
  const near = await nearestNeighbours(engine, rows, k, (part) => step(0.1 + 0.1 * part));
  const rest = (part: number) => step(0.2 + 0.8 * part);
  const coordinates =
    method === 'umap'
      ? await umap(near, start, new Random(from), rest)
      : await tsne(near, perplexity, start, rest);
  return { label, coordinates, width: count };
}
