import type { Metric } from './rips/distances.ts';

/** Comparisons between two calls of `step`. */
const workPerStep = 3e7;
/** Rows that are kept at hand while others pass. */
const tile = 32;

/**
 * Gromov's δ from the first point as base: with the products (y, z) = ½(d(x, y) + d(x, z) − d(y, z)),
 * the largest of min((y, w), (w, z)) − (y, z) over all y, z, w. And the diameter.
 */
export async function gromov(
  metric: Metric,
  step: (fraction: number) => Promise<void>,
): Promise<{ delta: number; diameter: number }> {
  const { n } = metric;
  const base = metric.from(0);
  const products = new Float64Array(n * n);
  let diameter = 0;
  await metric.each(
    (i, distances) => {
      products[i * n + i] = base[i]!;
      for (let j = 0; j < i; j++) {
        const distance = distances[j]!;
        if (distance > diameter) diameter = distance;
        const product = (base[i]! + base[j]! - distance) / 2;
        products[i * n + j] = product;
        products[j * n + i] = product;
      }
    },
    (part) => step(part / 10),
  );
  let delta = 0;
  let work = 0;
  for (let start = 0; start < n; start += tile) {
    const end = Math.min(n, start + tile);
    for (let j = start; j < n; j++) {
      for (let i = start; i < Math.min(end, j); i++) {
        const product = products[i * n + j]!;
        // No product of a point is larger than its distance from the base.
        if (Math.min(base[i]!, base[j]!) - product <= delta) continue;
        work += n;
        delta = Math.max(delta, maxMin(products, i * n, j * n, n) - product);
      }
      if (work > workPerStep) {
        work = 0;
        await step(0.1 + 0.9 * (1 - (1 - start / n) ** 2));
      }
    }
  }
  return { delta, diameter };
}

/** The largest of min(a_k, b_k) over two rows. */
function maxMin(values: Float64Array, a: number, b: number, n: number): number {
  let most = -Infinity;
  for (let k = 0; k < n; k++) {
    const [x, y] = [values[a + k]!, values[b + k]!];
    const least = x < y ? x : y;
    if (least > most) most = least;
  }
  return most;
}
