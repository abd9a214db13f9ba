import { z } from 'zod';
import type { Engine } from '../../engine/device-engine.ts';
import type { Real, View } from '../../results/schema.ts';
import { Matrix } from '../../tensor/matrix.ts';
import type { AnalysisContext, AnalysisDefinition, NamedRows, Side } from '../definition.ts';
import { renyiEntropy } from '../geometry/entropy-measures.ts';
import { momentEigenvalues } from '../geometry/second-moment.ts';
import { sequencesIn, startsOf, type Sequence } from '../sequences.ts';
import { mean, real } from '../statistics.ts';
import { relativeResidual } from './rank-collapse-residual.ts';

const params = z.object({
  epsilon: z
    .number()
    .positive()
    .default(0.5)
    .describe('Precision to which the coding rate describes tokens'),
});

export const rankCollapse: AnalysisDefinition<typeof params> = {
  id: 'rank-collapse',
  family: 'collapse',
  title: 'Rank collapse over depth',
  summary: 'Whether the tokens of a sequence become one and the same as layers follow each other.',
  arity: 1,
  input: 'tokens',
  params,
  values: {
    residual:
      'of each layer: what is left of a sequence when its mean token is taken away, as a share of the whole; 0 when all tokens are equal',
    residualWithoutFirst:
      'the same without the first token, whose massive values may hide all others',
    entropy:
      'of each layer: entropy in nats of the eigenvalues of the tokens’ Gram matrix; 0 when all tokens point one way, at most the logarithm of their number',
    codingRate:
      'of each layer: nats that describe its tokens to the precision epsilon; grows with their scale and their spread',
  },
  headline: 'residual',
  formula: `X tokens × units of one sequence, not centred; every value is the mean over sequences.
residual = ‖X − 1x̄ᵀ‖_{1,∞} / ‖X‖_{1,∞}, x̄ the mean token, ‖A‖_{1,∞} = √(‖A‖_1·‖A‖_∞), the largest column and row sums of |A| (Dong, Cordonnier and Loukas 2021).
entropy = −Σ p_i log p_i, p_i = λ_i(XXᵀ)/tr(XXᵀ).
codingRate = ½ log det(I + d/(T·epsilon²)·XᵀX) for T tokens of d units (Ma et al. 2007; Yu et al. 2020).
Sequences of one token are left out; so are those of zeros alone, whose share has no value.
A matrix file is one layer; one of three axes is layers × tokens × units.`,
  invariances: [
    'permutation of the tokens',
    'permutation of the units',
    'isotropic scaling (all but codingRate)',
    'rotation of the units (entropy and codingRate)',
  ],
  invariantTo: ['permutation', 'scaling'],
  misleads:
    'A residual connection keeps the share high without any work by the layer. One massive token dominates the norms: compare with residualWithoutFirst. In a causal model the first token sees itself alone and stays apart from the rest. The coding rate is not scaled: layers whose activations are larger have a higher one.',
  citation:
    'Dong, Cordonnier and Loukas, Attention is not all you need: pure attention loses rank doubly exponentially with depth, ICML 2021; Ma, Derksen, Hong and Wright, Segmentation of multivariate mixed data via lossy data coding and compression, TPAMI 2007; Yu, Chan, You, Song and Ma, Learning diverse and discriminative representations via the principle of maximal coding rate reduction, NeurIPS 2020',

  async run(sides, settings, context) {
    const side = sides[0]!;
    const starts = startsOf(side);
    const layers: LayerCollapse[] = [];
    for (const [position, layer] of side.layers.entries()) {
      const step = (fraction: number) =>
        context.step((position + fraction) / side.layers.length, `Tokens of ${layer.label}`);
      const each = await measure(layer, starts, settings.epsilon, context, step);
      // The sequences of a matrix file are layers.
      layers.push(...(side.layered ? [averaged(layer.label, each, context)] : apart(each)));
    }
    if (layers.some(({ residual }) => residual === null)) {
      const labels = layers.filter(({ residual }) => residual === null).map(({ label }) => label);
      context.warn(
        `no residual where all values are 0 or there is one token only: ${labels.join(', ')}`,
      );
    }
    const valuesOf = (key: Measure) => layers.map((layer) => layer[key]);
    return {
      values: Object.fromEntries(measures.map((key) => [key, valuesOf(key)])),
      estimator: 'rank-collapse.dong2021',
      preprocessing: 'not centred',
      views: viewsOf(side, layers),
    };
  },
};

const measures = ['residual', 'residualWithoutFirst', 'entropy', 'codingRate'] as const;
type Measure = (typeof measures)[number];
type LayerCollapse = { label: string } & Record<Measure, Real>;
/** Undefined for a sequence of one token. */
type SequenceCollapse = Record<Measure, number> | undefined;

type Step = (fraction: number) => Promise<void>;

async function measure(
  layer: NamedRows,
  starts: Uint32Array,
  epsilon: number,
  context: AnalysisContext,
  step: Step,
): Promise<SequenceCollapse[]> {
  const each: SequenceCollapse[] = [];
  for await (const sequence of sequencesIn(layer, starts)) {
    const done = (part: number) => step((sequence.index + part) / (starts.length - 1));
    await done(0);
    each.push(
      sequence.tokens < 2
        ? undefined
        : await ofSequence(sequence, layer.d, epsilon, context.engine, done),
    );
  }
  return each;
}

async function ofSequence(
  { tokens, data }: Sequence,
  d: number,
  epsilon: number,
  engine: Engine,
  step: Step,
): Promise<SequenceCollapse> {
  const rows = new Matrix(tokens, d, Float64Array.from(data));
  const eigenvalues = await momentEigenvalues(engine, rows, step);
  const rate = (sum: number, value: number) => sum + Math.log1p((d / epsilon ** 2) * value);
  return {
    residual: relativeResidual(data, d),
    residualWithoutFirst: tokens < 3 ? NaN : relativeResidual(data.subarray(d), d),
    entropy: renyiEntropy(eigenvalues, 1),
    codingRate: eigenvalues.reduce(rate, 0) / 2,
  };
}

/** One layer: the mean over its sequences. */
function averaged(
  label: string,
  each: readonly SequenceCollapse[],
  context: AnalysisContext,
): LayerCollapse {
  const several = each.filter((values) => values !== undefined);
  if (several.length < each.length) {
    context.warn(
      `${label}: ${each.length - several.length} of ${each.length} sequences have one token and are left out`,
    );
  }
  const meanOf = (key: Measure) =>
    real(mean(several.map((values) => values[key]).filter(Number.isFinite)));
  return {
    label,
    residual: meanOf('residual'),
    residualWithoutFirst: meanOf('residualWithoutFirst'),
    entropy: meanOf('entropy'),
    codingRate: meanOf('codingRate'),
  };
}

/** Every sequence a layer of its own, numbered from 0. */
const apart = (each: readonly SequenceCollapse[]): LayerCollapse[] =>
  each.map((values, index) => ({
    label: String(index),
    residual: real(values?.residual ?? NaN),
    residualWithoutFirst: real(values?.residualWithoutFirst ?? NaN),
    entropy: real(values?.entropy ?? NaN),
    codingRate: real(values?.codingRate ?? NaN),
  }));

function viewsOf(side: Side, layers: readonly LayerCollapse[]): View[] {
  const line = (title: string, unit: string, names: readonly Measure[], log: boolean): View => ({
    kind: 'line',
    title,
    x: { name: side.name, values: layers.map(({ label }) => label) },
    y: { name: unit, ...(log ? { log } : {}) },
    series: names.map((name) => ({ name, values: layers.map((layer) => layer[name]) })),
  });
  const positive = layers.every(({ residual }) => residual === null || residual > 0);
  return [
    ...(layers.length > 1
      ? [
          line(
            'What is left beside the mean token',
            'share',
            ['residual', 'residualWithoutFirst'],
            positive,
          ),
          line('Entropy of tokens', 'nats', ['entropy'], false),
          line('Coding rate of tokens', 'nats', ['codingRate'], false),
        ]
      : []),
    {
      kind: 'table',
      title: 'Rank collapse',
      columns: ['layer', ...measures],
      rows: layers.map((layer) => [layer.label, ...measures.map((name) => layer[name])]),
    },
  ];
}
