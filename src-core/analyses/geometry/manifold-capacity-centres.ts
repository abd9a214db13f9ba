import { symmetricEigen } from '../../engine/linear-algebra/eigen.ts';

/** Share of the largest eigenvalue below which a direction is rounding. */
const rankTolerance = 1e-10;

export interface CentreCorrelations {
  /** Directions that centres share, and that are projected out. */
  removed: number;
  /** removed × p: a combination of centres for each direction, of unit length. */
  combinations: Float64Array;
  /** Squared length of each centre without those directions. */
  squares: Float64Array;
  /** Mean |cosine| between different centres, as they are and without the directions. */
  before: number;
  after: number;
}

/**
 * Which leading principal directions of p centres to project out so that the rest are least
 * correlated: that number, from 0 to (p − 1)/2, for which the mean |cosine| between different
 * centres is least.
 * @param gram inner products of the centres, p × p
 */
export async function centreCorrelations(
  gram: Float64Array,
  p: number,
): Promise<CentreCorrelations> {
  const { values, vectors } = await symmetricEigen(gram, p, { vectors: true });
  const rest = gram.slice();
  const most = Math.min(
    Math.floor((p - 1) / 2),
    values.filter((value) => value > rankTolerance * values[0]!).length - 1,
  );
  const before = meanCosine(rest, p);
  let best = { removed: 0, after: before, squares: diagonal(rest, p) };
  for (let k = 1; k <= most; k++) {
    const vector = vectors.subarray((k - 1) * p, k * p);
    for (let i = 0; i < p; i++) {
      for (let j = 0; j < p; j++) rest[i * p + j]! -= values[k - 1]! * vector[i]! * vector[j]!;
    }
    const after = meanCosine(rest, p);
    if (after < best.after) best = { removed: k, after, squares: diagonal(rest, p) };
  }
  const combinations = vectors.slice(0, best.removed * p);
  for (let k = 0; k < best.removed; k++) {
    for (let i = 0; i < p; i++) combinations[k * p + i]! /= Math.sqrt(values[k]!);
  }
  return { ...best, combinations, before };
}

const diagonal = (gram: Float64Array, p: number) =>
  Float64Array.from({ length: p }, (_, i) => Math.max(0, gram[i * p + i]!));

function meanCosine(gram: Float64Array, p: number): number {
  let sum = 0;
  for (let i = 0; i < p; i++) {
    for (let j = 0; j < i; j++) {
      const lengths = Math.sqrt(gram[i * p + i]! * gram[j * p + j]!);
      sum += lengths > 0 ? Math.min(1, Math.abs(gram[i * p + j]!) / lengths) : 1;
    }
  }
  return (2 * sum) / (p * (p - 1));
}
