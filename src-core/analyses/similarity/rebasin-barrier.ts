import { UserError } from '../../errors.ts';
import type { MovableWeights } from '../../models/movable-weights.ts';
import type { Floats } from '../../tensor/matrix.ts';
import type { AnalysisContext } from '../definition.ts';
import { requireMemory } from '../memory.ts';
import {
  crossEntropy,
  gridPoints,
  mixed,
  MixedModel,
  relativeDifference,
  type ProbeBatches,
} from './rebasin-run.ts';

/** What lies between two models. */
export interface Path {
  /** Loss at each point of the grid. */
  losses: number[];
  /** Highest excess over the straight line between the ends. */
  barrier: number;
  /** Relative difference of the output halfway from the mean of the ends. */
  midpoint: number;
}

export interface Paths {
  loss: 'cross-entropy' | 'squared-difference';
  plain: Path;
  aligned: Path;
}

/** Outputs of the permuted model may be off by rounding alone. */
const sameFunction = 1e-3;

/** Weights of the first model, of the second as it is, and of the second with its units moved. */
interface Ends {
  own: readonly Floats[];
  plain: readonly Floats[];
  aligned: readonly Floats[];
}

/**
 * Run the models on the straight line from the first to the second, aligned and not.
 * @throws UserError `failed` where moving the units changed what the second model computes.
 */
export async function measurePath(
  model: MovableWeights,
  { own, plain, aligned }: Ends,
  probe: ProbeBatches,
  context: AnalysisContext,
  step: (fraction: number) => Promise<void>,
): Promise<Paths> {
  const differs = model.tensors
    .map((_, at) => at)
    .filter((at) => !equal(own[at]!, plain[at]!) || !equal(own[at]!, aligned[at]!));
  const pick = <T>(items: readonly T[]) => differs.map((at) => items[at]!);
  const session = await MixedModel.open(context.engine, model, pick(model.tensors), probe);
  const runs = 2 * gridPoints + 1;
  let done = 0;
  const tick = () => step(done / runs);
  const run = async (weights: readonly Floats[]) => {
    const outputs = await session.outputs(pick(weights), tick);
    done += 1;
    return outputs;
  };
  try {
    const start = await run(own);
    requireMemory(
      context,
      8 * 4 * start.length,
      `outputs for ${probe.samples} samples`,
      'use fewer samples',
    );
    const [end, moved] = [await run(plain), await run(aligned)];
    if (relativeDifference(moved, end) > sameFunction) {
      throw new UserError(
        'failed',
        'rebasin',
        'the second model computes something else once its units are moved, so that they were not followed rightly through its graph',
        'export the model with plain layers, and please report it',
      );
    }
    const classes = classesFor(probe, start.length, context);
    const path = async (to: readonly Floats[], last: Float32Array): Promise<Path> => {
      const losses: number[] = [];
      let midpoint = NaN;
      for (let at = 0; at < gridPoints; at++) {
        const share = at / (gridPoints - 1);
        const outputs =
          share === 0
            ? start
            : share === 1
              ? last
              : await run(own.map((data, tensor) => mixed(data, to[tensor]!, share)));
        const between = mixed(Float64Array.from(start), last, share);
        losses.push(classes ? crossEntropy(outputs, classes) : squares(outputs, between, share));
        if (share === 0.5) midpoint = relativeDifference(outputs, between);
      }
      const [low, high] = [losses[0]!, losses.at(-1)!];
      const excess = losses.map((loss, at) => {
        const share = at / (gridPoints - 1);
        return loss - (1 - share) * low - share * high;
      });
      return { losses, barrier: Math.max(...excess), midpoint };
    };
    return {
      loss: classes ? 'cross-entropy' : 'squared-difference',
      plain: await path(plain, end),
      aligned: await path(aligned, moved),
    };
  } finally {
    await session.release();
  }
}

const equal = (a: Floats, b: Floats) => a.every((value, at) => value === b[at]);

/** Mean squared difference; exactly 0 at the ends. */
function squares(outputs: Floats, between: Floats, share: number): number {
  if (share === 0 || share === 1) return 0;
  let sum = 0;
  for (let at = 0; at < outputs.length; at++) sum += (outputs[at]! - between[at]!) ** 2;
  return sum / outputs.length;
}

/** Which output each sample's label is; nothing where labels are not the model's classes. */
function classesFor(
  { labels, samples }: ProbeBatches,
  outputs: number,
  context: AnalysisContext,
): Int32Array | undefined {
  if (!labels) return undefined;
  const width = outputs / samples;
  if (Number.isInteger(width) && width > 1) {
    if (labels.every((label) => /^\d+$/.test(label) && Number(label) < width)) {
      return Int32Array.from(labels, Number);
    }
    const names = [...new Set(labels)].sort((a, b) => a.localeCompare(b, 'en', { numeric: true }));
    if (names.length === width) return Int32Array.from(labels, (label) => names.indexOf(label));
  }
  context.warn(
    `the probe’s labels are not the model’s classes (${new Set(labels).size} labels, ${width} outputs a sample): the loss is the squared difference of outputs`,
  );
  return undefined;
}
