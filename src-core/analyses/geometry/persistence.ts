import { z } from 'zod';
import { UserError } from '../../errors.ts';
import type { AnalysisContext, AnalysisDefinition, NamedRows } from '../definition.ts';
import { layerValues } from '../layers.ts';
import { requireMemory } from '../memory.ts';
import type { Real } from '../../results/schema.ts';
import { persistenceViews, type LayerPersistence } from './persistence-views.ts';
import type { Metric } from './rips/distances.ts';
import { mostVertices } from './rips/edges.ts';
import { Field, isPrime } from './rips/field.ts';
import { farthestPoints } from './rips/landmarks.ts';
import { metricInput, metricOf } from './rips/metric-input.ts';
import { ripsDiagrams, ripsEdges, type Diagram } from './rips/rips.ts';
import { fits } from './rips/simplices.ts';

const largestPrime = 2 ** 16;

const params = z.object({
  input: metricInput,
  maxDim: z.int().min(0).max(3).default(1).describe('Highest degree of homology'),
  threshold: z
    .union([z.number(), z.string()])
    .default('auto')
    .refine(
      (value) => value === 'auto' || (String(value).trim() !== '' && Number(value) >= 0),
      'auto or a number at least 0',
    )
    .describe('Largest distance of an edge; auto for the enclosing radius, which loses nothing'),
  field: z
    .int()
    .default(2)
    .refine((value) => isPrime(value) && value < largestPrime, `a prime below ${largestPrime}`)
    .describe('Coefficients are whole numbers modulo this prime'),
  landmarks: z
    .int()
    .min(0)
    .default(0)
    .describe('Samples to keep, each the farthest from those before; 0 for all'),
});
type Params = z.infer<typeof params>;

export const persistence: AnalysisDefinition<typeof params> = {
  id: 'persistence',
  family: 'geometry',
  title: 'Persistent homology',
  summary: 'Clusters, loops and voids of the samples, and over which distances each one lasts.',
  arity: 1,
  params,
  values: {
    diagrams:
      'diagrams[degree] lists [birth, death] of every class, by birth; a death of null is infinite, for JSON has no infinity',
    longest: 'longest[degree]: length of the longest interval that ends; null where none does',
    threshold: 'largest distance looked at',
    errorBound:
      'bottleneck distance to the diagrams of all samples is at most this; 0 where all were taken',
  },
  headline: 'longest',
  formula: `Vietoris-Rips filtration: a set of samples is a simplex from the distance at which all its pairs are at most that far apart; homology with coefficients modulo field, in degrees 0 … maxDim.
A class of degree q lasts over [birth, death). Degree 0 counts components (births 0, deaths the edges of a minimal spanning tree), 1 loops, 2 voids. Intervals of length 0 are left out. Every component has one infinite interval of degree 0.
threshold=auto stops at the enclosing radius min_i max_j d_ij, beyond which the complex is a cone. With a lower threshold classes that are still there have death null.
landmarks: farthest-point sampling from sample 0; errorBound = 2·max_i min_l d(x_i, landmark l), since the bottleneck distance is at most twice the Gromov-Hausdorff distance (Chazal et al. 2014).
Computed by persistent cohomology with clearing and apparent pairs (Bauer 2021), for degree 1 on the triangles that Koyama et al. (2024) show to be enough. Lengths are rounded to float32.`,
  invariances: [
    'orthogonal transformation (rotation, reflection, permutation of units)',
    'translation',
    'permutation of the samples (with landmarks: as long as sample 0 is the same)',
  ],
  invariantTo: ['permutation', 'orthogonal', 'translation'],
  misleads:
    'Short intervals are noise or curvature, not features; noise in many units shortens all of them, since distances concentrate. One outlier can end or make a class. Scale matters: units of large variance decide distances. Classes depend on the field where there is torsion: compare field=2 with field=3.',
  citation:
    'Bauer, Ripser: efficient computation of Vietoris-Rips persistence barcodes, Journal of Applied and Computational Topology 2021; Koyama, Mémoli, Robins and Turner, Faster computation of degree-1 persistent homology using the reduced Vietoris-Rips filtration, 2024; Chazal, de Silva and Oudot, Persistence stability for geometric complexes, Geometriae Dedicata 2014',

  async run(sides, settings, context) {
    const [side] = sides;
    const layers: LayerPersistence[] = [];
    for (const [index, layer] of side!.layers.entries()) {
      layers.push(
        await layerPersistence(layer, settings, {
          ...context,
          step: (fraction, message = `Distances of ${layer.label}`) =>
            context.step((index + fraction) / side!.layers.length, message),
        }),
      );
    }
    const values = layers.map(({ diagrams, threshold, errorBound }) => ({
      diagrams,
      longest: diagrams.map(longestOf),
      threshold,
      errorBound,
    }));
    return {
      values: layerValues(side!, values),
      estimator: `rips.z${settings.field}`,
      preprocessing: `${settings.input === 'points' ? 'none; Euclidean distances' : 'none; distances as given'}, rounded to float32`,
      views: persistenceViews(side!, layers),
    };
  },
};

/** Length of the longest interval that ends. */
function longestOf(diagram: Diagram): Real {
  const lengths = diagram.flatMap(([birth, death]) => (death === null ? [] : death - birth));
  return lengths.length === 0 ? null : lengths.reduce((a, b) => Math.max(a, b));
}

async function layerPersistence(
  layer: NamedRows,
  { input, maxDim, threshold, field, landmarks }: Params,
  context: AnalysisContext,
): Promise<LayerPersistence> {
  const { label } = layer;
  const step = (fraction: number, message?: string) =>
    context.step(fraction, message && `${message} of ${label}`);
  const whole = await metricOf(layer, input, context);
  let metric: Metric = whole;
  let errorBound = 0;
  if (landmarks > 0 && landmarks < whole.n) {
    const found = await farthestPoints(whole, landmarks, step);
    metric = whole.restrict(found.chosen);
    errorBound = 2 * found.cover;
  }
  const { n } = metric;
  if (n > mostVertices || !fits(n, maxDim + 2)) {
    throw new UserError(
      'unsupported',
      label,
      `has ${n} samples, too many to number simplices of degree ${maxDim + 1}`,
      'set landmarks, or a lower maxDim',
    );
  }
  const limits = {
    step,
    hold: (bytes: number, what: string) =>
      requireMemory(context, bytes, `${label}: ${what}`, 'set landmarks, or a lower threshold'),
  };
  const rips = await ripsEdges(
    metric,
    threshold === 'auto' ? undefined : Number(threshold),
    maxDim,
    limits,
  );
  const diagrams = await ripsDiagrams(rips.edges, maxDim, new Field(field), limits);
  const copies = n - diagrams[0]!.length;
  if (copies > 0) {
    context.warn(
      `${label}: ${copies} of ${n} samples equal another one; their intervals of length 0 are left out`,
    );
  }
  return { label, diagrams, threshold: rips.threshold, errorBound };
}
