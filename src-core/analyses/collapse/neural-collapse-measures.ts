import type { Engine } from '../../engine/device-engine.ts';
import { cross, gram } from '../../engine/kernels.ts';
import { symmetricEigen } from '../../engine/linear-algebra/eigen.ts';
import { transpose } from '../../engine/linear-algebra/transpose.ts';

type Step = (fraction: number) => Promise<void>;

/** Share of the largest eigenvalue below which one is taken for zero, for Σ_B and Σ_T alike. */
export const rankTolerance = 1e-12;

/** Eigenvalues of Σ_B = M̃ᵀM̃/C above zero, with their vectors. */
export interface Between {
  /** r values, descending. */
  values: Float64Array;
  /** r × d. */
  vectors: Float64Array;
}

const squaredLength = (values: Float64Array) =>
  values.reduce((sum, value) => sum + value * value, 0);

/**
 * The covariance of class means, by its eigenvectors.
 * @param centred M̃: class means less their mean, C × d
 * @param size length that the means had before; differences below 1e-12 of it are rounding
 */
export async function betweenClasses(
  engine: Engine,
  centred: Float64Array,
  d: number,
  size: number,
  step: Step,
): Promise<Between> {
  const classes = centred.length / d;
  const narrow = classes <= d;
  const matrix = narrow
    ? await gram(engine, d, centred, centred)
    : await cross(engine, classes, centred, centred);
  const order = Math.min(classes, d);
  const all = await symmetricEigen(matrix, order, { vectors: true, step });
  const least = Math.max(rankTolerance * all.values[0]!, (rankTolerance * size) ** 2);
  const rank = all.values.filter((value) => value > least).length;
  const values = all.values.slice(0, rank);
  const leading = all.vectors.slice(0, rank * order);
  if (rank === 0 || !narrow) return { values: values.map((v) => v / classes), vectors: leading };
  // From eigenvectors of M̃M̃ᵀ to those of M̃ᵀM̃.
  const vectors = await gram(engine, classes, leading, transpose(centred, classes, d));
  for (let k = 0; k < rank; k++) {
    const length = Math.sqrt(values[k]!);
    for (let j = k * d; j < (k + 1) * d; j++) vectors[j]! /= length;
  }
  return { values: values.map((value) => value / classes), vectors };
}

/** vᵀSv for each row of the vectors: r × d, S symmetric d × d. */
export async function quadraticForms(
  engine: Engine,
  vectors: Float64Array,
  matrix: Float64Array,
  d: number,
): Promise<Float64Array> {
  const products = await gram(engine, d, vectors, matrix);
  const forms = new Float64Array(vectors.length / d);
  for (let at = 0; at < vectors.length; at++) {
    forms[Math.floor(at / d)]! += vectors[at]! * products[at]!;
  }
  return forms;
}

/** tr(Σ_W Σ_B⁺)/C from vᵀΣ_W v along the eigenvectors of Σ_B. */
export const nc1 = (along: Float64Array, { values }: Between, classes: number): number =>
  values.length === 0 ? NaN : along.reduce((sum, form, k) => sum + form / values[k]!, 0) / classes;

/**
 * 1 − tr(Σ_T⁺ Σ_B)/rank(Σ_B) with Σ_T = Σ_W + Σ_B.
 * @param within Σ_W, d × d
 * @param centred M̃, C × d
 */
export async function variabilityCollapse(
  engine: Engine,
  within: Float64Array,
  centred: Float64Array,
  d: number,
  rank: number,
  step: Step,
): Promise<number> {
  if (rank === 0) return NaN;
  const classes = centred.length / d;
  const between = await cross(engine, classes, centred, centred);
  const total = within.map((value, at) => value + between[at]! / classes);
  const { values, vectors } = await symmetricEigen(total, d, { vectors: true, step });
  const along = await gram(engine, d, vectors, centred);
  let trace = 0;
  for (let k = 0; k < d && values[k]! > rankTolerance * values[0]!; k++) {
    trace += squaredLength(along.subarray(k * classes, (k + 1) * classes)) / classes / values[k]!;
  }
  return 1 - trace / rank;
}
