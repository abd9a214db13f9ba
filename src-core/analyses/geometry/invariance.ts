import { z } from 'zod';
import type { Real, View } from '../../results/schema.ts';
import type { Floats } from '../../tensor/matrix.ts';
import { layersOfOneShape } from '../corresponding.ts';
import type { AnalysisContext, AnalysisDefinition, NamedRows, Side } from '../definition.ts';
import { checkRows, layerValues } from '../layers.ts';
import { requireMemory } from '../memory.ts';
import { seed } from '../parameters.ts';
import { Random } from '../random.ts';
import { real } from '../statistics.ts';
import { dime, grams, infonce, lidar } from './invariance-measures.ts';

const leastSamples = 4;

const params = z.object({
  temperature: z.number().positive().default(0.1).describe('infonce: divides the cosines'),
  delta: z
    .number()
    .positive()
    .default(1e-4)
    .describe('lidar: added to the diagonal of the scatter within samples'),
  draws: z
    .int()
    .min(1)
    .max(1000)
    .default(10)
    .describe('dime: shufflings of the pairs that are averaged'),
  samples: z
    .int()
    .min(leastSamples)
    .default(1000)
    .describe('At most this many samples, drawn at random where there are more'),
  seed,
});
type Params = z.infer<typeof params>;

export const invariance: AnalysisDefinition<typeof params> = {
  id: 'invariance',
  family: 'geometry',
  title: 'Augmentation invariance',
  summary:
    'Whether two views of a sample stay closer to each other than to those of other samples.',
  arity: 2,
  relation: 'layers',
  params,
  values: {
    infonce:
      'lower bound in nats on the information that a view gives about which sample the other is of; up to log n',
    lidar: 'directions that tell samples apart against how their views scatter, 1 to n − 1',
    dime: 'entropy in nats that true pairs save against shuffled ones; 0 where views share nothing',
    limit: 'log n, the largest that infonce can be, in nats',
  },
  headline: 'infonce',
  formula: `a_i and b_i the two views of sample i, n samples.
infonce = log n − mean_i −log(exp(s_ii/temperature)/Σ_j exp(s_ij/temperature)), s_ij = cos(a_i, b_j) (van den Oord et al. 2018).
lidar = exp(−Σ p_k log p_k), p_k = λ_k/Σλ + 1e-7 over all units, λ the eigenvalues of S_w^{−1/2} S_b S_w^{−1/2}; S_b the covariance of the samples’ mean views, S_w = (1/2n) Σ (view − mean view)(…)ᵀ + delta·I (Thilak et al. 2024).
dime = mean over random permutations P of S(K∘PLPᵀ) − S(K∘L), K and L the cosines within each set of views, S the Shannon entropy of the eigenvalues of a matrix over its trace (Skean et al. 2023).
Layers of two models correspond by name, else by rank.`,
  invariances: [
    'the same orthogonal transformation of both views',
    'isotropic scaling of both views (infonce and dime)',
    'permutation of the samples',
  ],
  invariantTo: ['permutation', 'orthogonal', 'scaling'],
  misleads:
    'Views that were hardly changed are told apart trivially: the augmentation is part of the number, so state it. infonce cannot pass log n and stands against it for easy sets: compare at equal n. It depends on the order of the inputs: the first picks from the second. Cosines are not centred, so a common offset brings infonce near 0. With two views for each sample lidar rests on few directions within samples where units outnumber samples.',
  citation:
    'van den Oord, Li and Vinyals, Representation Learning with Contrastive Predictive Coding, 2018; Thilak et al., LiDAR: Sensing Linear Probing Performance in Joint Embedding SSL Architectures, ICLR 2024; Skean et al., DiME: Maximizing Mutual Information by a Difference of Matrix-Based Entropies, 2023; Skean et al., Layer by Layer: Uncovering Hidden Representations in Language Models, ICML 2025',

  async run(sides, settings, context) {
    const [first, second] = sides as [Side, Side];
    const pairs = layersOfOneShape(
      first,
      second,
      'capture one model over both sets of views, given as --probe twice in the same order',
    );
    const layers: LayerInvariance[] = [];
    for (const [index, [a, b]] of pairs.entries()) {
      const step = (fraction: number) =>
        context.step((index + fraction) / pairs.length, `Views in ${a.label}`);
      layers.push(await layerInvariance(a, b, settings, context, step));
    }
    const { n } = pairs[0]![0];
    if (n > settings.samples) {
      context.warn(`${settings.samples} of ${n} samples are used; set samples for more`);
    }
    return {
      values: layerValues(
        { ...first, layered: first.layered || second.layered },
        layers.map(({ values }) => values),
      ),
      estimator: 'invariance.two-views',
      preprocessing: 'not centred; rows scaled to unit length, but for lidar',
      views: viewsOf(first, layers),
    };
  },
};

interface LayerInvariance {
  label: string;
  values: Record<'infonce' | 'lidar' | 'dime' | 'limit', Real>;
}

async function layerInvariance(
  a: NamedRows,
  b: NamedRows,
  settings: Params,
  context: AnalysisContext,
  step: (fraction: number) => Promise<void>,
): Promise<LayerInvariance> {
  await checkRows(a, context, leastSamples);
  await checkRows(b, context, leastSamples);
  const { engine } = context;
  const { d, label } = a;
  const n = Math.min(a.n, settings.samples);
  const size = Math.min(n, d);
  requireMemory(
    context,
    Float64Array.BYTES_PER_ELEMENT * (6 * n * d + 6 * n * n + 4 * size * size),
    `views of ${n} samples in ${label}`,
    'set samples',
  );
  const random = new Random(settings.seed);
  const chosen = a.n > n ? random.permutation(a.n).slice(0, n).sort() : undefined;
  const [x, y] = [await rowsOf(a, chosen), await rowsOf(b, chosen)];
  const { cosines, zeros } = await grams(engine, d, x, y, (part) => step(0.1 * part));
  if (zeros > 0) context.warn(`${label}: ${zeros} views are zero and have no direction`);
  const spectrum = await lidar(engine, d, x, y, settings.delta, (part) => step(0.1 + 0.3 * part));
  const saved = await dime(n, cosines, settings.draws, random, (part) => step(0.4 + 0.6 * part));
  return {
    label,
    values: {
      infonce: real(infonce(n, cosines.between, settings.temperature)),
      lidar: real(spectrum),
      dime: real(saved),
      limit: Math.log(n),
    },
  };
}

/** The chosen rows, or all of them, in float64. */
async function rowsOf(layer: NamedRows, chosen: Int32Array | undefined): Promise<Float64Array> {
  if (!chosen) return Float64Array.from(await layer.rows(0, layer.n));
  const { d } = layer;
  const out = new Float64Array(chosen.length * d);
  for (const [position, row] of chosen.entries()) {
    const values: Floats = await layer.rows(row, row + 1);
    out.set(values, position * d);
  }
  return out;
}

function viewsOf(side: Side, layers: readonly LayerInvariance[]): View[] {
  const keys = ['infonce', 'lidar', 'dime'] as const;
  const line = (title: string, unit: string, names: readonly (keyof LayerInvariance['values'])[]) =>
    ({
      kind: 'line',
      title,
      x: { name: side.name, values: layers.map(({ label }) => label) },
      y: { name: unit },
      series: names.map((name) => ({ name, values: layers.map(({ values }) => values[name]) })),
    }) satisfies View;
  return [
    ...(layers.length > 1
      ? [
          line('Information that views share', 'nats', ['infonce', 'limit']),
          line('Entropy that true pairs save', 'nats', ['dime']),
          line('Directions that tell samples apart', 'directions', ['lidar']),
        ]
      : []),
    {
      kind: 'table',
      title: 'Augmentation invariance',
      columns: ['layer', ...keys],
      rows: layers.map(({ label, values }) => [label, ...keys.map((key) => values[key])]),
    },
  ];
}
