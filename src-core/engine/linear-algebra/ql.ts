import type { Step } from './eigen.ts';

/** Rotations between two calls of `step`, tens of milliseconds. */
const rotationsPerStep = 1 << 20;

/**
 * Eigenvalues of a tridiagonal matrix, left in `d` in no order; `e[i]` couples i − 1 with i, and is
 * overwritten. The QL method free of square roots (Pal, Walker and Kahan; Parlett, The Symmetric
 * Eigenvalue Problem, 8.15). Each is off by a few units of rounding of the largest.
 */
export async function tridiagonalValues(
  d: Float64Array,
  e: Float64Array,
  step: Step,
): Promise<void> {
  const n = d.length;
  if (n === 0) return;
  const squares = new Float64Array(n);
  let norm = 0;
  for (let i = 0; i < n; i++) {
    norm = Math.max(norm, Math.abs(d[i]!), i === 0 ? 0 : Math.abs(e[i]!));
    if (i > 0) squares[i - 1] = e[i]! ** 2;
  }
  const relative = Number.EPSILON ** 2;
  const absolute = (Number.EPSILON * norm) ** 2 / 64;
  let work = 0;
  for (let l = 0; l < n; l++) {
    for (let sweep = 0; ; sweep++) {
      let m = l;
      while (
        m < n - 1 &&
        squares[m]! > absolute &&
        squares[m]! > relative * Math.abs(d[m]! * d[m + 1]!)
      )
        m++;
      if (m < n - 1) squares[m] = 0;
      if (m === l) break;
      if (sweep === 60) throw new Error('eigenvalues do not converge');
      // Wilkinson's shift.
      const root = Math.sqrt(squares[l]!);
      const half = (d[l + 1]! - d[l]!) / (2 * root);
      const shift = d[l]! - root / (half + (half < 0 ? -1 : 1) * Math.sqrt(half * half + 1));
      let c = 1;
      let s = 0;
      let gamma = d[m]! - shift;
      let p = gamma * gamma;
      for (let i = m - 1; i >= l; i--) {
        const square = squares[i]!;
        const r = p + square;
        if (i < m - 1) squares[i + 1] = s * r;
        const oldC = c;
        c = p / r;
        s = square / r;
        const oldGamma = gamma;
        const alpha = d[i]!;
        gamma = c * (alpha - shift) - s * oldGamma;
        d[i + 1] = oldGamma + (alpha - gamma);
        p = c === 0 ? oldC * square : (gamma * gamma) / c;
      }
      squares[l] = s * p;
      d[l] = shift + gamma;
      work += m - l;
      if (work > rotationsPerStep) {
        work = 0;
        await step(l / n);
      }
    }
  }
}

/**
 * Eigenvalues of a tridiagonal matrix, left in `d` in no order; `e[i]` couples i − 1 with i, and is
 * overwritten; what is `negligible` counts as zero. Its eigenvectors turn the rows of `basis` (n × n).
 * The implicit QL method (Golub and Van Loan, Matrix Computations, 8.3.3).
 */
export function tridiagonalPairs(
  d: Float64Array,
  e: Float64Array,
  basis: Float64Array,
  negligible: number,
): void {
  const n = d.length;
  e.copyWithin(0, 1);
  if (n > 0) e[n - 1] = 0;
  for (let l = 0; l < n; l++) {
    for (let sweep = 0; ; sweep++) {
      let m = l;
      while (
        m < n - 1 &&
        Math.abs(e[m]!) > negligible &&
        Math.abs(e[m]!) > Number.EPSILON * (Math.abs(d[m]!) + Math.abs(d[m + 1]!))
      )
        m++;
      if (m === l) break;
      if (sweep === 60) throw new Error('eigenvalues do not converge');
      let g = (d[l + 1]! - d[l]!) / (2 * e[l]!);
      let r = Math.hypot(g, 1);
      // Wilkinson's shift.
      g = d[m]! - d[l]! + e[l]! / (g + (g < 0 ? -r : r));
      let s = 1;
      let c = 1;
      let p = 0;
      let i = m - 1;
      for (; i >= l; i--) {
        const f = s * e[i]!;
        const b = c * e[i]!;
        r = Math.sqrt(f * f + g * g);
        e[i + 1] = r;
        if (r === 0) {
          d[i + 1]! -= p;
          e[m] = 0;
          break;
        }
        s = f / r;
        c = g / r;
        g = d[i + 1]! - p;
        r = (d[i]! - g) * s + 2 * c * b;
        p = s * r;
        d[i + 1] = g + p;
        g = c * r - b;
        rotate(basis, n, i, c, s);
      }
      if (i >= l) continue;
      d[l]! -= p;
      e[l] = g;
      e[m] = 0;
    }
  }
}

/** Rows i and i + 1 ← c·row i − s·row i + 1 and s·row i + c·row i + 1. */
function rotate(rows: Float64Array, n: number, i: number, c: number, s: number): void {
  for (let a = i * n, b = a + n, end = b; a < end; a++, b++) {
    const upper = rows[a]!;
    const lower = rows[b]!;
    rows[b] = s * upper + c * lower;
    rows[a] = c * upper - s * lower;
  }
}
