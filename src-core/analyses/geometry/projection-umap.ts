import type { Neighbours } from '../neighbours.ts';
import type { Random } from '../random.ts';

type Step = (fraction: number) => Promise<void>;

/** 1/(1 + a·r^2b) nearest to exp(−(r − 0.1)) beyond a distance of 0.1 and 1 within: min_dist 0.1. */
const [a, b] = [1.576943460405378, 0.8950608781227859];
/** Largest coordinate at the start. */
const startSize = 10;
const negatives = 5;
/** Largest move by one force. */
const clip = 4;
const widthTolerance = 1e-5;
/** Least width of a neighbourhood, as a share of mean distances. */
const leastWidth = 1e-3;
/** Edges between two reports. */
const edgesAStep = 100_000;

/** Edges of a symmetric graph, each in both directions. */
interface Edges {
  head: Int32Array;
  tail: Int32Array;
  weight: Float64Array;
}

/**
 * UMAP (McInnes et al. 2018) over exact neighbours, from a given start (n × dims, e.g. principal
 * components): stochastic attraction along the edges of the fuzzy graph, and repulsion of five
 * random samples for each, with moves that shrink to nothing.
 */
export async function umap(
  neighbours: Neighbours,
  start: Float64Array,
  random: Random,
  step: Step,
): Promise<Float64Array> {
  const { n } = neighbours;
  const dims = start.length / n;
  const rounds = n <= 10_000 ? 500 : 200;
  const { head, tail, weight } = fuzzyGraph(neighbours);
  const strongest = weight.reduce((x, y) => Math.max(x, y), 0);
  // An edge is drawn in proportion to its weight, the strongest in every round.
  const period = weight.map((value) => strongest / value);
  const next = period.slice();
  const nextNegative = period.map((value) => value / negatives);
  const y = spreadOut(start, random);
  let drawn = 0;
  for (let round = 0; round < rounds; round++) {
    const rate = 1 - round / rounds;
    for (let edge = 0; edge < head.length; edge++) {
      if (next[edge]! > round || period[edge]! > rounds) continue;
      const i = head[edge]! * dims;
      pull(y, i, tail[edge]! * dims, dims, rate);
      next[edge]! += period[edge]!;
      const every = period[edge]! / negatives;
      const count = Math.floor((round - nextNegative[edge]!) / every);
      for (let draw = 0; draw < count; draw++) push(y, i, random.below(n) * dims, dims, rate);
      nextNegative[edge]! += Math.max(0, count) * every;
      if (++drawn % edgesAStep === 0) await step(round / rounds);
    }
    await step((round + 1) / rounds);
  }
  return y;
}

function spreadOut(start: Float64Array, random: Random): Float64Array {
  const largest = start.reduce((x, y) => Math.max(x, Math.abs(y)), 0);
  const scale = largest > 0 ? startSize / largest : 0;
  // Copies must not stay together for want of a direction.
  return start.map((value) => value * scale + 1e-4 * random.gaussian());
}

const clipped = (force: number) => Math.max(-clip, Math.min(clip, force));

function squaredDistance(y: Float64Array, i: number, j: number, dims: number): number {
  let square = 0;
  for (let c = 0; c < dims; c++) square += (y[i + c]! - y[j + c]!) ** 2;
  return square;
}

/** Attraction moves both ends. */
function pull(y: Float64Array, i: number, j: number, dims: number, rate: number): void {
  const square = squaredDistance(y, i, j, dims);
  if (square === 0) return;
  const power = square ** b;
  const force = (-2 * a * b * (power / square)) / (1 + a * power);
  for (let c = 0; c < dims; c++) {
    const move = rate * clipped(force * (y[i + c]! - y[j + c]!));
    y[i + c]! += move;
    y[j + c]! -= move;
  }
}

/** Repulsion moves the sample that draws. */
function push(y: Float64Array, i: number, j: number, dims: number, rate: number): void {
  const square = squaredDistance(y, i, j, dims);
  if (square === 0) return;
  const force = (2 * b) / ((0.001 + square) * (1 + a * square ** b));
  for (let c = 0; c < dims; c++) y[i + c]! += rate * clipped(force * (y[i + c]! - y[j + c]!));
}

/** The fuzzy union of each sample's neighbourhood with those that it is in: p + q − pq. */
function fuzzyGraph(neighbours: Neighbours): Edges {
  const { n, k, indices } = neighbours;
  const member = memberships(neighbours);
  const head: number[] = [];
  const tail: number[] = [];
  const weight: number[] = [];
  for (let i = 0; i < n; i++) {
    for (let at = i * k; at < (i + 1) * k; at++) {
      const j = indices[at]!;
      const back = indices.subarray(j * k, (j + 1) * k).indexOf(i);
      // A pair that is mutual is met twice.
      if (back >= 0 && j < i) continue;
      const [p, q] = [member[at]!, back < 0 ? 0 : member[j * k + back]!];
      const both = p + q - p * q;
      if (both === 0) continue;
      head.push(i, j);
      tail.push(j, i);
      weight.push(both, both);
    }
  }
  return {
    head: Int32Array.from(head),
    tail: Int32Array.from(tail),
    weight: Float64Array.from(weight),
  };
}

/**
 * exp(−(r − ρ)/σ) of each neighbour, ρ the nearest distance above 0 and σ such that they add up to
 * log2(k + 1), a sample counting as its own neighbour; n × k.
 */
function memberships({ n, k, distances }: Neighbours): Float64Array {
  const target = Math.log2(k + 1);
  const overall = distances.reduce((x, y) => x + y, 0) / (n * (k + 1));
  const member = new Float64Array(n * k);
  for (let i = 0; i < n; i++) {
    const own = distances.subarray(i * k, (i + 1) * k);
    const nearest = own.find((distance) => distance > 0) ?? 0;
    let [low, high, width] = [0, Infinity, 1];
    for (let round = 0; round < 64; round++) {
      let sum = 0;
      for (const distance of own) sum += Math.exp(-Math.max(0, distance - nearest) / width);
      if (Math.abs(sum - target) < widthTolerance) break;
      if (sum > target) high = width;
      else low = width;
      width = high === Infinity ? width * 2 : (low + high) / 2;
    }
    const typical = nearest > 0 ? own.reduce((x, y) => x + y, 0) / (k + 1) : overall;
    width = Math.max(width, leastWidth * typical);
    for (let at = 0; at < k; at++) {
      const beyond = own[at]! - nearest;
      member[i * k + at] = beyond <= 0 ? 1 : Math.exp(-beyond / width);
    }
  }
  return member;
}
