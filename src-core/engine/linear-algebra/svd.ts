import { largestOf, type Step } from './eigen.ts';
import { qr } from './factor.ts';
import { transpose } from './transpose.ts';

const noStep: Step = () => Promise.resolve();

/** Elements worked on between two calls of `step`, tens of milliseconds. */
const elementsPerStep = 1 << 23;

export interface SingularVectors {
  /** m × r, orthonormal columns. */
  u: Float64Array;
  /** r singular values, descending. */
  s: Float64Array;
  /** r × n, orthonormal rows. */
  vt: Float64Array;
}

/**
 * Singular values of an m × n matrix, row-major, descending, min(m, n) of them, each off by a few
 * units of rounding of the largest.
 *
 * @throws RangeError where the matrix holds NaN or infinities.
 */
export async function singularValues(
  matrix: Float64Array,
  m: number,
  n: number,
  options: { step?: Step } = {},
): Promise<Float64Array> {
  return (await svd(matrix, m, n, options)).s;
}

/** The sum of the singular values of an m × n matrix, row-major. @throws as `singularValues`. */
export async function nuclearNorm(
  matrix: Float64Array,
  m: number,
  n: number,
  options: { step?: Step } = {},
): Promise<number> {
  return (await singularValues(matrix, m, n, options)).reduce((sum, value) => sum + value, 0);
}

/** The thin singular value decomposition A = U·diag(s)·Vᵀ, r = min(m, n). @throws as `singularValues`. */
export async function svd(
  matrix: Float64Array,
  m: number,
  n: number,
  { step = noStep }: { step?: Step } = {},
): Promise<SingularVectors> {
  if (m < n) {
    const { u, s, vt } = await svd(transpose(matrix, m, n), n, m, { step });
    return { u: transpose(vt, m, m), s, vt: transpose(u, n, m) };
  }
  const scale = largestOf(matrix, n);
  const divisor = scale === 0 ? 1 : scale;
  const { q, r } = qr(
    matrix.map((value) => value / divisor),
    m,
    n,
  );
  // RᵀJ… = VΣ: the rows of R turned until orthogonal are σ·vᵀ, and the turns are U of R, as rows.
  const turns = new Float64Array(n * n);
  for (let i = 0; i < n; i++) turns[i * n + i] = 1;
  await orthogonaliseRows(r, turns, n, step);
  const norms = Float64Array.from({ length: n }, (_, i) => norm(r.subarray(i * n, (i + 1) * n)));
  const order = Array.from(norms.keys()).sort((a, b) => norms[b]! - norms[a]!);
  const s = Float64Array.from(order, (at) => norms[at]! * scale);
  const vt = new Float64Array(n * n);
  const ut = new Float64Array(n * n);
  order.forEach((from, to) => {
    const length = norms[from]!;
    vt.set(
      r.subarray(from * n, (from + 1) * n).map((value) => (length > 0 ? value / length : 0)),
      to * n,
    );
    ut.set(turns.subarray(from * n, (from + 1) * n), to * n);
  });
  completeRows(vt, n, s);
  return { u: multiplyTransposed(q, ut, m, n), s, vt };
}

const norm = (row: Float64Array) => Math.sqrt(row.reduce((sum, value) => sum + value * value, 0));

/** A·Bᵀ for A: m × n, B: n × n. */
function multiplyTransposed(a: Float64Array, b: Float64Array, m: number, n: number): Float64Array {
  const result = new Float64Array(m * n);
  for (let i = 0; i < m; i++) {
    for (let j = 0; j < n; j++) {
      let sum = 0;
      for (let k = 0; k < n; k++) sum += a[i * n + k]! * b[j * n + k]!;
      result[i * n + j] = sum;
    }
  }
  return result;
}

/** One-sided Jacobi (Hestenes): turn pairs of rows until all are orthogonal; `turns` follows. */
async function orthogonaliseRows(
  rows: Float64Array,
  turns: Float64Array,
  n: number,
  step: Step,
): Promise<void> {
  let largest = 0;
  for (let i = 0; i < n; i++) {
    let square = 0;
    for (let k = i * n; k < (i + 1) * n; k++) square += rows[k]! ** 2;
    largest = Math.max(largest, square);
  }
  // Rows that are rounding beside the largest have no directions to keep apart, and never settle.
  const rounding = (n * Number.EPSILON) ** 2 * largest;
  let work = 0;
  for (let sweep = 0; sweep < 60; sweep++) {
    let turned = false;
    for (let i = 0; i < n; i++) {
      for (let j = i + 1; j < n; j++) {
        let [a, b, inner] = [0, 0, 0];
        for (let k = 0; k < n; k++) {
          const x = rows[i * n + k]!;
          const y = rows[j * n + k]!;
          a += x * x;
          b += y * y;
          inner += x * y;
        }
        if (a <= rounding && b <= rounding) continue;
        if (Math.abs(inner) <= n * Number.EPSILON * Math.sqrt(a) * Math.sqrt(b)) continue;
        turned = true;
        const zeta = (b - a) / (2 * inner);
        const t = (zeta < 0 ? -1 : 1) / (Math.abs(zeta) + Math.hypot(1, zeta));
        const c = 1 / Math.hypot(1, t);
        turn(rows, n, i, j, c, c * t);
        turn(turns, n, i, j, c, c * t);
      }
      work += n * n;
      if (work > elementsPerStep) {
        work = 0;
        await step(Math.min(0.9, (sweep + i / n) / 10));
      }
    }
    if (!turned) {
      for (let i = 0; i < n; i++) {
        const row = rows.subarray(i * n, (i + 1) * n);
        if (row.reduce((sum, value) => sum + value * value, 0) <= rounding) row.fill(0);
      }
      return;
    }
  }
  throw new Error('singular values do not converge');
}

function turn(rows: Float64Array, n: number, i: number, j: number, c: number, s: number): void {
  for (let a = i * n, b = j * n, end = a + n; a < end; a++, b++) {
    const x = rows[a]!;
    const y = rows[b]!;
    rows[a] = c * x - s * y;
    rows[b] = s * x + c * y;
  }
}

/** Rows whose singular value is lost in rounding become any that are orthogonal to the rest. */
function completeRows(rows: Float64Array, n: number, s: Float64Array): void {
  for (let i = 0; i < n; i++) {
    if (s[i]! > n * Number.EPSILON * s[0]!) continue;
    const row = rows.subarray(i * n, (i + 1) * n);
    for (let axis = 0, length = 0; length < 0.5 / Math.sqrt(n) && axis < n; axis++) {
      row.fill(0);
      row[axis] = 1;
      // Twice is enough.
      for (let again = 0; again < 2; again++) {
        for (let k = 0; k < i; k++) {
          const other = rows.subarray(k * n, (k + 1) * n);
          const inner = row.reduce((sum, value, at) => sum + value * other[at]!, 0);
          for (let at = 0; at < n; at++) row[at]! -= inner * other[at]!;
        }
      }
      length = norm(row);
      if (length > 0) for (let at = 0; at < n; at++) row[at]! /= length;
    }
  }
}
