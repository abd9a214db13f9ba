import { addScaled, dot, reflect } from './vectors.as';

/**
 * Householder vectors of `count` vectors of m elements, `stride` bytes apart, in place: that of vector
 * i begins at element first + i, where it turns the vector into diagonal[i], and those after it follow.
 */
export function factorPanel(
  vectors: usize,
  stride: usize,
  count: i32,
  first: i32,
  m: i32,
  diagonal: usize,
  taus: usize,
): void {
  for (let i = 0; i < count; i++) {
    const at = (<usize>(first + i)) << 3;
    const length = m - first - i;
    const v = vectors + <usize>i * stride + at;
    const to = (<usize>i) << 3;
    const tau = reflect(v, length, 0, v, diagonal + to);
    store<f64>(taus + to, tau);
    for (let j = i + 1; j < count; j++) {
      const x = vectors + <usize>j * stride + at;
      addScaled(-tau * dot(v, x, length), v, x, length);
    }
  }
}
