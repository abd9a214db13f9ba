import type { Engine, FeedTensor, ModelOutput, ModelSession } from '../../engine/device-engine.ts';
import { cross } from '../../engine/kernels.ts';
import { UserError } from '../../errors.ts';
import type { MovableTensor, MovableWeights } from '../../models/movable-weights.ts';
import type { PermutableUnits } from '../../onnx/permutable-axes.ts';
import type { Feed } from '../../probes/feed.ts';
import type { Floats } from '../../tensor/matrix.ts';
import { blocks } from '../blocks.ts';
import type { AnalysisContext } from '../definition.ts';
import { requireMemory } from '../memory.ts';
import { bestMatch, type Permutations } from './rebasin-match.ts';

type Step = (fraction: number) => Promise<void>;

/** Samples of a batch, where the model does not fix their number. */
const batchSize = 64;
/** Points of the way from one model to the other, both ends among them. */
export const gridPoints = 25;

/** The probe as batches that a model takes; labels in the order of their samples. */
export interface ProbeBatches {
  readonly feeds: readonly Readonly<Record<string, FeedTensor>>[];
  readonly labels?: readonly string[];
  readonly samples: number;
  readonly description: string;
}

/** Read the whole probe. Samples that do not fill a batch of fixed size are left out. */
export async function probeBatches(
  feed: Feed,
  fixed: number | undefined,
  context: AnalysisContext,
  step: Step,
): Promise<ProbeBatches> {
  const size = fixed ?? batchSize;
  const schedule = await feed.prepare?.(step);
  const used = fixed === undefined ? feed.n : feed.n - (feed.n % fixed);
  const feeds: Record<string, FeedTensor>[] = [];
  for (const [start, end] of blocks(used, size)) {
    const batch = (await feed.batch(start, end)).feeds;
    if (feeds.length === 0) {
      const bytes = Object.values(batch).reduce((sum, { data }) => sum + data.byteLength, 0);
      requireMemory(context, (bytes / (end - start)) * used, 'the probe', 'use fewer samples');
    }
    feeds.push(batch);
    await step(end / used);
  }
  if (feeds.length === 0) {
    throw new UserError(
      'too-few-samples',
      feed.spec,
      `has ${feed.n} samples, and the model takes ${size} at once`,
      'use a probe with more samples',
    );
  }
  const { labels } = feed;
  const ordered = Array.from({ length: used }, (_, at) => labels?.[schedule?.order[at] ?? at]);
  return {
    feeds,
    ...(labels ? { labels: ordered as string[] } : {}),
    samples: used,
    description: feed.description,
  };
}

const weightFeeds = (
  tensors: readonly MovableTensor[],
  data: readonly Floats[],
): Record<string, FeedTensor> =>
  Object.fromEntries(
    tensors.map(({ name, shape }, at) => [
      name,
      {
        dtype: data[at] instanceof Float64Array ? 'float64' : 'float32',
        dims: shape,
        data: data[at]!,
      },
    ]),
  );

/** Outputs of a model over the probe with the weights it is fed, sample by sample. */
export class MixedModel {
  readonly #session: ModelSession;
  readonly #tensors: readonly MovableTensor[];
  readonly #probe: ProbeBatches;
  readonly #output: string;

  private constructor(
    session: ModelSession,
    tensors: readonly MovableTensor[],
    probe: ProbeBatches,
    output: string,
  ) {
    this.#session = session;
    this.#tensors = tensors;
    this.#probe = probe;
    this.#output = output;
  }

  /** @param tensors those of the model that are fed */
  static async open(
    engine: Engine,
    model: MovableWeights,
    tensors: readonly MovableTensor[],
    probe: ProbeBatches,
  ): Promise<MixedModel> {
    const graph = await model.graph!(tensors.map(({ name }) => name));
    const session = await engine.openModel(graph, 'mixed model');
    return new MixedModel(session, tensors, probe, graph.outputs[0]!);
  }

  /** The first output, all samples after one another. */
  async outputs(weights: readonly Floats[], step: () => Promise<void>): Promise<Float32Array> {
    const fed = weightFeeds(this.#tensors, weights);
    const parts: Float32Array[] = [];
    for (const batch of this.#probe.feeds) {
      const answer = await this.#session.run({ ...batch, ...fed }, [this.#output]);
      parts.push(answer[this.#output]!.data);
      await step();
    }
    const whole = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
    let filled = 0;
    for (const part of parts) {
      whole.set(part, filled);
      filled += part.length;
    }
    return whole;
  }

  release(): Promise<void> {
    return this.#session.release();
  }
}

/** (1 − share)·a + share·b, rounded once to the type of a. */
export function mixed(a: Floats, b: Floats, share: number): Floats {
  const mix = a.slice();
  for (let at = 0; at < mix.length; at++) mix[at] = (1 - share) * a[at]! + share * b[at]!;
  return mix;
}

/** ‖a − b‖/‖b‖. */
export function relativeDifference(a: Floats, b: Floats): number {
  let [off, size] = [0, 0];
  for (let at = 0; at < a.length; at++) {
    off += (a[at]! - b[at]!) ** 2;
    size += b[at]! ** 2;
  }
  return Math.sqrt(off / size);
}

/**
 * Mean cross-entropy of outputs with row numbers of classes, n × classes: of logits, or of
 * probabilities where every row is one.
 */
export function crossEntropy(outputs: Floats, classes: Int32Array): number {
  const width = outputs.length / classes.length;
  const rows = Array.from(classes, (_, row) => outputs.subarray(row * width, (row + 1) * width));
  const areProbabilities = rows.every((row) => {
    let sum = 0;
    for (const value of row) {
      if (value < 0) return false;
      sum += value;
    }
    return Math.abs(sum - 1) < 1e-3;
  });
  let total = 0;
  for (const [at, row] of rows.entries()) {
    const own = row[classes[at]!]!;
    if (areProbabilities) {
      total -= Math.log(Math.max(own, Number.MIN_VALUE));
      continue;
    }
    let most = -Infinity;
    for (const value of row) most = Math.max(most, value);
    let sum = 0;
    for (const value of row) sum += Math.exp(value - most);
    total += most + Math.log(sum) - own;
  }
  return total / classes.length;
}

/** A value n × units × … as rows of units, one for each sample and place. */
function unitRows({ data }: ModelOutput, n: number, units: number): Float32Array {
  const places = data.length / n / units;
  if (places === 1) return data;
  const rows = new Float32Array(data.length);
  for (let sample = 0; sample < n; sample++) {
    for (let unit = 0; unit < units; unit++) {
      const from = (sample * units + unit) * places;
      for (let place = 0; place < places; place++) {
        rows[(sample * places + place) * units + unit] = data[from + place]!;
      }
    }
  }
  return rows;
}

/**
 * Activation matching: each layer on its own gets the permutation of largest Σ⟨z_A, z_B⟩ over the
 * probe, z what its units hand to the layers after them.
 */
export async function matchActivations(
  engine: Engine,
  { layers, points }: PermutableUnits,
  models: readonly [MovableWeights, MovableWeights],
  pointsOfSecond: PermutableUnits['points'],
  probe: ProbeBatches,
  step: Step,
): Promise<Permutations> {
  const gains = layers.map(({ units }) => new Float64Array(units * units));
  const taps = [points, pointsOfSecond].map((list) => [...new Set(list.map(({ value }) => value))]);
  const sessions: ModelSession[] = [];
  try {
    for (const [at, model] of models.entries()) {
      sessions.push(await engine.openModel(await model.graph!([], taps[at]), 'tapped model'));
    }
    for (const [index, batch] of probe.feeds.entries()) {
      const answers: Record<string, ModelOutput>[] = [];
      for (const [at, session] of sessions.entries()) {
        answers.push(
          await session.run(
            batch,
            taps[at]!.map((name) => `tap:${name}`),
          ),
        );
      }
      for (const [at, point] of points.entries()) {
        const { units } = layers[point.layer]!;
        const a = answers[0]![`tap:${point.value}`]!;
        const b = answers[1]![`tap:${pointsOfSecond[at]!.value}`]!;
        // Tokens are rows; pixels, flattened or not, follow the units they belong to.
        const n = point.trailing === 0 ? a.data.length / units / point.inner : a.dims[0]!;
        const [x, y] = [unitRows(a, n, units), unitRows(b, n, units)];
        const part = await cross(engine, x.length / units, x, y);
        const sum = gains[point.layer]!;
        for (let cell = 0; cell < sum.length; cell++) sum[cell]! += part[cell]!;
      }
      await step((index + 1) / probe.feeds.length);
    }
  } finally {
    for (const session of sessions) await session.release();
  }
  return gains.map((gain, layer) => bestMatch(gain, layers[layer]!.units));
}
