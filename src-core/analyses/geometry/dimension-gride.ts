import type { DimensionEstimate, NeighbourDistances } from './dimension-estimators.ts';

/** The largest n1 that is looked at: neighbours of 2·n1 points. */
const coarsest = 64;
/** Scales that make a plateau. */
const plateauLength = 3;
const tolerance = 1e-13;
const mostRounds = 100;

/** 1, 2, 4, … as far as `n` points have 2·n1 neighbours each. */
export function grideScales(n: number): number[] {
  const scales: number[] = [];
  for (let n1 = 1; n1 <= coarsest && 2 * n1 < n; n1 *= 2) scales.push(n1);
  return scales;
}

/**
 * Gride (Denti et al. 2022): the dimension that is most likely for the ratios r_{2·n1}/r_{n1}, at
 * each scale n1; `dimension` is that of the plateau.
 */
export function gride(
  { k, distances }: NeighbourDistances,
  scales: readonly number[],
): DimensionEstimate {
  const points = distances.length / k;
  const kept: number[] = [];
  for (let point = 0; point < points; point++) if (distances[point * k]! > 0) kept.push(point);
  const estimates = scales.map((n1) => {
    const logs = Float64Array.from(kept, (point) =>
      Math.log(distances[point * k + 2 * n1 - 1]! / distances[point * k + n1 - 1]!),
    );
    return { n1, dimension: mostLikely(logs, n1) };
  });
  return { dimension: plateau(estimates), dropped: points - kept.length, scales: estimates };
}

/**
 * The middle one of the three successive scales whose estimates differ least in proportion; the
 * finer ones where that is equal, and the finest where there are fewer than three.
 */
function plateau(estimates: readonly { dimension: number }[]): number {
  const values = estimates.map(({ dimension }) => dimension).filter(Number.isFinite);
  if (values.length < plateauLength) return values[0] ?? NaN;
  let best = values[0]!;
  let least = Infinity;
  for (let start = 0; start + plateauLength <= values.length; start++) {
    const run = values.slice(start, start + plateauLength).sort((a, b) => a - b);
    const spread = run.at(-1)! / run[0]!;
    if (spread < least) [least, best] = [spread, run[(plateauLength - 1) / 2]!];
  }
  return best;
}

/**
 * Where the derivative of the log-likelihood in d vanishes, for x = log μ and n2 = 2·n1:
 * N/d + (n1 − 1)Σ x/(1 − e^{−dx}) − (n2 − 1)Σ x. It falls and is convex, so that Newton's steps from
 * a d that is too small never pass the root. Only e^{−dx} occurs, so that nothing overflows.
 */
function mostLikely(logs: Float64Array, n1: number): number {
  const n = logs.length;
  const sum = logs.reduce((total, x) => total + x, 0);
  if (n === 0 || sum === 0) return NaN;
  if (n1 === 1) return n / sum;
  const at = (d: number) => {
    let [value, slope] = [n / d - (2 * n1 - 1) * sum, -n / (d * d)];
    for (const x of logs) {
      const rest = -Math.expm1(-d * x);
      // The limits at x = 0, where two distances are equal.
      value += (n1 - 1) * (x === 0 ? 1 / d : x / rest);
      slope -= (n1 - 1) * (x === 0 ? 1 / (d * d) : (x * x * (1 - rest)) / (rest * rest));
    }
    return { value, slope };
  };
  let d = n / sum;
  let here = at(d);
  while (here.value < 0) here = at((d /= 2));
  for (let round = 0; round < mostRounds; round++) {
    const change = -here.value / here.slope;
    d += change;
    if (change <= tolerance * d) break;
    here = at(d);
  }
  return d;
}
