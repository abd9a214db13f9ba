import { z } from 'zod';
import { UserError } from '../../errors.ts';
import type { Real, View } from '../../results/schema.ts';
import { Matrix } from '../../tensor/matrix.ts';
import type { AnalysisContext, AnalysisDefinition, NamedRows, Side } from '../definition.ts';
import { checkRows, layerValues } from '../layers.ts';
import { sequencesIn, startsOf } from '../sequences.ts';
import { mean, real } from '../statistics.ts';
import { renyiEntropy } from './entropy-measures.ts';
import { momentEigenvalues } from './second-moment.ts';

const params = z.object({
  alpha: z
    .number()
    .positive()
    .max(1000)
    .default(1)
    .describe('Order of the entropy: 1 is Shannon’s, 2 the logarithm of the participation ratio'),
  scope: z
    .enum(['prompt', 'dataset'])
    .default('dataset')
    .describe(
      'Of the tokens of each sample, averaged over samples, or of all samples after pooling',
    ),
  normalize: z
    .enum(['none', 'logn', 'logd', 'logmin'])
    .default('none')
    .describe('Divide by the logarithm of the rows, of the units, or of the smaller of both'),
});
type Params = z.infer<typeof params>;

export const entropy: AnalysisDefinition<typeof params> = {
  id: 'entropy',
  family: 'geometry',
  title: 'Matrix entropy',
  summary: 'How evenly tokens, or samples, spread over the directions of a layer.',
  arity: 1,
  // An array of sequences × tokens × units is pooled here, as models are when they are captured.
  input: ({ scope }) => (scope === 'prompt' ? 'tokens' : 'repeats'),
  params,
  values: {
    entropy:
      'entropy in nats of the normalised eigenvalues of the Gram matrix, 0 to the logarithm of the smaller of rows and units; 0 to 1 after dividing by a logarithm that bounds it',
    effectiveRank:
      'exponential of the entropy before it is divided by a logarithm: directions in use',
  },
  headline: 'entropy',
  formula: `Z rows × units, not centred: the tokens of one sample (scope=prompt) or all samples, pooled (scope=dataset; an array of samples × tokens × units is averaged over its tokens); p_i = λ_i(ZZᵀ)/tr(ZZᵀ).
S_α = log(Σ p_i^α)/(1 − α); for α = 1 its limit −Σ p_i log p_i, with 0·log 0 = 0 (Giraldo, Rao and Príncipe 2015).
scope=prompt: the mean of S_α over samples, each divided by the logarithm that normalize names of its own tokens n and units d; samples of zeros alone, and those of one token where n divides, are left out.
effectiveRank = exp(mean S_α) without division. With α = 2 that of one matrix is the participation ratio of its uncentred spectrum.
The eigenvalues are those of the smaller of ZZᵀ and ZᵀZ, in float64.`,
  invariances: [
    'orthogonal transformation (rotation, reflection, permutation of units)',
    'isotropic scaling',
    'permutation of the samples, and of the tokens within a sample',
  ],
  invariantTo: ['permutation', 'orthogonal', 'scaling'],
  misleads:
    'It grows with the number of rows: compare samples of one length, or normalise. Nothing is centred, so a large common offset, or one token with massive values, brings it near 0 however varied the rest is: spectrum gives the centred counterpart.',
  citation:
    'Giraldo, Rao and Príncipe, Measures of entropy from data using infinitely divisible kernels, IEEE Transactions on Information Theory 2015; Skean et al., Does Representation Matter? Exploring Intermediate Layers in Large Language Models, 2024; Roy and Vetterli, The effective rank, EUSIPCO 2007',

  async run(sides, settings, context) {
    const side = sides[0]!;
    const layers: LayerEntropy[] = [];
    for (const [position, layer] of side.layers.entries()) {
      const step = (fraction: number) =>
        context.step((position + fraction) / side.layers.length, `Entropy of ${layer.label}`);
      const of = settings.scope === 'prompt' ? ofPrompts : ofDataset;
      layers.push(await of(layer, side, settings, context, step));
    }
    return {
      values: layerValues(
        side,
        layers.map(({ entropy, effectiveRank }) => ({ entropy, effectiveRank })),
      ),
      estimator: `entropy.matrix.${settings.scope}.renyi-${settings.alpha}`,
      preprocessing: 'not centred',
      views: viewsOf(side, layers, settings),
    };
  },
};

interface LayerEntropy {
  label: string;
  entropy: Real;
  effectiveRank: Real;
  /** scope=prompt: that of each sample. */
  each: number[];
}

type Step = (fraction: number) => Promise<void>;

/** The mean over the tokens of each sample, of an array of samples × tokens × units. */
function pooled(layer: NamedRows): NamedRows {
  if (layer.sample === undefined) return layer;
  const [tokens, d, ...more] = layer.sample;
  if (tokens === undefined || d === undefined || more.length > 0) {
    throw new UserError(
      'wrong-shape',
      layer.label,
      `has ${layer.sample.length + 1} axes, and this analysis takes samples × units or samples × tokens × units`,
      'select or flatten the rest',
    );
  }
  const { label, n } = layer;
  return {
    label,
    n,
    d,
    dtype: 'float64',
    async rows(start, end) {
      const data = await layer.rows(start, end);
      const means = new Float64Array((end - start) * d);
      data.forEach((value, at) => {
        means[Math.floor(at / (tokens * d)) * d + (at % d)]! += value / tokens;
      });
      return means;
    },
  };
}

async function ofDataset(
  given: NamedRows,
  _: Side,
  settings: Params,
  context: AnalysisContext,
  step: Step,
): Promise<LayerEntropy> {
  const layer = pooled(given);
  const rows = await checkRows(layer, context, 2);
  const eigenvalues = await momentEigenvalues(context.engine, rows.uncentred('float64'), step);
  const raw = renyiEntropy(eigenvalues, settings.alpha);
  if (Number.isNaN(raw)) context.warn(`${layer.label}: all values are 0, so its entropy is null`);
  const value = raw / divisor(settings, layer.n, layer.d);
  if (!Number.isFinite(value) && Number.isFinite(raw)) {
    context.warn(`${layer.label}: the logarithm to divide by is 0, so its entropy is null`);
  }
  return {
    label: layer.label,
    entropy: real(value),
    effectiveRank: real(Math.exp(raw)),
    each: [],
  };
}

async function ofPrompts(
  layer: NamedRows,
  side: Side,
  settings: Params,
  context: AnalysisContext,
  step: Step,
): Promise<LayerEntropy> {
  const starts = startsOf(side);
  const count = starts.length - 1;
  const raw: number[] = [];
  const each: number[] = [];
  for await (const { index, tokens, data } of sequencesIn(layer, starts)) {
    const rows = new Matrix(tokens, layer.d, Float64Array.from(data));
    const eigenvalues = await momentEigenvalues(context.engine, rows, (part) =>
      step((index + part) / count),
    );
    const value = renyiEntropy(eigenvalues, settings.alpha);
    const divided = value / divisor(settings, tokens, layer.d);
    if (!Number.isFinite(divided)) continue;
    raw.push(value);
    each.push(divided);
  }
  if (each.length < count) {
    context.warn(
      `${layer.label}: ${count - each.length} of ${count} samples are zero or have one token, and are left out`,
    );
  }
  return {
    label: layer.label,
    entropy: real(mean(each)),
    effectiveRank: real(Math.exp(mean(raw))),
    each,
  };
}

/** 0 and 0/0 where the logarithm of one row or unit would divide. */
function divisor({ normalize }: Params, n: number, d: number): number {
  if (normalize === 'none') return 1;
  return Math.log(normalize === 'logn' ? n : normalize === 'logd' ? d : Math.min(n, d));
}

const fewSamples = 8;
const bins = 20;

function viewsOf(side: Side, layers: readonly LayerEntropy[], settings: Params): View[] {
  const unit = settings.normalize === 'none' ? 'nats' : `entropy / ${settings.normalize}`;
  const views: View[] = [];
  const x = { name: side.name, values: layers.map(({ label }) => label) };
  if (layers.length > 1) {
    const line = (title: string, name: string, values: Real[]): View => ({
      kind: 'line',
      title,
      x,
      y: { name },
      series: [{ name, values }],
    });
    views.push(
      line(
        'Entropy over layers',
        unit,
        layers.map(({ entropy }) => entropy),
      ),
      line(
        'Effective rank over layers',
        'directions',
        layers.map(({ effectiveRank }) => effectiveRank),
      ),
    );
  } else if (layers[0] && layers[0].each.length >= fewSamples) {
    views.push(histogram(layers[0].each, unit));
  }
  views.push({
    kind: 'table',
    title: 'Matrix entropy',
    columns: ['layer', 'entropy', 'effective rank'],
    rows: layers.map(({ label, entropy, effectiveRank }) => [label, entropy, effectiveRank]),
  });
  return views;
}

function histogram(values: readonly number[], name: string): View {
  const low = Math.min(...values);
  const width = (Math.max(...values) - low) / bins || 1;
  const counts = Array<number>(bins).fill(0);
  for (const value of values) counts[Math.min(bins - 1, Math.floor((value - low) / width))]! += 1;
  return {
    kind: 'histogram',
    title: 'Entropy of samples',
    x: { name },
    edges: Array.from({ length: bins + 1 }, (_, i) => low + i * width),
    counts,
  };
}
