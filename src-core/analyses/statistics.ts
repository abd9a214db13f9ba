import type { Real } from '../results/schema.ts';

type Numbers = readonly number[] | Float64Array;

/** Share of draws that an interval covers. */
export const intervalLevel = 0.95;

/** NaN and infinity as the null that JSON results carry. */
export const real = (value: number): Real => (Number.isFinite(value) ? value : null);

export function mean(values: Numbers): number {
  let sum = 0;
  for (const value of values) sum += value;
  return sum / values.length;
}

/** Population standard deviation. */
export function deviation(values: Numbers): number {
  const centre = mean(values);
  let sum = 0;
  for (const value of values) sum += (value - centre) ** 2;
  return Math.sqrt(sum / values.length);
}

/** Quantile of ascending values, interpolated linearly (NumPy's default). */
export function quantile(sorted: Numbers, share: number): number {
  const position = share * (sorted.length - 1);
  const below = Math.floor(position);
  const low = sorted[below]!;
  return low + (position - below) * ((sorted[below + 1] ?? low) - low);
}

/** Percentile bounds of bootstrap draws; draws without a value are left out. */
export function percentileInterval(draws: Numbers): { low: Real; high: Real } {
  const sorted = Float64Array.from(Array.from(draws).filter(Number.isFinite)).sort();
  if (sorted.length === 0) return { low: null, high: null };
  const tail = (1 - intervalLevel) / 2;
  return { low: quantile(sorted, tail), high: quantile(sorted, 1 - tail) };
}

/**
 * Mean and spread of a null distribution, and the share of it that is as alike as `observed`:
 * draws that reach it, or, of a distance, draws that are no larger.
 */
export function nullSummary(draws: Numbers, observed: Real, distance = false) {
  if (observed === null) return { mean: null, sd: null, p: null };
  let reached = 0;
  for (const draw of draws) if (distance ? draw <= observed : draw >= observed) reached++;
  return {
    mean: real(mean(draws)),
    sd: real(deviation(draws)),
    p: (1 + reached) / (1 + draws.length),
  };
}
