import { mean, quantile } from '../statistics.ts';

/** Distances of each point to its nearest others: m rows of k, ascending. */
export interface NeighbourDistances {
  readonly k: number;
  readonly distances: Float64Array;
}

export interface DimensionEstimate {
  /** NaN where distances say nothing. */
  dimension: number;
  /** Points left out because another point lies on them. */
  dropped: number;
  /** An estimate at each point; NaN where it was left out. */
  perPoint?: Float64Array;
  /** twonn: log μ and −log(1 − F) of the points that the line was fitted to. */
  fit?: [x: number, y: number][];
  /** gride: the estimate at each scale n1, ascending. */
  scales?: { n1: number; dimension: number }[];
  /** lpca: what the rule looked at, and how far it had to reach. */
  criterion?: Criterion;
}

export interface Criterion {
  name: string;
  /** One for each rank. */
  values: Float64Array;
  /** What values are compared with, one for each rank, where the rule compares. */
  limits?: Float64Array;
}

export type Combine = 'harmonic' | 'mean' | 'median' | 'geometric';

/** One number from estimates at points; NaN, of points without one, are left out. */
export function combined(estimates: Float64Array, combine: Combine): number {
  const present = estimates.filter((estimate) => !Number.isNaN(estimate));
  if (present.length === 0) return NaN;
  switch (combine) {
    case 'harmonic':
      return 1 / mean(present.map((estimate) => 1 / estimate));
    case 'mean':
      return mean(present);
    case 'median':
      return quantile(present.sort(), 0.5);
    case 'geometric':
      return Math.exp(mean(present.map(Math.log)));
  }
}

/**
 * TwoNN (Facco et al. 2017): μ = r₂/r₁ ascending, F_i = i/N; the slope
 * through the origin of −log(1 − F) against log μ over the first ⌊N(1 − discard)⌋ points.
 */
export function twoNn({ k, distances }: NeighbourDistances, discard: number): DimensionEstimate {
  const ratios: number[] = [];
  for (let at = 0; at < distances.length; at += k) {
    if (distances[at]! > 0) ratios.push(distances[at + 1]! / distances[at]!);
  }
  const logs = Float64Array.from(ratios, Math.log).sort();
  const n = logs.length;
  // The last point's −log(1 − F) is infinite.
  const kept = Math.min(Math.floor(n * (1 - discard)), n - 1);
  const fit: [number, number][] = [];
  let [xx, xy] = [0, 0];
  for (let i = 0; i < kept; i++) {
    const x = logs[i]!;
    const y = -Math.log(1 - (i + 1) / n);
    xx += x * x;
    xy += x * y;
    fit.push([x, y]);
  }
  return { dimension: xy / xx, dropped: distances.length / k - n, fit };
}

/**
 * Levina and Bickel (2004): m(x) = [Σ_{j<k} log(T_k/T_j)/(k−1)]⁻¹ at each point, combined over
 * points: by the mean of their inverses (MacKay and Ghahramani 2005), or otherwise.
 */
export function levinaBickel(
  { k, distances }: NeighbourDistances,
  combine: Combine,
): DimensionEstimate {
  const points = distances.length / k;
  const perPoint = new Float64Array(points).fill(NaN);
  let dropped = 0;
  for (let point = 0; point < points; point++) {
    const start = point * k;
    if (distances[start] === 0) {
      dropped++;
      continue;
    }
    const farthest = distances[start + k - 1]!;
    let sum = 0;
    for (let j = 0; j < k - 1; j++) sum += Math.log(farthest / distances[start + j]!);
    perPoint[point] = (k - 1) / sum;
  }
  return { dimension: combined(perPoint, combine), dropped, perPoint };
}
