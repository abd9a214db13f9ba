import type { Engine } from '../../engine/device-engine.ts';
import { cross, gram } from '../../engine/kernels.ts';
import type { Random } from '../random.ts';
import type { Feature } from './feature-variance-design.ts';
import { solveRidge } from './feature-variance-solve.ts';
import { callBudget } from '../../engine/call-budget.ts';

/** Ridge penalty, in units of the mean variance of a unit. */
const penalty = 1e-2;

export interface ProbeScores {
  /** Held-out accuracy, or R² of a quantity. */
  score: number;
  /** The same after the training labels were shuffled. */
  shuffled: number;
  /** Held-out share of the class that is most frequent in training; 0 for a quantity. */
  baseline: number;
}

/** Which samples to hold out; samples of one group stay together. */
export function heldOut(
  n: number,
  share: number,
  random: Random,
  groups?: readonly string[],
): Uint8Array {
  const target = Math.max(1, Math.round(share * n));
  const test = new Uint8Array(n);
  let count = 0;
  if (groups === undefined) {
    for (const i of random.permutation(n).subarray(0, target)) test[i] = 1;
    return test;
  }
  const names = [...new Set(groups)];
  for (const at of random.permutation(names.length)) {
    if (count >= target) break;
    groups.forEach((group, i) => {
      if (group !== names[at]) return;
      test[i] = 1;
      count++;
    });
  }
  return test;
}

/**
 * A linear probe of each feature: ridge regression of its columns on the units over the training
 * samples, judged on those held out, beside one trained on shuffled labels.
 * @param rows n × d in float64
 */
export async function probe(
  engine: Engine,
  rows: Float64Array,
  d: number,
  features: readonly Feature[],
  test: Uint8Array,
  random: Random,
  step: (fraction: number) => Promise<void>,
): Promise<ProbeScores[]> {
  const train = Int32Array.from([...test.keys()].filter((i) => test[i] === 0));
  const held = Int32Array.from([...test.keys()].filter((i) => test[i] === 1));
  const mean = new Float64Array(d);
  for (const i of train) for (let j = 0; j < d; j++) mean[j]! += rows[i * d + j]! / train.length;
  const centred = (members: Int32Array) => {
    const part = new Float64Array(members.length * d);
    members.forEach((i, at) => {
      for (let j = 0; j < d; j++) part[at * d + j] = rows[i * d + j]! - mean[j]!;
    });
    return part;
  };
  const [x, z] = [centred(train), centred(held)];
  const orders = [train, Int32Array.from(random.permutation(train.length), (at) => train[at]!)];
  const width = features.reduce((sum, feature) => sum + feature.width, 0);
  const targets = new Float64Array(train.length * 2 * width);
  orders.forEach((order, half) => {
    let offset = half * width;
    for (const feature of features) {
      order.forEach((i, at) => {
        const own = feature.columns.subarray(i * feature.width, (i + 1) * feature.width);
        targets.set(own, at * 2 * width + offset);
      });
      offset += feature.width;
    }
  });
  await step(0.1);
  const predicted = await ridge(engine, x, z, targets, [train.length, d, 2 * width], step);
  await step(0.9);
  let offset = 0;
  return features.map((feature) => {
    const judge = (from: number) => score(feature, predicted, 2 * width, from, held);
    const scores = {
      score: judge(offset),
      shuffled: judge(width + offset),
      baseline: majority(feature, train, held),
    };
    offset += feature.width;
    return scores;
  });
}

/** ZW for the W that minimises ‖XW − T‖² + λ‖W‖², through the smaller of XᵀX and XXᵀ. */
async function ridge(
  engine: Engine,
  x: Float64Array,
  z: Float64Array,
  targets: Float64Array,
  [n, d, columns]: readonly [n: number, d: number, columns: number],
  step: (fraction: number) => Promise<void>,
): Promise<Float64Array> {
  const squares = x.reduce((sum, value) => sum + value * value, 0);
  const lambda = (penalty * squares) / d || 1;
  const dual = n < d;
  const size = dual ? n : d;
  const moment = new Float64Array(size * size);
  const height = Math.max(1, Math.floor(callBudget / (d * size)));
  for (let start = 0; start < n; start += height) {
    const end = Math.min(n, start + height);
    const block = x.subarray(start * d, end * d);
    if (dual) moment.set(await gram(engine, d, block, x), start * n);
    else {
      const part = await cross(engine, end - start, block, block);
      for (let at = 0; at < part.length; at++) moment[at]! += part[at]!;
    }
    await step(0.1 + (0.4 * end) / n);
  }
  for (let i = 0; i < size; i++) moment[i * size + i]! += lambda;
  const right = dual ? targets : await cross(engine, n, x, targets);
  const weights = await solveRidge(engine, moment, size, right, columns, () => step(0.6));
  await step(0.8);
  if (!dual) return product(engine, z, weights, d);
  return product(engine, await gram(engine, d, z, x), weights, n);
}

/** AB for a B of k rows. */
async function product(engine: Engine, a: Float64Array, b: Float64Array, k: number) {
  const columns = b.length / k;
  const turned = new Float64Array(b.length);
  for (let i = 0; i < k; i++) {
    for (let c = 0; c < columns; c++) turned[c * k + i] = b[i * columns + c]!;
  }
  return gram(engine, k, a, turned);
}

function score(
  { classes, width, means, values }: Feature,
  predicted: Float64Array,
  stride: number,
  offset: number,
  held: Int32Array,
): number {
  if (classes === undefined) {
    let [mean, error, total] = [0, 0, 0];
    for (const i of held) mean += values[i]! / held.length;
    held.forEach((i, at) => {
      error += (values[i]! - predicted[at * stride + offset]!) ** 2;
      total += (values[i]! - mean) ** 2;
    });
    return 1 - error / total;
  }
  let right = 0;
  held.forEach((i, at) => {
    let best = 0;
    for (let c = 1; c < width; c++) {
      const value = (of: number) => predicted[at * stride + offset + of]! + means[of]!;
      if (value(c) > value(best)) best = c;
    }
    if (best === values[i]) right++;
  });
  return right / held.length;
}

function majority({ classes, values }: Feature, train: Int32Array, held: Int32Array): number {
  if (classes === undefined) return 0;
  const counts = new Int32Array(classes.length);
  for (const i of train) counts[values[i]!]! += 1;
  const most = counts.indexOf(Math.max(...counts));
  return held.filter((i) => values[i] === most).length / held.length;
}
