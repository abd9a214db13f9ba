import type { Random } from '../random.ts';
import { mean } from '../statistics.ts';

/** Share of the largest gradient below which one is rounding. */
const tolerance = 1e-12;
/** Share of its square length that a point must have beyond those chosen, else it depends on them. */
const independence = 1e-12;

/**
 * Weights x ≥ 0 of points whose combination is nearest to a target: min ‖t − Σ x_i s_i‖² (Lawson
 * and Hanson 1974), from products alone, with a Cholesky factor of the chosen points that grows.
 * @param gram s_i·s_j, m × m
 * @param products s_i·t
 */
export function nonNegativeWeights(gram: Float64Array, products: Float64Array): Float64Array {
  const m = products.length;
  const weights = new Float64Array(m);
  const gradient = products.slice();
  const dependent = new Uint8Array(m);
  const factor = new GrowingFactor(gram, m);
  const { chosen, isChosen } = factor;
  const least = tolerance * products.reduce((a, b) => Math.max(a, Math.abs(b)), 0);
  for (let round = 0; round < 3 * m; round++) {
    let best = -1;
    for (let i = 0; i < m; i++) {
      if (dependent[i] === 1 || isChosen[i] === 1 || gradient[i]! <= least) continue;
      if (best < 0 || gradient[i]! > gradient[best]!) best = i;
    }
    if (best < 0) break;
    if (!factor.add(best)) {
      dependent[best] = 1;
      continue;
    }
    let solution = factor.solve(products);
    while (solution.some((value) => value <= 0)) {
      // Go as far towards the solution as weights stay positive, and leave out those that reach 0.
      let part = 1;
      solution.forEach((value, at) => {
        const weight = weights[chosen[at]!]!;
        if (value <= 0) part = Math.min(part, weight / (weight - value));
      });
      solution.forEach((value, at) => {
        const i = chosen[at]!;
        const moved = weights[i]! + part * (value - weights[i]!);
        weights[i] = value <= 0 && moved <= tolerance ? 0 : moved;
      });
      const kept = chosen.filter((i) => weights[i]! > 0);
      if (kept.length === chosen.length) break;
      factor.reset(kept);
      solution = factor.solve(products);
    }
    chosen.forEach((i, at) => (weights[i] = solution[at]!));
    for (let i = 0; i < m; i++) {
      let value = products[i]!;
      for (const j of chosen) value -= gram[i * m + j]! * weights[j]!;
      gradient[i] = value;
    }
    dependent.fill(0);
  }
  return weights;
}

/** Cholesky factor of the Gram matrix of some points, in the order in which they were added. */
class GrowingFactor {
  readonly chosen: number[] = [];
  readonly isChosen: Uint8Array;
  readonly #gram: Float64Array;
  readonly #m: number;
  readonly #rows: Float64Array[] = [];

  constructor(gram: Float64Array, m: number) {
    this.#gram = gram;
    this.#m = m;
    this.isChosen = new Uint8Array(m);
  }

  /** False where the point is a combination of those chosen. */
  add(point: number): boolean {
    const size = this.chosen.length;
    const row = new Float64Array(size + 1);
    const own = this.#gram[point * this.#m + point]!;
    let rest = own;
    for (let j = 0; j < size; j++) {
      let value = this.#gram[point * this.#m + this.chosen[j]!]!;
      const other = this.#rows[j]!;
      for (let c = 0; c < j; c++) value -= row[c]! * other[c]!;
      row[j] = value / other[j]!;
      rest -= row[j]! ** 2;
    }
    if (rest <= independence * own) return false;
    row[size] = Math.sqrt(rest);
    this.#rows.push(row);
    this.chosen.push(point);
    this.isChosen[point] = 1;
    return true;
  }

  reset(points: readonly number[]): void {
    this.chosen.length = 0;
    this.isChosen.fill(0);
    this.#rows.length = 0;
    for (const point of points) this.add(point);
  }

  /** Weights of the chosen points, of either sign. */
  solve(products: Float64Array): Float64Array {
    const size = this.chosen.length;
    const x = new Float64Array(size);
    for (let i = 0; i < size; i++) {
      let value = products[this.chosen[i]!]!;
      for (let j = 0; j < i; j++) value -= this.#rows[i]![j]! * x[j]!;
      x[i] = value / this.#rows[i]![i]!;
    }
    for (let i = size - 1; i >= 0; i--) {
      let value = x[i]!;
      for (let j = i + 1; j < size; j++) value -= this.#rows[j]![i]! * x[j]!;
      x[i] = value / this.#rows[i]![i]!;
    }
    return x;
  }
}

/**
 * Gaussian directions in pairs that differ in the sign of the last coordinate, the one along the
 * centre, whose mean square is exactly 1: most of the spread of 1/α between draws comes from it.
 * @param width coordinates of each
 */
export function gaussianDraws(random: Random, count: number, width: number): Float64Array[] {
  const pairs = Math.ceil(count / 2);
  const halves = Array.from({ length: pairs }, () =>
    Float64Array.from({ length: width }, () => random.gaussian()),
  );
  const square = mean(halves.map((t) => t[width - 1]! ** 2));
  return halves.flatMap((t) => {
    t[width - 1]! /= Math.sqrt(square);
    const twin = t.slice();
    twin[width - 1] = -t[width - 1]!;
    return [t, twin];
  });
}

export interface ManifoldGeometry {
  /** Classifications of random labels that one unit carries, per manifold: 2 for points. */
  capacity: number;
  radius: number;
  dimension: number;
}

/**
 * Mean-field capacity, radius and dimension of one manifold (Chung, Lee and Sompolinsky 2018, eq. 16,
 * 17, 28 and 29, κ = 0).
 *
 * The manifold is the convex hull of m points s = (x, 1): x in r coordinates, in units of the
 * distance of its centre, and 1 along the centre. For each Gaussian t the anchor point is where the
 * cone of the manifold comes nearest to t, or the point of largest t·s where it is only the apex.
 * @param points x, m × r
 * @param draws t, each of r + 1 values, the last along the centre
 */
export async function manifoldGeometry(
  points: Float64Array,
  m: number,
  draws: readonly Float64Array[],
  step: (fraction: number) => Promise<void>,
): Promise<ManifoldGeometry> {
  const r = points.length / m;
  const gram = new Float64Array(m * m);
  for (let i = 0; i < m; i++) {
    for (let j = 0; j <= i; j++) {
      let sum = 1;
      for (let c = 0; c < r; c++) sum += points[i * r + c]! * points[j * r + c]!;
      gram[i * m + j] = sum;
      gram[j * m + i] = sum;
    }
  }
  const products = new Float64Array(m);
  const centre = new Float64Array(r);
  let [distances, squares, alignments] = [0, 0, 0];
  for (const [index, t] of draws.entries()) {
    let farthest = 0;
    for (let i = 0; i < m; i++) {
      let sum = t[r]!;
      for (let c = 0; c < r; c++) sum += points[i * r + c]! * t[c]!;
      products[i] = sum;
      if (sum > products[farthest]!) farthest = i;
    }
    const weights = nonNegativeWeights(gram, products);
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    if (total === 0) weights[farthest] = 1;
    const scale = total === 0 ? 1 : 1 / total;
    const anchor = new Float64Array(r);
    let along = 0;
    for (let i = 0; i < m; i++) {
      if (weights[i] === 0) continue;
      along += weights[i]! * products[i]!;
      for (let c = 0; c < r; c++) anchor[c]! += scale * weights[i]! * points[i * r + c]!;
    }
    // ‖v − t‖² = ‖Σ x s‖² = t·Σ x s, by the conditions of the optimum.
    if (total > 0) distances += along;
    let [own, gaussian, both] = [0, 0, 0];
    for (let c = 0; c < r; c++) {
      centre[c]! += anchor[c]! / draws.length;
      own += anchor[c]! ** 2;
      gaussian += t[c]! ** 2;
      both += anchor[c]! * t[c]!;
    }
    squares += own;
    if (own > 0) alignments += both / Math.sqrt(own * gaussian);
    if (index % 8 === 7) await step((index + 1) / draws.length);
  }
  const count = draws.length;
  const offset = centre.reduce((sum, value) => sum + value * value, 0);
  return {
    capacity: count / distances,
    radius: Math.sqrt(Math.max(0, squares / count - offset)),
    dimension: r * (alignments / count) ** 2,
  };
}
