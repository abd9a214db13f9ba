import type { Engine } from '../../engine/device-engine.ts';
import { cross, gram } from '../../engine/kernels.ts';
import { symmetricEigen } from '../../engine/linear-algebra/eigen.ts';
import { blocks } from '../blocks.ts';
import type { Random } from '../random.ts';
import { renyiEntropy } from './entropy-measures.ts';
import { callBudget } from '../../engine/call-budget.ts';
import { toUnitLength } from './unit-rows.ts';

type Step = (fraction: number) => Promise<void>;

/** Cosines of samples, n × n each. */
export interface Cosines {
  /** Within the first views. */
  first: Float64Array;
  /** Within the second. */
  second: Float64Array;
  /** Of first views (rows) with second ones (columns). */
  between: Float64Array;
}

/** ABᵀ for rows of d, in blocks of rows. */
async function product(
  engine: Engine,
  d: number,
  a: Float64Array,
  b: Float64Array,
  step: Step,
): Promise<Float64Array> {
  const [m, n] = [a.length / d, b.length / d];
  const out = new Float64Array(m * n);
  for (const [start, end] of blocks(m, Math.max(16, Math.floor(callBudget / (n * d))))) {
    out.set(await gram(engine, d, a.subarray(start * d, end * d), b), start * n);
    await step(end / m);
  }
  return out;
}

/** Rows scaled to unit length, and how many are zero. */
function unitRows(rows: Float64Array, d: number): { unit: Float64Array; zeros: number } {
  const unit = rows.slice();
  return { unit, zeros: toUnitLength(unit, d).length };
}

/** Cosines within and between two views a and b, n × d each. */
export async function grams(
  engine: Engine,
  d: number,
  a: Float64Array,
  b: Float64Array,
  step: Step,
): Promise<{ cosines: Cosines; zeros: number }> {
  const [u, v] = [unitRows(a, d), unitRows(b, d)];
  const third = (part: number) => (fraction: number) => step((part + fraction) / 3);
  return {
    cosines: {
      first: await product(engine, d, u.unit, u.unit, third(0)),
      second: await product(engine, d, v.unit, v.unit, third(1)),
      between: await product(engine, d, u.unit, v.unit, third(2)),
    },
    zeros: u.zeros + v.zeros,
  };
}

/** log n less the mean cross-entropy of finding each row's own column among all. */
export function infonce(n: number, between: Float64Array, temperature: number): number {
  let loss = 0;
  for (let i = 0; i < n; i++) {
    const row = between.subarray(i * n, (i + 1) * n);
    const top = row.reduce((largest, value) => Math.max(largest, value), -Infinity);
    const sum = row.reduce((total, value) => total + Math.exp((value - top) / temperature), 0);
    loss += Math.log(sum) - (row[i]! - top) / temperature;
  }
  return Math.log(n) - loss / n;
}

/** What the entropy of the product of two Gram matrices rises by when its pairs are shuffled. */
export async function dime(
  n: number,
  { first, second }: Cosines,
  draws: number,
  random: Random,
  step: Step,
): Promise<number> {
  const entropyUnder = async (order: ArrayLike<number>, share: number) => {
    const joint = new Float64Array(n * n);
    for (let i = 0, at = 0; i < n; i++) {
      const from = order[i]! * n;
      for (let j = 0; j < n; j++, at++) joint[at] = first[at]! * second[from + order[j]!]!;
    }
    const { values } = await symmetricEigen(joint, n, {
      step: (part) => step((share + part) / (draws + 1)),
    });
    const rounding = n * Number.EPSILON * values[0]!;
    return renyiEntropy(
      values.filter((value) => value > rounding),
      1,
    );
  };
  const paired = await entropyUnder(
    Int32Array.from({ length: n }, (_, i) => i),
    0,
  );
  let shuffled = 0;
  for (let draw = 0; draw < draws; draw++) {
    shuffled += (await entropyUnder(random.permutation(n), draw + 1)) / draws;
  }
  return shuffled - paired;
}

/** Added to each share, as the authors do. */
const lidarEpsilon = 1e-7;

/**
 * Effective rank of the scatter between samples against that within them, of two views n × d each.
 * Where units outnumber samples the same eigenvalues come from n × n matrices.
 */
export async function lidar(
  engine: Engine,
  d: number,
  a: Float64Array,
  b: Float64Array,
  delta: number,
  step: Step,
): Promise<number> {
  const n = a.length / d;
  const rest = a.map((value, at) => (value - b[at]!) / 2);
  const centres = a.map((value, at) => (value + b[at]!) / 2);
  const mean = new Float64Array(d);
  centres.forEach((value, at) => (mean[at % d]! += value / n));
  for (let at = 0; at < centres.length; at++) centres[at]! -= mean[at % d]!;
  const whitened = d <= n ? ofUnits : ofSamples;
  const matrix = await whitened(engine, n, d, rest, centres, delta, (part) => step(0.7 * part));
  const size = Math.min(n, d);
  const { values } = await symmetricEigen(matrix, size, { step: (part) => step(0.7 + 0.3 * part) });
  const total = values.reduce((sum, value) => sum + Math.max(0, value), 0);
  if (total === 0) return NaN;
  const term = (share: number) => -share * Math.log(share);
  const entropy = values.reduce(
    (sum, value) => sum + term(Math.max(0, value) / total + lidarEpsilon),
    (d - size) * term(lidarEpsilon),
  );
  return Math.exp(entropy);
}

/** S_w^{−1/2} S_b S_w^{−1/2} in the basis of S_w's eigenvectors, d × d. */
async function ofUnits(
  engine: Engine,
  n: number,
  d: number,
  rest: Float64Array,
  centres: Float64Array,
  delta: number,
  step: Step,
): Promise<Float64Array> {
  const covariance = async (rows: Float64Array) => {
    const sum = new Float64Array(d * d);
    for (const [start, end] of blocks(n, Math.max(16, Math.floor(callBudget / d ** 2)))) {
      const block = rows.subarray(start * d, end * d);
      const part = await cross(engine, end - start, block, block);
      for (let at = 0; at < sum.length; at++) sum[at]! += part[at]! / n;
      await step(0);
    }
    return sum;
  };
  const within = await covariance(rest);
  const { values, vectors } = await symmetricEigen(within, d, {
    vectors: true,
    step: (part) => step(0.8 * part),
  });
  // Rows are v_k/√(λ_k + δ).
  const roots = vectors.map(
    (value, at) => value / Math.sqrt(Math.max(0, values[Math.floor(at / d)]!) + delta),
  );
  const between = await covariance(centres);
  const half = await product(engine, d, roots, between, () => step(0.85));
  return product(engine, d, half, roots, () => step(0.95));
}

/**
 * The n × n matrix with the same eigenvalues other than 0: with M and R the centred mean views and
 * what is left, (MMᵀ − MRᵀ(nδI + RRᵀ)⁻¹RMᵀ)/(nδ), by Woodbury's identity.
 */
async function ofSamples(
  engine: Engine,
  n: number,
  d: number,
  rest: Float64Array,
  centres: Float64Array,
  delta: number,
  step: Step,
): Promise<Float64Array> {
  const outer = (a: Float64Array, b: Float64Array) => product(engine, d, a, b, () => step(0.1));
  const { values, vectors } = await symmetricEigen(await outer(rest, rest), n, {
    vectors: true,
    step: (part) => step(0.1 + 0.6 * part),
  });
  const roots = vectors.map(
    (value, at) => value / Math.sqrt(Math.max(0, values[Math.floor(at / n)]!) + n * delta),
  );
  // Row k: v_k·RMᵀ/√(nδ + λ_k).
  const half = await product(engine, n, roots, await outer(centres, rest), () => step(0.8));
  const explained = await cross(engine, n, half, half);
  await step(0.95);
  const whole = await outer(centres, centres);
  return whole.map((value, at) => (value - explained[at]!) / (n * delta));
}
