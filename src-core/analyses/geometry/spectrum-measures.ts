// Eigenvalues λ are descending and not negative; singular values are √λ up to a common factor.

type Spectrum = Float64Array;

/** Share of the largest eigenvalue below which one is taken for rounding. */
const rankTolerance = 1e-12;
/** Added to each share by RankMe. */
const rankMeEpsilon = 1e-7;

const total = (values: Float64Array) => values.reduce((sum, value) => sum + value, 0);

/** Shannon entropy in nats of values scaled to add up to 1, each share raised by `epsilon`. */
export function entropy(values: Float64Array, epsilon = 0): number {
  const sum = total(values);
  return values.reduce((bits, value) => {
    const share = value / sum + epsilon;
    return share > 0 ? bits - share * Math.log(share) : bits;
  }, 0);
}

/** Eigenvalues above rounding. */
export const numericalRank = (spectrum: Spectrum): number =>
  spectrum.filter((value) => value > rankTolerance * spectrum[0]!).length;

export const participationRatio = (spectrum: Spectrum): number =>
  total(spectrum) ** 2 / total(spectrum.map((value) => value * value));

export const stableRank = (spectrum: Spectrum): number => total(spectrum) / spectrum[0]!;

/** Roy and Vetterli (2007). */
export const effectiveRank = (spectrum: Spectrum): number =>
  Math.exp(entropy(spectrum.map(Math.sqrt)));

/** Garrido et al. (2023); takes the spectrum of the rows without centring. */
export const rankMe = (spectrum: Spectrum): number =>
  Math.exp(entropy(spectrum.map(Math.sqrt), rankMeEpsilon));

export interface PowerLaw {
  alpha: number;
  r2: number;
  /** λ at rank 1 of the fitted line. */
  scale: number;
  first: number;
  last: number;
}

/** Least-squares line through (log i, log λ_i), ranks from 1, both ends included. */
export function powerLaw(spectrum: Spectrum, [first, last]: readonly [number, number]): PowerLaw {
  const count = last - first + 1;
  if (count < 2) return { alpha: NaN, r2: NaN, scale: NaN, first, last };
  const x = Float64Array.from({ length: count }, (_, i) => Math.log(first + i));
  const y = Float64Array.from({ length: count }, (_, i) => Math.log(spectrum[first - 1 + i]!));
  const meanX = total(x) / count;
  const meanY = total(y) / count;
  let [xx, xy, yy] = [0, 0, 0];
  for (let i = 0; i < count; i++) {
    xx += (x[i]! - meanX) ** 2;
    xy += (x[i]! - meanX) * (y[i]! - meanY);
    yy += (y[i]! - meanY) ** 2;
  }
  // A flat spectrum is fitted exactly by slope zero.
  return {
    alpha: -xy / xx,
    r2: yy === 0 ? 1 : xy ** 2 / (xx * yy),
    scale: Math.exp(meanY - (xy / xx) * meanX),
    first,
    last,
  };
}
