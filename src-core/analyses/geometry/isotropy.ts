import { z } from 'zod';
import type { Real } from '../../results/schema.ts';
import type { AnalysisContext, AnalysisDefinition } from '../definition.ts';
import { checkRows, layerValues, type CheckedRows } from '../layers.ts';
import { mean, real } from '../statistics.ts';
import { warnConstantUnits } from '../warnings.ts';
import { isotropyOf, medianMagnitude, mostMassive, type Activation } from './isotropy-measures.ts';
import { isotropyViews } from './isotropy-views.ts';

const leastSamples = 2;

const params = z.object({
  outlierFactor: z
    .number()
    .gt(0)
    .default(5)
    .describe('Variance of an outlier unit, as a multiple of the mean variance of units'),
  massiveAbs: z
    .number()
    .min(0)
    .default(100)
    .describe('Magnitude that a massive activation exceeds'),
  massiveRatio: z
    .number()
    .min(0)
    .default(1000)
    .describe('Multiple of the layer’s median magnitude that a massive activation exceeds too'),
});
type Params = z.infer<typeof params>;

export interface LayerIsotropy {
  label: string;
  anisotropy: Real;
  channelStd: Real;
  outlierDims: number[];
  massive: Activation[];
  /** Variance of each unit, in units of their mean. */
  relative: Float64Array;
}

export const isotropy: AnalysisDefinition<typeof params> = {
  id: 'isotropy',
  family: 'geometry',
  title: 'Isotropy and outliers',
  summary: 'Whether samples point everywhere or all one way, and which units dominate them.',
  arity: 1,
  params,
  values: {
    anisotropy:
      'mean cosine between two different samples: 0 for directions spread evenly, 1 for one direction',
    outlierDims: 'units of at least outlierFactor times the mean variance, ascending, from 0',
    massive: `activations beyond both limits as { sample, unit, value }, the largest first, at most ${mostMassive}`,
    channelStd:
      'mean over units of the standard deviation of x/‖x‖: about 1/√d for a healthy layer, 0 for a collapsed one',
  },
  headline: 'anisotropy',
  formula: `u_i = x_i/‖x_i‖ for the N samples that are not zero.
anisotropy = (‖Σu_i‖² − N)/(N(N − 1)), the mean cosine over pairs i ≠ j (Ethayarajh 2019).
outlierDims: units j with var_j ≥ outlierFactor·mean(var), population variances (Rudman et al. 2023).
massive: |x_ij| > massiveAbs and |x_ij| > massiveRatio·median|x| over the layer (Sun et al. 2024).
channelStd = mean over units of the population standard deviation of u_ij (Chen and He 2021).
One pass over the rows; the median takes two more, and only where something exceeds massiveAbs.`,
  invariances: [
    'orthogonal transformation (anisotropy)',
    'permutation of units (all but the indices)',
    'isotropic scaling (all but massive)',
    'permutation of the samples (all but their indices)',
  ],
  invariantTo: ['permutation', 'orthogonal', 'scaling'],
  misleads:
    'One massive unit makes every cosine high: look at outlierDims beside anisotropy. Cosines see the mean: a common offset is anisotropy, whatever lies around it. The limits for massive activations were chosen for residual streams of language models; pooling over tokens hides one that sits on a single token, so capture with pool none. Chance is not zero at small d: cosines of random directions spread by 1/√d.',
  citation:
    'Ethayarajh, How Contextual are Contextualized Word Representations?, EMNLP 2019; Rudman, Chen and Eickhoff, Outlier Dimensions Encode Task-Specific Knowledge, EMNLP 2023; Sun, Chen, Kolter and Liu, Massive Activations in Large Language Models, COLM 2024; Chen and He, Exploring Simple Siamese Representation Learning, CVPR 2021',

  async run(sides, settings, context) {
    const [side] = sides;
    const checked: CheckedRows[] = [];
    const layers: LayerIsotropy[] = [];
    for (const [index, layer] of side!.layers.entries()) {
      const rows = await checkRows(layer, context, leastSamples);
      checked.push(rows);
      const step = (fraction: number) =>
        context.step((index + fraction) / side!.layers.length, `Isotropy of ${rows.label}`);
      layers.push(await layerIsotropy(rows, settings, context, step));
    }
    warnConstantUnits(checked, context);
    return {
      values: layerValues(
        side!,
        layers.map(({ anisotropy, outlierDims, massive, channelStd }) => ({
          anisotropy,
          outlierDims,
          massive: massive.map((activation) => ({ ...activation })),
          channelStd,
        })),
      ),
      estimator: 'isotropy.mean-cosine',
      preprocessing: 'not centred; rows scaled to unit length for anisotropy and channelStd',
      views: isotropyViews(side!, layers, settings.outlierFactor),
    };
  },
};

async function layerIsotropy(
  rows: CheckedRows,
  { outlierFactor, massiveAbs, massiveRatio }: Params,
  context: AnalysisContext,
  step: (fraction: number) => Promise<void>,
): Promise<LayerIsotropy> {
  const { label, n } = rows;
  const found = await isotropyOf(rows, massiveAbs, (part) => step(part / 2));
  if (found.zeroRows > 0) {
    const rest = found.zeroRows === n ? 'so that nothing has a direction' : 'and left out';
    context.warn(`${label}: ${found.zeroRows} of ${n} samples are zero, ${rest}`);
  }
  const typical = mean(found.variances);
  const relative = found.variances.map((variance) => variance / typical);
  const outlierDims = [...relative.keys()].filter((j) => relative[j]! >= outlierFactor);
  let massive: Activation[] = [];
  if (found.largeCount > 0) {
    const limit = massiveRatio * (await medianMagnitude(rows, (part) => step(0.5 + part / 2)));
    massive = found.large.filter(({ value }) => Math.abs(value) > limit);
    if (massive.length === mostMassive) {
      context.warn(`${label}: only the ${mostMassive} largest massive activations are listed`);
    }
  }
  return {
    label,
    anisotropy: real(found.anisotropy),
    channelStd: real(found.channelStd),
    outlierDims,
    massive,
    relative,
  };
}
