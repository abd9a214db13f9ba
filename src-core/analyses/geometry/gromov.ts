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
  // Entries other than (y, y) of the row of y bound min((y, w), (w, z)) for all w but y and z, with
  // which it is (y, z). Pairs of which the bound is far are looked at first: they leave few others.
  const bounds = Float64Array.from({ length: n }, (_, i) => largestBeside(products, i, n));
  const gain = (i: number, j: number) => Math.min(bounds[i]!, bounds[j]!) - products[i * n + j]!;
  let delta = 0;
  let work = 0;
  const look = (i: number, j: number) => {
    work += n;
    delta = Math.max(delta, maxMin(products, i * n, j * n, n) - products[i * n + j]!);
  };
  for (let i = 0; i < n; i++) {
    let best = 0;
    for (let j = 1; j < n; j++) if (gain(i, j) > gain(i, best)) best = j;
    look(i, best);
    if (work > workPerStep) await pause(0.1);
  }
  for (let start = 0; start < n; start += tile) {
    const end = Math.min(n, start + tile);
    for (let j = start; j < n; j++) {
      for (let i = start; i < Math.min(end, j); i++) {
        if (gain(i, j) > delta) look(i, j);
      }
      work += tile;
      if (work > workPerStep) await pause(0.1 + 0.9 * (1 - (1 - start / n) ** 2));
    }
  }
  return { delta, diameter };

  function pause(part: number): Promise<void> {
    work = 0;
    return step(part);
  }
}

/** The largest entry of row i but that on the diagonal. */
function largestBeside(values: Float64Array, i: number, n: number): number {
  let most = -Infinity;
  for (let k = 0; k < n; k++) if (k !== i && values[i * n + k]! > most) most = values[i * n + k]!;
  return most;
}

/** The largest of min(a_k, b_k) over two rows. */
function maxMin(values: Float64Array, a: number, b: number, n: number): number {
  let most = -Infinity;
  for (let k = 0; k < n; k++) {
    const x = values[a + k]!;
    const y = values[b + k]!;
    const least = x < y ? x : y;
    if (least > most) most = least;
  }
  return most;
}
