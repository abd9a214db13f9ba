import { z } from 'zod';
import type { Real, View } from '../../results/schema.ts';
import type { AnalysisDefinition, Side } from '../definition.ts';
import { layerValues } from '../layers.ts';
import { sequencesIn, startsOf, type Sequence } from '../sequences.ts';
import { mean, real } from '../statistics.ts';

const params = z.object({});

export const curvature: AnalysisDefinition<typeof params> = {
  id: 'curvature',
  family: 'geometry',
  title: 'Curvature of token trajectories',
  summary: 'How sharply the path that a sequence takes through a layer turns at each token.',
  arity: 1,
  input: 'tokens',
  params,
  values: {
    degrees:
      'mean angle between consecutive steps of a sequence, averaged over sequences; 0 (a straight line) to 180 degrees',
    withoutFirst:
      'the same without the first token of each sequence, whose values are often far larger than all others',
    skipped: 'steps of length zero, where a token has the state of the one before it',
  },
  headline: 'degrees',
  formula: `v_k = z_{k+1} − z_k for the states z_1 … z_T of a sequence; steps of length zero are skipped and counted.
degrees = mean over sequences of mean_k arccos(v_{k+1}·v_k / (‖v_{k+1}‖‖v_k‖)) · 180/π (Hosseini and Fedorenko 2023); sequences with fewer than two steps have no angle and are left out.
The angle is computed as 2·atan2(‖u − w‖, ‖u + w‖) of the unit steps, which is as exact near 0 and 180 degrees as elsewhere.
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
    const starts = startsOf(side);
    const sequences = starts.length - 1;
    const layers: LayerCurvature[] = [];
    for (const [position, layer] of side.layers.entries()) {
      const all: number[] = [];
      const rest: number[] = [];
      let skipped = 0;
      for await (const sequence of sequencesIn(layer, starts)) {
        const turn = turnsOf(sequence, layer.d);
        skipped += turn.skipped;
        if (turn.count > 0) all.push(turn.sum / turn.count);
        if (turn.restCount > 0) rest.push(turn.restSum / turn.restCount);
        await context.step(
          (position + (sequence.index + 1) / sequences) / side.layers.length,
          `Curvature of ${layer.label}`,
        );
      }
      if (all.length < sequences) {
        context.warn(
          `${layer.label}: ${sequences - all.length} of ${sequences} sequences have fewer than two steps and no angle`,
        );
      }
      layers.push({
        label: layer.label,
        each: all,
        degrees: real(mean(all)),
        withoutFirst: real(mean(rest)),
        skipped,
      });
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

/** Sums of angles in degrees: of all, and of those that the first token has no part in. */
function turnsOf({ tokens, data }: Sequence, d: number) {
  const turn = { sum: 0, count: 0, restSum: 0, restCount: 0, skipped: 0 };
  let last = new Float64Array(d);
  let next = new Float64Array(d);
  let hasLast = false;
  let lastFromFirst = false;
  for (let token = 1; token < tokens; token++) {
    let squares = 0;
    for (let j = 0, at = token * d; j < d; j++, at++) {
      const difference = data[at]! - data[at - d]!;
      next[j] = difference;
      squares += difference * difference;
    }
    if (squares === 0) {
      turn.skipped++;
      continue;
    }
    const length = Math.sqrt(squares);
    for (let j = 0; j < d; j++) next[j]! /= length;
    if (hasLast) {
      const angle = angleBetween(last, next);
      turn.sum += angle;
      turn.count++;
      if (!lastFromFirst) {
        turn.restSum += angle;
        turn.restCount++;
      }
    }
    [last, next, hasLast, lastFromFirst] = [next, last, true, token === 1];
  }
  return turn;
}

/** Angle of two unit vectors in degrees (Kahan's formula). */
function angleBetween(u: Float64Array, w: Float64Array): number {
  let [apart, along] = [0, 0];
  for (let j = 0; j < u.length; j++) {
    apart += (u[j]! - w[j]!) ** 2;
    along += (u[j]! + w[j]!) ** 2;
  }
  return (2 * Math.atan2(Math.sqrt(apart), Math.sqrt(along)) * 180) / Math.PI;
}

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
