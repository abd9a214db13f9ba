import type { Neighbours } from '../neighbours.ts';
import { deviation } from '../statistics.ts';
import { BarnesHutTree } from './projection-tree.ts';

type Step = (fraction: number) => Promise<void>;

const iterations = 1000;
/** Iterations at the start in which attraction is stronger, and how much. */
const exaggerated = 250;
const exaggeration = 12;
const theta = 0.5;
const startSpread = 1e-4;
const perplexityTolerance = 1e-5;
/** Points between two reports. */
const pointsAStep = 500;

/** Neighbours that matter at a perplexity. */
export const tsneNeighbours = (perplexity: number, n: number) =>
  Math.min(n - 1, Math.ceil(3 * perplexity));

/** Symmetric affinities, sparse by rows. */
interface Affinities {
  starts: Int32Array;
  columns: Int32Array;
  values: Float64Array;
}

/**
 * t-SNE (van der Maaten and Hinton 2008) with forces by a tree (van der Maaten 2014), from a given
 * start (n × dims, e.g. principal components), which makes it reproducible without a seed.
 */
export async function tsne(
  neighbours: Neighbours,
  perplexity: number,
  start: Float64Array,
  step: Step,
): Promise<Float64Array> {
  const { n } = neighbours;
  const dims = start.length / n;
  const affinities = symmetric(
    neighbours,
    await conditional(neighbours, perplexity, () => step(0)),
  );
  const spread = deviation(start.filter((_, at) => at % dims === 0));
  const y = start.map((value) => (spread > 0 ? (value / spread) * startSpread : 0));
  const velocity = new Float64Array(y.length);
  const gains = new Float64Array(y.length).fill(1);
  const rate = Math.max(n / exaggeration / 4, 50);
  for (let round = 0; round < iterations; round++) {
    const early = round < exaggerated;
    const gradient = await gradientAt(y, dims, affinities, early ? exaggeration : 1, () =>
      step(round / iterations),
    );
    const momentum = early ? 0.5 : 0.8;
    for (let at = 0; at < y.length; at++) {
      const against = gradient[at]! * velocity[at]! < 0;
      gains[at] = Math.max(0.01, against ? gains[at]! + 0.2 : gains[at]! * 0.8);
      velocity[at] = momentum * velocity[at]! - rate * gains[at]! * gradient[at]!;
      y[at]! += velocity[at]!;
    }
    centre(y, dims);
    await step(round / iterations);
  }
  return y;
}

/** p(j | i) over each sample's neighbours, of the entropy that the perplexity asks for; n × k. */
async function conditional(
  { n, k, distances }: Neighbours,
  perplexity: number,
  step: () => Promise<void>,
): Promise<Float64Array> {
  const target = Math.log(Math.min(perplexity, k));
  const shares = new Float64Array(n * k);
  for (let i = 0; i < n; i++) {
    const squares = distances.subarray(i * k, (i + 1) * k).map((value) => value * value);
    const own = shares.subarray(i * k, (i + 1) * k);
    const nearest = squares[0]!;
    let [low, high] = [0, Infinity];
    let precision = 1 / (squares[k - 1]! - nearest || 1);
    for (let round = 0; round < 200; round++) {
      let [sum, weighted] = [0, 0];
      for (let j = 0; j < k; j++) {
        own[j] = Math.exp(-precision * (squares[j]! - nearest));
        sum += own[j]!;
        weighted += own[j]! * (squares[j]! - nearest);
      }
      const entropy = Math.log(sum) + (precision * weighted) / sum;
      for (let j = 0; j < k; j++) own[j]! /= sum;
      if (Math.abs(entropy - target) < perplexityTolerance) break;
      if (entropy > target) low = precision;
      else high = precision;
      precision = high === Infinity ? precision * 2 : (low + high) / 2;
    }
    if (i % pointsAStep === pointsAStep - 1) await step();
  }
  return shares;
}

function symmetric({ n, k, indices }: Neighbours, shares: Float64Array): Affinities {
  // A pair is listed by its first sample that has the other, and stands in both their rows.
  const [first, second] = [new Int32Array(n * k), new Int32Array(n * k)];
  const shared = new Float64Array(n * k);
  let pairs = 0;
  const counts = new Int32Array(n + 1);
  for (let i = 0; i < n; i++) {
    for (let at = i * k; at < (i + 1) * k; at++) {
      const j = indices[at]!;
      const back = indices.subarray(j * k, (j + 1) * k).indexOf(i);
      if (back >= 0 && j < i) continue;
      [first[pairs], second[pairs]] = [i, j];
      shared[pairs++] = (shares[at]! + (back < 0 ? 0 : shares[j * k + back]!)) / (2 * n);
      counts[i + 1]! += 1;
      counts[j + 1]! += 1;
    }
  }
  for (let i = 0; i < n; i++) counts[i + 1]! += counts[i]!;
  const columns = new Int32Array(2 * pairs);
  const values = new Float64Array(2 * pairs);
  const next = counts.slice(0, n);
  const put = (row: number, column: number, value: number) => {
    columns[next[row]!] = column;
    values[next[row]!++] = value;
  };
  for (let pair = 0; pair < pairs; pair++) {
    const [i, j] = [first[pair]!, second[pair]!];
    put(i, j, shared[pair]!);
    put(j, i, shared[pair]!);
  }
  return { starts: counts, columns, values };
}

async function gradientAt(
  y: Float64Array,
  dims: number,
  { starts, columns, values }: Affinities,
  factor: number,
  step: () => Promise<void>,
): Promise<Float64Array> {
  const n = y.length / dims;
  const tree = new BarnesHutTree(y, dims, theta);
  const away = new Float64Array(y.length);
  let total = 0;
  for (let i = 0; i < n; i++) {
    total += tree.repulsion(i, away.subarray(i * dims, (i + 1) * dims));
    if (i % pointsAStep === pointsAStep - 1) await step();
  }
  const gradient = new Float64Array(y.length);
  for (let i = 0; i < n; i++) {
    for (let at = starts[i]!; at < starts[i + 1]!; at++) {
      const j = columns[at]!;
      let square = 0;
      for (let c = 0; c < dims; c++) square += (y[i * dims + c]! - y[j * dims + c]!) ** 2;
      const pull = (factor * values[at]!) / (1 + square);
      for (let c = 0; c < dims; c++) {
        gradient[i * dims + c]! += pull * (y[i * dims + c]! - y[j * dims + c]!);
      }
    }
    if (i % pointsAStep === pointsAStep - 1) await step();
  }
  for (let at = 0; at < gradient.length; at++) {
    gradient[at] = 4 * (gradient[at]! - away[at]! / total);
  }
  return gradient;
}

function centre(y: Float64Array, dims: number): void {
  for (let c = 0; c < dims; c++) {
    let sum = 0;
    for (let at = c; at < y.length; at += dims) sum += y[at]!;
    const mean = (sum * dims) / y.length;
    for (let at = c; at < y.length; at += dims) y[at]! -= mean;
  }
}
