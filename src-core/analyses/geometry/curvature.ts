import { z } from 'zod';
import type { Real, View } from '../../results/schema.ts';
import type { AnalysisContext, AnalysisDefinition, Side } from '../definition.ts';
import { layerValues } from '../layers.ts';
import { reducedTokens, type ReducedRows } from '../reduced-tokens.ts';
import { mean, real } from '../statistics.ts';
import { turns, turnsReduction } from './curvature-turns.ts';

const params = z.object({});

export const curvature: AnalysisDefinition<typeof params> = {
  id: 'curvature',
  family: 'geometry',
  title: 'Curvature of token trajectories',
  summary: 'How sharply the path that a sequence takes through a layer turns at each token.',
  arity: 1,
  input: 'tokens',
  reduction: turnsReduction,
  params,
  values: {
    degrees:
      'mean angle between consecutive steps of a sequence, averaged over sequences; 0 (a straight line) to 180 degrees',
    withoutFirst:
      'the same without the first token of each sequence, whose values are often far larger than all others',
    skipped: 'steps of length zero, where a token has the state of the one before it',
  },
  headline: 'degrees',
  formula: `v_k = z_{k+1} − z_k for the states z_1 … z_T of a sequence; steps of length zero are skipped and counted, so that the steps before and after them are consecutive.
degrees = mean over sequences of mean_k arccos(v_{k+1}·v_k / (‖v_{k+1}‖‖v_k‖)) · 180/π (Hosseini and Fedorenko 2023); sequences without an angle are left out.
The angle is computed as 4·atan(‖u − w‖/(2 + ‖u + w‖)) of the unit steps u and w, which is as exact near 0 and 180 degrees as elsewhere. For models this is done within the model’s own graph, in float32: token states do not leave the device.
Marks to read it by: a line 0, a random walk in many dimensions 90, independent states 120, a circle of n steps 360/n.`,
  invariances: [
    'orthogonal transformation (rotation, reflection, permutation of units)',
    'isotropic scaling',
    'translation',
  ],
  invariantTo: ['permutation', 'orthogonal', 'scaling', 'translation'],
  misleads:
    'The order of tokens is the path: shuffled text is as long a path. Values near 120 degrees say no more than that consecutive states are about as different as any two. Positional embeddings bend early layers alike for every text. A first token with massive values turns the path once, which weighs most in short sequences.',
  citation:
    'Hosseini and Fedorenko, Large language models implicitly learn to straighten neural sentence trajectories to construct a predictive representation of natural language, NeurIPS 2023; Skean et al., Layer by Layer: Uncovering Hidden Representations in Language Models, ICML 2025',

  async run(sides, _, context) {
    const side = sides[0]!;
    const layers: LayerCurvature[] = [];
    for (const [position, layer] of side.layers.entries()) {
      const step = (fraction: number) =>
        context.step((position + fraction) / side.layers.length, `Curvature of ${layer.label}`);
      const reduced = await reducedTokens(side, layer, turnsReduction, context, step);
      layers.push(layerCurvature(layer.label, reduced, context));
    }
    return {
      values: layerValues(
        side,
        layers.map(({ degrees, withoutFirst, skipped }) => ({ degrees, withoutFirst, skipped })),
      ),
      estimator: 'curvature.steps.sequence-mean',
      preprocessing: 'none',
      views: viewsOf(side, layers),
    };
  },
};

interface LayerCurvature {
  label: string;
  /** Mean angle of each sequence that has one. */
  each: number[];
  degrees: Real;
  withoutFirst: Real;
  skipped: number;
}

function layerCurvature(
  label: string,
  { n, width, data }: ReducedRows,
  context: AnalysisContext,
): LayerCurvature {
  const all: number[] = [];
  const rest: number[] = [];
  let skipped = 0;
  const at = (sample: number, name: (typeof turns)[number]) =>
    data[sample * width + turns.indexOf(name)]!;
  for (let sample = 0; sample < n; sample++) {
    skipped += at(sample, 'skipped');
    const count = at(sample, 'count');
    if (count > 0) all.push(inDegrees(at(sample, 'sum') / count));
    const restCount = at(sample, 'restCount');
    if (restCount > 0) rest.push(inDegrees(at(sample, 'restSum') / restCount));
  }
  if (all.length < n) {
    context.warn(
      `${label}: ${n - all.length} of ${n} sequences have fewer than two steps and no angle`,
    );
  }
  return { label, each: all, degrees: real(mean(all)), withoutFirst: real(mean(rest)), skipped };
}

const inDegrees = (radians: number) => (radians * 180) / Math.PI;

const fewSequences = 8;
const bins = 18;

function viewsOf(side: Side, layers: readonly LayerCurvature[]): View[] {
  const views: View[] = [];
  if (layers.length > 1) {
    views.push({
      kind: 'line',
      title: 'Curvature over layers',
      x: { name: side.name, values: layers.map(({ label }) => label) },
      y: { name: 'degrees' },
      series: [
        { name: 'all tokens', values: layers.map(({ degrees }) => degrees) },
        { name: 'without the first', values: layers.map(({ withoutFirst }) => withoutFirst) },
      ],
    });
  } else if (layers[0] && layers[0].each.length >= fewSequences) {
    const counts = Array<number>(bins).fill(0);
    for (const angle of layers[0].each) {
      counts[Math.min(bins - 1, Math.floor((angle * bins) / 180))]! += 1;
    }
    views.push({
      kind: 'histogram',
      title: 'Curvature of sequences',
      x: { name: 'degrees' },
      edges: Array.from({ length: bins + 1 }, (_, i) => (180 * i) / bins),
      counts,
    });
  }
  views.push({
    kind: 'table',
    title: 'Curvature',
    columns: ['layer', 'degrees', 'without the first token', 'skipped steps'],
    rows: layers.map(({ label, degrees, withoutFirst, skipped }) => [
      label,
      degrees,
      withoutFirst,
      skipped,
    ]),
  });
  return views;
}
