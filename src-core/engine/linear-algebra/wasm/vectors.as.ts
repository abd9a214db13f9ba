// Vectors of doubles at addresses that are multiples of 16.

export function lanes(pair: v128): f64 {
  return f64x2.extract_lane(pair, 0) + f64x2.extract_lane(pair, 1);
}

export function dot(x: usize, y: usize, n: i32): f64 {
  let first = f64x2.splat(0);
  let second = first;
  let third = first;
  let fourth = first;
  let i = 0;
  for (; i + 8 <= n; i += 8) {
    first = f64x2.relaxed_madd(v128.load(x), v128.load(y), first);
    second = f64x2.relaxed_madd(v128.load(x, 16), v128.load(y, 16), second);
    third = f64x2.relaxed_madd(v128.load(x, 32), v128.load(y, 32), third);
    fourth = f64x2.relaxed_madd(v128.load(x, 48), v128.load(y, 48), fourth);
    x += 64;
    y += 64;
  }
  let sum = lanes(f64x2.add(f64x2.add(first, second), f64x2.add(third, fourth)));
  for (; i < n; i++) {
    sum += load<f64>(x) * load<f64>(y);
    x += 8;
    y += 8;
  }
  return sum;
}

/** y ← y + a·x. */
export function addScaled(a: f64, x: usize, y: usize, n: i32): void {
  const factor = f64x2.splat(a);
  let i = 0;
  for (; i + 2 <= n; i += 2) {
    v128.store(y, f64x2.relaxed_madd(factor, v128.load(x), v128.load(y)));
    x += 16;
    y += 16;
  }
  if (i < n) store<f64>(y, load<f64>(y) + a * load<f64>(x));
}

export function scale(a: f64, x: usize, n: i32): void {
  const factor = f64x2.splat(a);
  let i = 0;
  for (; i + 2 <= n; i += 2) {
    v128.store(x, f64x2.mul(factor, v128.load(x)));
    x += 16;
  }
  if (i < n) store<f64>(x, a * load<f64>(x));
}

/** Beside entries of about unit size this is zero, and its inverse is finite. */
const TINY: f64 = 1e-290;

/**
 * The reflection I − τ·v·vᵀ, v's element `pivot` 1, that turns x (n elements) into β times the unit
 * vector of `pivot`; τ = 0 where x already is a multiple of it. Answers τ.
 */
export function reflect(x: usize, n: i32, pivot: i32, v: usize, beta: usize): f64 {
  const at = (<usize>pivot) << 3;
  const alpha = load<f64>(x + at);
  let most: f64 = 0;
  for (let i = 0; i < n; i++) {
    if (i != pivot) most = max<f64>(most, abs<f64>(load<f64>(x + ((<usize>i) << 3))));
  }
  if (most < TINY) {
    memory.fill(v, 0, (<usize>n) << 3);
    store<f64>(beta, alpha);
    return 0;
  }
  // Scaled, so that squares do not vanish.
  const size = max<f64>(most, abs<f64>(alpha));
  memory.copy(v, x, (<usize>n) << 3);
  scale(1 / size, v, n);
  const norm = size * sqrt<f64>(dot(v, v, n));
  const result = alpha < 0 ? norm : -norm;
  scale(size / (alpha - result), v, n);
  store<f64>(v + at, 1);
  store<f64>(beta, result);
  return (result - alpha) / result;
}
