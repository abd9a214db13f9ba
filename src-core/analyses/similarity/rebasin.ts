import { z } from 'zod';
import { UserError } from '../../errors.ts';
import {
  movableBytes,
  readMovable,
  type MovableTensor,
  type MovableWeights,
} from '../../models/movable-weights.ts';
import type { Floats } from '../../tensor/matrix.ts';
import type { AnalysisContext, AnalysisDefinition, Side } from '../definition.ts';
import { requireMemory } from '../memory.ts';
import { seed } from '../parameters.ts';
import { Random } from '../random.ts';
import { real } from '../statistics.ts';
import { measurePath, type Paths } from './rebasin-barrier.ts';
import {
  identity,
  matchWeights,
  permuted,
  weightCosine,
  type Permutations,
} from './rebasin-match.ts';
import { gridPoints, matchActivations, probeBatches, type ProbeBatches } from './rebasin-run.ts';
import { rebasinViews } from './rebasin-views.ts';

const params = z.object({
  data: z
    .enum(['weights', 'activations'])
    .default('weights')
    .describe('What units are matched by: the weights around them, or what they do on the probe'),
  seed,
});

export const rebasin: AnalysisDefinition<typeof params> = {
  id: 'rebasin',
  family: 'similarity',
  title: 'Permutation alignment of weights',
  summary:
    'Whether two models are one up to the order of their hidden units, and what lies between them.',
  arity: 2,
  relation: 'layers',
  input: 'weights',
  params,
  values: {
    permutations:
      'of each layer in forward order, the unit of the second model that takes the place of each unit of the first, from 0',
    layers: 'names of these layers: the value of the first model that holds their units',
    barrier:
      'highest loss above the straight line between the losses of both models, on the way from the first to the aligned second; 0 for none; null without a graph',
    barrierUnaligned: 'the same on the way to the second model as it is',
    midpoint:
      'difference of the output halfway from the mean output of both ends, relative to it; 0 for models that are one',
    midpointUnaligned: 'the same without alignment',
    cosine: 'cosine of the weights of the first and the aligned second model, −1 to 1',
    cosineUnaligned: 'the same without alignment',
  },
  headline: 'barrier',
  formula: `data=weights: maximise Σ over tensors of ⟨W_A, P_out W_B P_inᵀ⟩ over the permutations P of all hidden layers by coordinate descent: layers in random order (seed), each by linear assignment with the other layers kept, until none gains (Ainsworth, Hayase and Srinivasa 2023, algorithm 1). Biases and normalisation weights move with their units and count.
data=activations: each layer by linear assignment of Σ z_A z_Bᵀ over the probe, z what its units hand to the next linear layer (the same paper, section 3.1).
barrier = max_λ [L(λ) − (1−λ)·L(0) − λ·L(1)], L(λ) the loss on the probe of the model with weights (1−λ)·W_A + λ·W_B, aligned or not, over ${gridPoints} evenly spaced λ from 0 to 1; every mix is run.
L is the mean cross-entropy of the first output with the probe’s labels where these are its classes (as row numbers, or as many different labels as outputs); otherwise the mean squared difference of the first output from (1−λ)·f_A + λ·f_B, which is 0 at both ends.
midpoint = ‖f(½) − (f_A + f_B)/2‖/‖(f_A + f_B)/2‖ over the probe.
Units are followed through Gemm, MatMul and Conv (one group, or one filter a channel), elementwise functions, sums of layers, pooling, flattening and normalisation by statistics of units or batches. Units that meet anything else, e.g. attention or Concat, stay in place. A checkpoint without a graph must hold linear layers alone that follow one another by name; it gets permutations and no barrier.`,
  invariances: [
    'permutation of the hidden units of either model (barrier, midpoint and cosine after alignment, where the descent finds the best permutations)',
  ],
  misleads:
    'Coordinate descent ends in a local optimum: another seed may find a lower barrier. A barrier is of one loss on one probe. Wide networks trained long have low barriers, narrow ones not. Batch normalisation keeps the running statistics of both models mixed, which are not those of the mixed model: its barrier comes out too high until they are computed anew. Functions that differ by scales of units are not matched.',
  citation:
    'Ainsworth, Hayase and Srinivasa, Git Re-Basin: Merging Models modulo Permutation Symmetries, ICLR 2023',

  async run(sides, settings, context) {
    const [first, second] = sides as [Side, Side];
    requireMemory(
      context,
      6 * (movableBytes(first.model!) + movableBytes(second.model!)),
      `weights of ${first.name} and ${second.name}`,
      'choose smaller models',
    );
    const a = await readMovable(first.model!);
    const b = alike(first, second, a, await readMovable(second.model!));
    const { units } = a;
    checkUnits(first, a, context);
    const probe = await readProbe(first, a, settings.data === 'activations', context);
    const step = (from: number, share: number, what: string) => (fraction: number) =>
      context.step(from + share * fraction, what);

    const matched: Permutations =
      settings.data === 'activations'
        ? await matchActivations(
            context.engine,
            units,
            [a, b.weights],
            b.weights.units.points,
            probe!,
            step(0.1, 0.3, 'Matching activations'),
          )
        : await matchWeights(
            context.engine,
            units,
            a.tensors,
            b.tensors,
            new Random(settings.seed),
            step(0.1, 0.3, 'Matching weights'),
          );
    const aligned = b.tensors.map((tensor) => permuted(tensor, units.axes, matched));
    const own = a.tensors.map(({ data }) => data);
    const plain = b.tensors.map(({ data }) => data);
    let paths: Paths | undefined;
    if (probe && a.graph) {
      paths = await measurePath(
        a,
        { own, plain, aligned },
        probe,
        context,
        step(0.4, 0.6, 'Running the way between both'),
      );
    }
    const cosines = { aligned: weightCosine(own, aligned), plain: weightCosine(own, plain) };
    return {
      values: {
        permutations: matched.map((order) => [...order]),
        layers: units.layers.map(({ name }) => name),
        barrier: real(paths?.aligned.barrier ?? NaN),
        barrierUnaligned: real(paths?.plain.barrier ?? NaN),
        midpoint: real(paths?.aligned.midpoint ?? NaN),
        midpointUnaligned: real(paths?.plain.midpoint ?? NaN),
        cosine: real(cosines.aligned),
        cosineUnaligned: real(cosines.plain),
      },
      estimator: `rebasin.${settings.data}${paths ? `.${paths.loss}` : ''}`,
      preprocessing: probe ? `probe: ${probe.description}` : 'none',
      views: rebasinViews(
        units.layers.map(({ name }, layer) => {
          const axes = units.axes.filter((tied) => tied.layer === layer);
          const names = new Set(axes.map(({ tensor }) => tensor));
          const around = (data: readonly Floats[]) =>
            data.filter((_, at) => names.has(a.tensors[at]!.name));
          return {
            name,
            order: matched[layer]!,
            moved: identity(matched[layer]!.length).filter((at) => matched[layer]![at] !== at)
              .length,
            cosine: weightCosine(around(own), around(aligned)),
            cosineUnaligned: weightCosine(around(own), around(plain)),
          };
        }),
        paths,
      ),
    };
  },
};

/**
 * The second model's tensors under the names of the first's.
 * @throws UserError `wrong-shape` where the models are not of one architecture.
 */
function alike(
  first: Side,
  second: Side,
  a: MovableWeights,
  b: MovableWeights,
): { tensors: MovableTensor[]; weights: MovableWeights } {
  const differ = (what: string) =>
    new UserError(
      'wrong-shape',
      `${first.name} and ${second.name}`,
      `are not of one architecture: ${what}`,
      'give two models that differ in their weights alone',
    );
  if (a.tensors.length !== b.tensors.length) {
    throw differ(`${a.tensors.length} and ${b.tensors.length} float tensors`);
  }
  const byName = new Map(b.tensors.map((tensor) => [tensor.name, tensor]));
  const named = a.tensors.every(({ name }) => byName.has(name));
  const tensors = a.tensors.map(({ name }, at) => (named ? byName.get(name)! : b.tensors[at]!));
  for (const [at, tensor] of tensors.entries()) {
    const twin = a.tensors[at]!;
    if (tensor.shape.join() === twin.shape.join()) continue;
    throw differ(
      `${twin.name} is [${twin.shape.join(', ')}] and ${tensor.name} [${tensor.shape.join(', ')}]`,
    );
  }
  // Names are a matter of the export; what is tied to what is not.
  const ties = ({ units }: MovableWeights, order: readonly MovableTensor[]) =>
    JSON.stringify(
      units.axes.map(({ tensor, ...tied }) => [
        order.findIndex(({ name }) => name === tensor),
        tied,
      ]),
    );
  if (ties(a, a.tensors) !== ties(b, tensors)) throw differ('their units meet in other ways');
  return {
    tensors: tensors.map((tensor, at) => ({ ...tensor, name: a.tensors[at]!.name })),
    weights: b,
  };
}

function checkUnits(side: Side, { units }: MovableWeights, context: AnalysisContext): void {
  const { layers, obstacles, batchNorm } = units;
  if (layers.length === 0) {
    throw new UserError(
      'unsupported',
      side.name,
      `has no hidden layer whose units can be put in another order${
        obstacles.length > 0
          ? `: they meet ${obstacles.join(', ')}`
          : ': no linear layer with float weights hands its units to another'
      }`,
      'give models of linear layers with elementwise functions between them',
    );
  }
  if (obstacles.length > 0) {
    context.warn(`units that meet ${obstacles.join(', ')} stay in place`);
  }
  if (batchNorm) {
    context.warn(
      'running statistics of batch normalisation are mixed like weights, not computed anew: barriers come out too high',
    );
  }
}

/** The probe, where models can be run on it; that they cannot is told, or refused where it is needed. */
async function readProbe(
  side: Side,
  weights: MovableWeights,
  needed: boolean,
  context: AnalysisContext,
): Promise<ProbeBatches | undefined> {
  const found = await tryProbe(side, weights, context);
  if (typeof found !== 'string') return found;
  if (needed) {
    throw new UserError(
      'unsupported',
      side.name,
      `${found}, and data=activations runs it`,
      'use data=weights',
    );
  }
  context.warn(`barrier and midpoint are null: ${side.name} ${found}`);
  return undefined;
}

/** The probe, or why there is none. */
async function tryProbe(
  side: Side,
  weights: MovableWeights,
  context: AnalysisContext,
): Promise<ProbeBatches | string> {
  if (!weights.graph || !side.feed) return 'has no graph to run';
  try {
    const feed = await side.feed();
    if (feed.caution !== undefined) context.warn(feed.caution);
    const sizes = side.model!.outline.inputs.map(({ shape }) => shape[0]);
    const fixed = sizes.find((size) => typeof size === 'number');
    return await probeBatches(feed, fixed, context, (part) =>
      context.step(0.1 * part, 'Reading the probe'),
    );
  } catch (error) {
    if (!(error instanceof UserError) || error.code === 'memory') throw error;
    return `takes no such probe (${error.message})`;
  }
}
