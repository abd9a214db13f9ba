import { addScaled, dot, lanes, reflect, scale } from './vectors.as';

/**
 * Columns `from` down to `to` of the reduction of the lower triangle of a matrix, rows `stride`
 * bytes apart, to tridiagonal form by reflections (Golub and Van Loan, Matrix Computations, 8.3.1).
 * Row k is left with the vector of its reflection. `vectors` has room for four rows: v and w, the
 * pending update A ← A − v·wᵀ − w·vᵀ, which it holds between calls and where k = `from` are zero at
 * first, the next v, and the product p = A·v.
 */
export function tridiagonalise(
  matrix: usize,
  stride: usize,
  from: i32,
  to: i32,
  vectors: usize,
  d: usize,
  e: usize,
  taus: usize,
): void {
  const v = vectors;
  const w = vectors + stride;
  const next = w + stride;
  const p = next + stride;
  for (let k = from; k >= to; k--) {
    const offset = (<usize>k) << 3;
    const row = matrix + <usize>k * stride;
    addScaled(-load<f64>(v + offset), w, row, k + 1);
    addScaled(-load<f64>(w + offset), v, row, k + 1);
    store<f64>(d + offset, load<f64>(row + offset));
    const tau = reflect(row, k, k - 1, next, e + offset);
    store<f64>(taus + offset, tau);
    memory.fill(p, 0, offset);
    updateAndMultiply(matrix, stride, k, v, w, next, p);
    // w ← τ·p − ½τ²(pᵀv)·v
    const shift = (tau * tau * dot(p, next, k)) / 2;
    scale(tau, p, k);
    addScaled(-shift, next, p, k);
    memory.copy(w, p, offset);
    memory.copy(v, next, offset);
    memory.copy(row, next, offset);
  }
}

/**
 * On a lower triangle: A ← A − v·wᵀ − w·vᵀ, and p ← p + A·x. One pass does both, so that a column
 * costs one reading of the matrix from memory; two rows at a time fill the registers.
 */
function updateAndMultiply(
  matrix: usize,
  stride: usize,
  size: i32,
  v: usize,
  w: usize,
  x: usize,
  p: usize,
): void {
  let upper = matrix;
  for (let i = 0; i < size; i += 2) {
    const lower = i + 1 < size ? upper + stride : upper;
    const at = (<usize>i) << 3;
    // Negated, so that the update adds.
    const v0 = f64x2.neg(v128.load_splat<f64>(v + at));
    const v1 = f64x2.neg(v128.load_splat<f64>(v + at, 8));
    const w0 = f64x2.neg(v128.load_splat<f64>(w + at));
    const w1 = f64x2.neg(v128.load_splat<f64>(w + at, 8));
    const x0 = v128.load_splat<f64>(x + at);
    const x1 = v128.load_splat<f64>(x + at, 8);
    let sum0 = f64x2.splat(0);
    let sum1 = sum0;
    if (lower != upper) {
      for (let j: usize = 0; j < at; j += 16) {
        const vj = v128.load(v + j);
        const wj = v128.load(w + j);
        const xj = v128.load(x + j);
        const a = f64x2.relaxed_madd(w0, vj, f64x2.relaxed_madd(v0, wj, v128.load(upper + j)));
        const b = f64x2.relaxed_madd(w1, vj, f64x2.relaxed_madd(v1, wj, v128.load(lower + j)));
        v128.store(upper + j, a);
        v128.store(lower + j, b);
        sum0 = f64x2.relaxed_madd(a, xj, sum0);
        sum1 = f64x2.relaxed_madd(b, xj, sum1);
        const y = f64x2.relaxed_madd(a, x0, v128.load(p + j));
        v128.store(p + j, f64x2.relaxed_madd(b, x1, y));
      }
      diagonal(lower + at, v + at, w + at, x + at, p + at, lanes(sum1));
    } else {
      for (let j: usize = 0; j < at; j += 16) {
        const vj = v128.load(v + j);
        const wj = v128.load(w + j);
        const a = f64x2.relaxed_madd(w0, vj, f64x2.relaxed_madd(v0, wj, v128.load(upper + j)));
        v128.store(upper + j, a);
        sum0 = f64x2.relaxed_madd(a, v128.load(x + j), sum0);
        v128.store(p + j, f64x2.relaxed_madd(a, x0, v128.load(p + j)));
      }
    }
    // The entry on the diagonal of the upper row.
    const a = load<f64>(upper + at) - 2 * load<f64>(v + at) * load<f64>(w + at);
    store<f64>(upper + at, a);
    store<f64>(p + at, load<f64>(p + at) + lanes(sum0) + a * load<f64>(x + at));
    upper += stride << 1;
  }
}

/** The last two entries of the lower row of a pair; `sum` is what its other ones gave. */
function diagonal(row: usize, v: usize, w: usize, x: usize, p: usize, sum: f64): void {
  const v1 = load<f64>(v, 8);
  const w1 = load<f64>(w, 8);
  const x1 = load<f64>(x, 8);
  const a = load<f64>(row) - v1 * load<f64>(w) - w1 * load<f64>(v);
  const b = load<f64>(row, 8) - 2 * v1 * w1;
  store<f64>(row, a);
  store<f64>(row, b, 8);
  store<f64>(p, load<f64>(p) + a * x1);
  store<f64>(p, load<f64>(p, 8) + sum + a * load<f64>(x) + b * x1, 8);
}
