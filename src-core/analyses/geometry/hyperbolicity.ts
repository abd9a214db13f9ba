import { z } from 'zod';
import type { Real, View } from '../../results/schema.ts';
import type { AnalysisDefinition, Side } from '../definition.ts';
import { layerValues } from '../layers.ts';
import { requireMemory } from '../memory.ts';
import { seed } from '../parameters.ts';
import { Random } from '../random.ts';
import { gromov } from './gromov.ts';
import { metricInput, metricOf } from './rips/metric-input.ts';

const params = z.object({
  samples: z
    .int()
    .min(1)
    .max(20_000)
    .default(1500)
    .describe('Samples to take, at random where there are more'),
  input: metricInput,
  seed,
});

interface LayerHyperbolicity {
  label: string;
  delta: number;
  deltaRelative: Real;
  diameter: number;
  used: number;
}

export const hyperbolicity: AnalysisDefinition<typeof params> = {
  id: 'hyperbolicity',
  family: 'geometry',
  title: 'Gromov hyperbolicity',
  summary: 'How much the distances between samples are like those in a tree.',
  arity: 1,
  params,
  values: {
    delta: 'Gromov’s δ, in the units of distance: 0 for a tree',
    deltaRelative:
      '2δ/diameter: 0 for a tree, 1 for the least tree-like; null where all samples are alike',
    diameter: 'largest distance between the samples taken',
  },
  headline: 'deltaRelative',
  formula: `Gromov product of y and z at the base x: (y, z)_x = ½(d(x, y) + d(x, z) − d(y, z)); A the matrix of products of all samples taken.
delta = max over entries of (A ⊗ A) − A, with the max-min product (A ⊗ B)_yz = max_w min(A_yw, B_wz) (Fournier et al. 2015; Khrulkov et al. 2020).
The base is the first of the samples taken. Over all bases δ is at most twice this (Gromov).
deltaRelative = 2δ/diameter.
With more samples than \`samples\`, as many are drawn at random without replacement; the first of them in their order is the base.`,
  invariances: [
    'orthogonal transformation (rotation, reflection, permutation of units)',
    'isotropic scaling (deltaRelative)',
    'translation',
    'permutation of the samples (as long as the same are taken, and the first is the same)',
  ],
  invariantTo: ['permutation', 'orthogonal', 'scaling', 'translation'],
  misleads:
    'It is a worst case over four samples: one odd sample decides it, and more samples never lower it. Euclidean distances of a hierarchy drawn in few units are not tree-like even where the hierarchy is. Equidistant samples, as of noise in very many units, are a star: they look like a tree.',
  citation:
    'Khrulkov, Mirvakhabova, Ustinova, Oseledets and Lempitsky, Hyperbolic Image Embeddings, CVPR 2020; Fournier, Ismail and Vigneron, Computing the Gromov hyperbolicity of a discrete metric space, Information Processing Letters 2015',

  async run(sides, { samples, input, seed: start }, context) {
    const [side] = sides;
    const layers: LayerHyperbolicity[] = [];
    for (const [index, layer] of side!.layers.entries()) {
      const { label, n } = layer;
      const step = (fraction: number) =>
        context.step((index + fraction) / side!.layers.length, `Hyperbolicity of ${label}`);
      const used = Math.min(n, samples);
      requireMemory(
        context,
        8 * used ** 2,
        `${label}: products of ${used} samples`,
        'lower samples',
      );
      const whole = await metricOf(layer, input, context);
      const drawn = new Random(start).permutation(n).subarray(0, used).sort();
      const metric = used < n ? whole.restrict(drawn) : whole;
      const { delta, diameter } = await gromov(metric, step);
      if (diameter === 0) {
        context.warn(`${label}: all samples are alike, so that deltaRelative is null`);
      }
      if (used < n) context.warn(`${label}: ${used} of ${n} samples, drawn at random`);
      const deltaRelative = diameter === 0 ? null : (2 * delta) / diameter;
      layers.push({ label, delta, deltaRelative, diameter, used });
    }
    const values = layers.map(({ delta, deltaRelative, diameter }) => ({
      delta,
      deltaRelative,
      diameter,
    }));
    return {
      values: layerValues(side!, values),
      estimator: 'gromov.fixed-base',
      preprocessing: input === 'points' ? 'none; Euclidean distances' : 'none; distances as given',
      views: views(side!, layers),
    };
  },
};

function views(side: Side, layers: readonly LayerHyperbolicity[]): View[] {
  return [
    ...(layers.length > 1
      ? [
          {
            kind: 'line' as const,
            title: 'Hyperbolicity over layers',
            x: { name: side.name, values: layers.map(({ label }) => label) },
            y: { name: '2δ/diameter' },
            series: [
              { name: '2δ/diameter', values: layers.map(({ deltaRelative }) => deltaRelative) },
            ],
          },
        ]
      : []),
    {
      kind: 'table',
      title: 'Gromov hyperbolicity',
      columns: ['layer', '2δ/diameter', 'δ', 'diameter', 'samples'],
      rows: layers.map(({ label, deltaRelative, delta, diameter, used }) => [
        label,
        deltaRelative,
        delta,
        diameter,
        used,
      ]),
    },
  ];
}
