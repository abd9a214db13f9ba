import type { Engine } from '../../engine/device-engine.ts';
import { symmetricEigen } from '../../engine/linear-algebra/eigen.ts';
import { transpose } from '../../engine/linear-algebra/transpose.ts';
import { crossProduct, rowProduct, type Columns } from './products.ts';
import type { Step } from './pairs.ts';

/**
 * Directions whose variance is below this share of the largest are rounding: they come from
 * products, which hold squares.
 */
const leastVariance = 1e-12;

/**
 * Centred rows to fit on, X = U·diag(s)·Vᵀ, and rows to predict for, Z, as maps from X need them:
 * any ridge map predicts Z·V·diag(s/(s² + λ))·Uᵀ·Y.
 */
export interface Fitter {
  /** U, n × r. */
  left: Columns;
  /** s², r values, descending. */
  variances: Float64Array;
  /** Z·V·diag(1/s), m × r: coordinates of the rows to predict for in terms of U. */
  coordinates: Columns;
}

/** Decompose rows by their smaller product; small singular values keep half of their digits. */
export async function fitterOf(
  engine: Engine,
  x: Columns,
  z: Columns,
  step: Step,
): Promise<Fitter> {
  const byRows = x.n < x.width;
  const size = byRows ? x.n : x.width;
  const first: Step = (part) => step(0.3 * part);
  const product = byRows
    ? await rowProduct(engine, x, x, first)
    : await crossProduct(engine, x, x, first);
  const { values, vectors } = await symmetricEigen(product, size, {
    vectors: true,
    step: (part) => step(0.3 + 0.5 * part),
  });
  const rank = values.findIndex((value) => !(value > leastVariance * values[0]!));
  const r = rank < 0 ? size : rank;
  const variances = values.slice(0, r);
  if (r === 0) {
    const flat = (n: number) => ({ n, width: 0, data: new Float64Array(0) });
    return { left: flat(x.n), variances, coordinates: flat(z.n) };
  }
  const basis = { n: r, width: size, data: vectors.slice(0, r * size) };
  const rest: Step = (part) => step(0.8 + 0.2 * part);
  if (byRows) {
    const left = { n: x.n, width: r, data: transpose(basis.data, r, size) };
    const similar = await rowProduct(engine, z, x, rest);
    const against = { n: z.n, width: x.n, data: similar };
    return { left, variances, coordinates: await scaled(against, variances) };
  }
  const whole = { n: x.n, width: x.width, data: x.data };
  return {
    left: await scaled(whole, sqrt(variances)),
    variances,
    coordinates: await scaled(z, sqrt(variances)),
  };

  /** Rows times the basis, columns divided. */
  async function scaled(rows: Columns, divisors: Float64Array): Promise<Columns> {
    const data = await rowProduct(engine, rows, basis, rest);
    for (let at = 0; at < data.length; at++) data[at]! /= divisors[at % r]!;
    return { n: rows.n, width: r, data };
  }
}

const sqrt = (values: Float64Array) => values.map(Math.sqrt);

/** Penalties tried, as shares of the largest variance. */
const penalties = Array.from({ length: 25 }, (_, at) => 10 ** (-9 + at / 2));

/** The penalty of ridge regression: none, one for all targets, or one for each. */
export type Penalty = 'none' | 'shared' | 'each';

/**
 * What is predicted of centred targets Y for the rows held out. The ridge penalty is that of least
 * generalised cross-validation error on the rows fitted to, RSS/(1 − df/n)² with df = 1 + Σ s²/(s² + λ)
 * (Golub, Heath and Wahba 1979).
 */
export async function predict(
  engine: Engine,
  { left, variances, coordinates }: Fitter,
  y: Columns,
  kind: Penalty,
  step: Step,
): Promise<Float64Array> {
  const { n, width: r } = left;
  const { width: q } = y;
  // Rows that do not differ predict the mean.
  if (r === 0) return new Float64Array(coordinates.n * q);
  const weights = await crossProduct(engine, left, y, (part) => step(0.5 * part));
  const penalties = kind === 'none' ? new Float64Array(q) : chosen(weights, variances, y, n, kind);
  for (let i = 0, at = 0; i < r; i++) {
    for (let j = 0; j < q; j++) weights[at++]! *= variances[i]! / (variances[i]! + penalties[j]!);
  }
  const map = { n: q, width: r, data: transpose(weights, r, q) };
  return rowProduct(engine, coordinates, map, (part) => step(0.5 + 0.5 * part));
}

/** The penalty of each target. */
function chosen(
  weights: Float64Array,
  variances: Float64Array,
  { data, width: q }: Columns,
  n: number,
  kind: Penalty,
): Float64Array {
  const total = new Float64Array(q);
  for (let at = 0; at < data.length; at++) total[at % q]! += data[at]! ** 2;
  const best = new Float64Array(q);
  const least = new Float64Array(q).fill(Infinity);
  for (const share of penalties) {
    const penalty = share * (variances[0] ?? 0);
    const residual = total.slice();
    let freedom = 1;
    for (let i = 0, at = 0; i < variances.length; i++) {
      const keep = variances[i]! / (variances[i]! + penalty);
      const explained = 1 - (1 - keep) ** 2;
      for (let j = 0; j < q; j++) residual[j]! -= explained * weights[at++]! ** 2;
      freedom += keep;
    }
    // Where as many directions as rows are fitted freely, nothing is left to judge by.
    if (freedom > n * (1 - 1e-6)) continue;
    const all = residual.reduce((sum, value) => sum + Math.max(0, value), 0);
    for (let j = 0; j < q; j++) {
      const own = kind === 'shared' ? all : Math.max(0, residual[j]!);
      const error = own / (1 - freedom / n) ** 2;
      if (error < least[j]!) {
        least[j] = error;
        best[j] = penalty;
      }
    }
  }
  return best;
}
