/** The roots of a secular equation. */
export interface SecularRoots {
  /** Root j is d[origin[j]] + offset[j]: differences from the poles lose no digits. */
  origin: Int32Array;
  offset: Float64Array;
}

/**
 * Roots j from `from` to `to` (excluded) of 1 + ρ·Σ zᵢ²/(dᵢ − λ) = 0, ρ > 0, d ascending and
 * distinct: root j lies between d[j] and d[j + 1], the last one above d. By rational interpolation
 * of the two sums of poles on either side (Bunch, Nielsen and Sorensen, 1978; Li, LAPACK Working
 * Note 89), inside a bracket that halves where a step leaves it.
 */
export function solveSecular(
  d: Float64Array,
  squares: Float64Array,
  rho: number,
  from: number,
  to: number,
  { origin, offset }: SecularRoots,
): void {
  const k = d.length;
  const constant = 1 / rho;
  for (let j = from; j < to; j++) {
    const last = j === k - 1;
    let base = j;
    let lower = 0;
    let upper: number;
    let tau: number;
    if (last) {
      let sum = 0;
      for (let i = 0; i < k; i++) sum += squares[i]!;
      upper = rho * sum;
      tau = upper / 2;
    } else {
      const gap = d[j + 1]! - d[j]!;
      const middle = gap / 2;
      let others = constant;
      for (let i = 0; i < j; i++) others += squares[i]! / (d[i]! - d[j]! - middle);
      for (let i = j + 2; i < k; i++) others += squares[i]! / (d[i]! - d[j]! - middle);
      const [left, right] = [squares[j]!, squares[j + 1]!];
      const below = others + (right - left) / middle >= 0;
      // The nearer pole is the origin; what the two poles and a constant give is the first guess.
      if (below) {
        upper = middle;
        const a = others * gap + left + right;
        const root = Math.sqrt(Math.abs(a * a - 4 * left * gap * others));
        tau = a > 0 ? (2 * left * gap) / (a + root) : (a - root) / (2 * others);
      } else {
        base = j + 1;
        [lower, upper] = [-middle, 0];
        const a = -others * gap + left + right;
        const root = Math.sqrt(Math.abs(a * a + 4 * right * gap * others));
        tau = a < 0 ? (2 * right * gap) / (a - root) : -(a + root) / (2 * others);
      }
      if (!(tau > lower && tau < upper)) tau = (lower + upper) / 2;
    }
    const pole = d[base]!;
    for (let iteration = 0; iteration < 100; iteration++) {
      let psi = 0;
      let psiSlope = 0;
      let phi = 0;
      let phiSlope = 0;
      for (let i = 0; i <= j; i++) {
        const inverse = 1 / (d[i]! - pole - tau);
        const term = squares[i]! * inverse;
        psi += term;
        psiSlope += term * inverse;
      }
      for (let i = j + 1; i < k; i++) {
        const inverse = 1 / (d[i]! - pole - tau);
        const term = squares[i]! * inverse;
        phi += term;
        phiSlope += term * inverse;
      }
      const value = constant + psi + phi;
      const slope = psiSlope + phiSlope;
      const size = 16 * (phi - psi + constant) + Math.abs(tau) * slope;
      if (Math.abs(value) <= Number.EPSILON * size) break;
      if (value < 0) lower = tau;
      else upper = tau;
      const left = d[j]! - pole - tau;
      let change: number;
      if (last) {
        const c = value - left * psiSlope;
        change = (left * value) / c;
      } else {
        const right = d[j + 1]! - pole - tau;
        const c = value - left * psiSlope - right * phiSlope;
        const a = (left + right) * value - left * right * slope;
        const b = left * right * value;
        const root = Math.sqrt(Math.abs(a * a - 4 * b * c));
        change = c === 0 ? b / a : a <= 0 ? (a - root) / (2 * c) : (2 * b) / (a + root);
      }
      if (!(value * change < 0)) change = -value / slope;
      let moved = tau + change;
      if (!(moved > lower && moved < upper)) moved = (lower + upper) / 2;
      if (moved === tau || moved === lower || moved === upper) break;
      tau = moved;
    }
    origin[j] = base;
    offset[j] = tau;
  }
}

/**
 * Multiply into `weights` what roots j from `from` to `to` (excluded) have in the z² that would give
 * all roots exactly, up to a factor. With that z, eigenvectors are orthogonal however close roots are
 * (Gu and Eisenstat, 1994).
 */
export function multiplyWeights(
  d: Float64Array,
  { origin, offset }: SecularRoots,
  from: number,
  to: number,
  weights: Float64Array,
): void {
  const k = d.length;
  for (let j = from; j < to; j++) {
    const pole = d[origin[j]!]!;
    const tau = offset[j]!;
    const own = d[j]!;
    for (let i = 0; i < j; i++) weights[i]! *= (d[i]! - pole - tau) / (d[i]! - own);
    weights[j]! *= own - pole - tau;
    for (let i = j + 1; i < k; i++) weights[i]! *= (d[i]! - pole - tau) / (d[i]! - own);
  }
}
