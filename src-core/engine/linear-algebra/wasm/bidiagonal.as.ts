import { addScaled, dot, lanes, reflect, scale } from './vectors.as';

/**
 * Columns `from` to `to` (excluded) of the reduction of an m × n matrix, m ≥ n, rows `stride` bytes
 * apart, to upper bidiagonal form by reflections from both sides (Golub and Van Loan, Matrix
 * Computations, 5.4.3). Their vectors go to the rows of `left` and `right`, `reach` and `stride`
 * bytes apart, and their factors to `taus`, those from the left first; a `reach` of 0 keeps none.
 *
 * `wide` has room for y, v and the next y (`stride` bytes each), `tall` for u, x and the next u (m
 * each, even): A ← A − u·yᵀ − x·vᵀ is pending, and all are zero at first. What pads the rows of the
 * matrix is zero.
 */
export function bidiagonalise(
  matrix: usize,
  stride: usize,
  m: i32,
  n: i32,
  from: i32,
  to: i32,
  wide: usize,
  tall: usize,
  d: usize,
  e: usize,
  left: usize,
  reach: usize,
  right: usize,
  taus: usize,
): void {
  const height = (<usize>((m + 1) & ~1)) << 3;
  const y = wide;
  const v = wide + stride;
  const z = v + stride;
  const u = tall;
  const x = tall + height;
  const next = x + height;
  for (let k = from; k < to; k++) {
    const at = (<usize>k) << 3;
    // Column k with the pending update is the vector to reflect.
    const yk = load<f64>(y + at);
    const vk = load<f64>(v + at);
    let entry = matrix + <usize>k * stride + at;
    for (let i = at; i < (<usize>m) << 3; i += 8) {
      store<f64>(next + i, load<f64>(entry) - load<f64>(u + i) * yk - load<f64>(x + i) * vk);
      entry += stride;
    }
    let tau = reflect(next + at, m - k, 0, next + at, d + at);
    // An even column: what is finished may change.
    const first = ((<usize>(k + 1)) & ~1) << 3;
    memory.fill(z, 0, stride);
    updateAndMultiply(matrix, stride, k, m, first, stride, u, y, x, v, next, z);
    memory.copy(u + at, next + at, ((<usize>m) << 3) - at);
    memory.fill(y, 0, stride);
    addScaled(tau, z + first, y + first, <i32>((stride - first) >> 3));
    store<f64>(taus + at, tau);
    if (reach > 0) memory.copy(left + <usize>k * reach + at, u + at, ((<usize>m) << 3) - at);
    memory.fill(v, 0, stride);
    if (k + 1 == n) break;
    // Row k of what the reflection from the left leaves.
    const row = matrix + <usize>k * stride;
    const after = at + 8;
    addScaled(-1, y + after, row + after, n - k - 1);
    tau = reflect(row + after, n - k - 1, 0, v + after, e + at);
    if (reach > 0) memory.copy(right + <usize>k * stride, v, stride);
    store<f64>(taus + ((<usize>n) << 3) + at, tau);
    // x ← τ·(A·v − (yᵀv)·u)
    multiply(matrix, stride, k + 1, m, first, stride, v, x);
    addScaled(
      -dot(y + first, v + first, <i32>((stride - first) >> 3)),
      u + after,
      x + after,
      m - k - 1,
    );
    scale(tau, x + after, m - k - 1);
  }
}

/** On rows from `top`, bytes `first` to `last` of each: A ← A − u·yᵀ − x·vᵀ, and z ← z + Aᵀ·t. */
function updateAndMultiply(
  matrix: usize,
  stride: usize,
  top: i32,
  bottom: i32,
  first: usize,
  last: usize,
  u: usize,
  y: usize,
  x: usize,
  v: usize,
  t: usize,
  z: usize,
): void {
  for (let i = top; i < bottom; i += 2) {
    const at = (<usize>i) << 3;
    const upper = matrix + <usize>i * stride;
    const u0 = f64x2.neg(v128.load_splat<f64>(u + at));
    const x0 = f64x2.neg(v128.load_splat<f64>(x + at));
    const t0 = v128.load_splat<f64>(t + at);
    if (i + 1 == bottom) {
      for (let j = first; j < last; j += 16) {
        let a = f64x2.relaxed_madd(u0, v128.load(y + j), v128.load(upper + j));
        a = f64x2.relaxed_madd(x0, v128.load(v + j), a);
        v128.store(upper + j, a);
        v128.store(z + j, f64x2.relaxed_madd(t0, a, v128.load(z + j)));
      }
      return;
    }
    const lower = upper + stride;
    const u1 = f64x2.neg(v128.load_splat<f64>(u + at, 8));
    const x1 = f64x2.neg(v128.load_splat<f64>(x + at, 8));
    const t1 = v128.load_splat<f64>(t + at, 8);
    for (let j = first; j < last; j += 16) {
      const yj = v128.load(y + j);
      const vj = v128.load(v + j);
      const a = f64x2.relaxed_madd(x0, vj, f64x2.relaxed_madd(u0, yj, v128.load(upper + j)));
      const b = f64x2.relaxed_madd(x1, vj, f64x2.relaxed_madd(u1, yj, v128.load(lower + j)));
      v128.store(upper + j, a);
      v128.store(lower + j, b);
      const sum = f64x2.relaxed_madd(t0, a, v128.load(z + j));
      v128.store(z + j, f64x2.relaxed_madd(t1, b, sum));
    }
  }
}

/** x ← A·v, on rows from `top` and bytes `first` to `last` of each. */
function multiply(
  matrix: usize,
  stride: usize,
  top: i32,
  bottom: i32,
  first: usize,
  last: usize,
  v: usize,
  x: usize,
): void {
  let i = top;
  for (; i + 4 <= bottom; i += 4) {
    const row0 = matrix + <usize>i * stride;
    const row1 = row0 + stride;
    const row2 = row1 + stride;
    const row3 = row2 + stride;
    let sum0 = f64x2.splat(0);
    let sum1 = sum0;
    let sum2 = sum0;
    let sum3 = sum0;
    for (let j = first; j < last; j += 16) {
      const vj = v128.load(v + j);
      sum0 = f64x2.relaxed_madd(v128.load(row0 + j), vj, sum0);
      sum1 = f64x2.relaxed_madd(v128.load(row1 + j), vj, sum1);
      sum2 = f64x2.relaxed_madd(v128.load(row2 + j), vj, sum2);
      sum3 = f64x2.relaxed_madd(v128.load(row3 + j), vj, sum3);
    }
    const at = x + ((<usize>i) << 3);
    store<f64>(at, lanes(sum0));
    store<f64>(at, lanes(sum1), 8);
    store<f64>(at, lanes(sum2), 16);
    store<f64>(at, lanes(sum3), 24);
  }
  for (; i < bottom; i++) {
    const length = <i32>((last - first) >> 3);
    const sum = dot(matrix + <usize>i * stride + first, v + first, length);
    store<f64>(x + ((<usize>i) << 3), sum);
  }
}
