import type { Step } from './eigen.ts';

/** Elements worked on between two calls of `step`, tens of milliseconds. */
const elementsPerStep = 1 << 23;

/**
 * Reduce the lower triangle of `a` (n × n, overwritten) to tridiagonal form by reflections, from
 * the last column up (Golub and Van Loan, Matrix Computations, 8.3.1). One pass over the remaining
 * triangle both applies the last reflection and multiplies by the next one's vector: the matrix is
 * read from memory once a column. `basis`, where asked for, holds the product of the reflections.
 */
export async function tridiagonalise(a: Float64Array, n: number, withBasis: boolean, step: Step) {
  const diagonal = new Float64Array(n);
  const offDiagonal = new Float64Array(n);
  const taus = new Float64Array(n);
  // The pending update A ← A − v·wᵀ − w·vᵀ.
  let v = new Float64Array(n);
  let w = new Float64Array(n);
  let nextV = new Float64Array(n);
  let nextW = new Float64Array(n);
  const total = (n ** 3 / 6) * (withBasis ? 5 : 1);
  let done = 0;
  let reported = 0;
  for (let k = n - 1; k > 0; k--) {
    const row = k * n;
    // Row k with the pending update is the vector to reflect.
    for (let j = 0; j <= k; j++) a[row + j]! -= v[k]! * w[j]! + w[k]! * v[j]!;
    diagonal[k] = a[row + k]!;
    const { beta, tau } = reflector(a.subarray(row, row + k), nextV);
    offDiagonal[k] = beta;
    taus[k] = tau;
    updateAndMultiply(a, n, k, v, w, nextV, nextW);
    // w ← τ·p − ½τ²(pᵀv)·v, with p = A·v.
    let inner = 0;
    for (let j = 0; j < k; j++) inner += nextW[j]! * nextV[j]!;
    const shift = (tau * tau * inner) / 2;
    for (let j = 0; j < k; j++) nextW[j] = tau * nextW[j]! - shift * nextV[j]!;
    // Row k is done with: it keeps the reflection.
    a.set(nextV.subarray(0, k), row);
    [v, nextV] = [nextV, v];
    [w, nextW] = [nextW, w];
    done += (k * k) / 2;
    if (done - reported > elementsPerStep) {
      reported = done;
      await step(done / total);
    }
  }
  if (n > 0) diagonal[0] = a[0]! - 2 * v[0]! * w[0]!;
  if (!withBasis) return { diagonal, offDiagonal };
  // Row i of the basis: what the reflections, the last one first, make of the unit vector i.
  const basis = new Float64Array(n * n);
  for (let i = 0; i < n; i++) basis[i * n + i] = 1;
  const product = new Float64Array(n);
  for (let k = 1; k < n; k++) {
    const reflection = a.subarray(k * n, k * n + k);
    for (let i = 0; i < k; i++) {
      const row = basis.subarray(i * n, i * n + k);
      let inner = 0;
      for (let j = 0; j < k; j++) inner += row[j]! * reflection[j]!;
      product[i] = inner * taus[k]!;
    }
    for (let i = 0; i < k; i++) {
      const row = basis.subarray(i * n, i * n + k);
      const factor = product[i]!;
      for (let j = 0; j < k; j++) row[j]! -= factor * reflection[j]!;
    }
    done += 2 * k * k;
    if (done - reported > elementsPerStep) {
      reported = done;
      await step(done / total);
    }
  }
  return { diagonal, offDiagonal, basis };
}

/**
 * v and τ with (I − τvvᵀ)x = β·e, e the last unit vector and v's last element 1; τ = 0 where x
 * already is a multiple of e.
 */
function reflector(x: Float64Array, v: Float64Array): { beta: number; tau: number } {
  const last = x.length - 1;
  const alpha = x[last]!;
  let largest = 0;
  for (let j = 0; j < last; j++) largest = Math.max(largest, Math.abs(x[j]!));
  v.fill(0);
  if (largest === 0) return { beta: alpha, tau: 0 };
  // Scaled, so that squares do not vanish.
  const scale = Math.max(largest, Math.abs(alpha));
  let sum = 0;
  for (let j = 0; j <= last; j++) sum += (x[j]! / scale) ** 2;
  const beta = -Math.sign(alpha || 1) * scale * Math.sqrt(sum);
  for (let j = 0; j < last; j++) v[j] = x[j]! / (alpha - beta);
  v[last] = 1;
  return { beta, tau: (beta - alpha) / beta };
}

/** On the leading k × k lower triangle: A ← A − v·wᵀ − w·vᵀ, and p ← A·x. */
function updateAndMultiply(
  a: Float64Array,
  n: number,
  k: number,
  v: Float64Array,
  w: Float64Array,
  x: Float64Array,
  p: Float64Array,
): void {
  p.fill(0, 0, k);
  for (let i = 0; i < k; i++) {
    const row = i * n;
    const vi = v[i]!;
    const wi = w[i]!;
    const xi = x[i]!;
    let sum = 0;
    for (let j = 0; j < i; j++) {
      const value = a[row + j]! - vi * w[j]! - wi * v[j]!;
      a[row + j] = value;
      sum += value * x[j]!;
      p[j]! += value * xi;
    }
    const value = a[row + i]! - 2 * vi * wi;
    a[row + i] = value;
    p[i] = sum + value * xi;
  }
}

/**
 * Eigenvalues of a tridiagonal matrix, left in `d` in no order; `e[i]` couples i − 1 with i. Its
 * eigenvectors turn `basis` (rows: a basis of the space) into those of the full matrix, as rows.
 * The implicit QL method (Golub and Van Loan, 8.3.3).
 */
export async function implicitQl(
  d: Float64Array,
  e: Float64Array,
  basis: Float64Array | undefined,
  step: Step,
): Promise<void> {
  const n = d.length;
  e.copyWithin(0, 1);
  if (n > 0) e[n - 1] = 0;
  let work = 0;
  for (let l = 0; l < n; l++) {
    for (let sweep = 0; ; sweep++) {
      let m = l;
      while (
        m < n - 1 &&
        Math.abs(e[m]!) > Number.EPSILON * (Math.abs(d[m]!) + Math.abs(d[m + 1]!))
      )
        m++;
      if (m === l) break;
      if (sweep === 60) throw new Error('eigenvalues do not converge');
      let g = (d[l + 1]! - d[l]!) / (2 * e[l]!);
      let r = Math.hypot(g, 1);
      // Wilkinson's shift.
      g = d[m]! - d[l]! + e[l]! / (g + (g < 0 ? -r : r));
      let [s, c, p] = [1, 1, 0];
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
        if (basis !== undefined) rotate(basis, n, i, c, s);
      }
      work += (m - l) * (basis === undefined ? 8 : n);
      if (work > elementsPerStep) {
        work = 0;
        await step(l / n);
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
