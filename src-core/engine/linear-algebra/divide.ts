import type { Step } from './eigen.ts';
import { product } from './products.ts';
import { tridiagonalPairs } from './ql.ts';
import { multiplyWeights, solveSecular, type SecularRoots } from './secular.ts';

/** Up to this size the QL method is the faster. */
const leafSize = 32;
/** Differences of roots and poles between two calls of `step`, tens of milliseconds. */
const termsPerStep = 1 << 23;

interface Pairs {
  values: Float64Array;
  /** Row i is the unit eigenvector of value i. */
  vectors: Float64Array;
}

interface OrderedPairs extends Pairs {
  /** Indices of `values`, ascending. */
  order: readonly number[];
}

const ascending = (values: Float64Array) =>
  Array.from(values.keys()).sort((a, b) => values[a]! - values[b]!);

/**
 * The `count` largest eigenvalues of a tridiagonal matrix, descending, with their eigenvectors;
 * `e[i]` couples i − 1 with i. Entries are of about unit size. Divide and conquer (Cuppen, 1981; Gu
 * and Eisenstat, 1995; deflation as by Rutter, LAPACK Working Note 69): most work is matrix products,
 * and most of that in the last step, which leaves out what is not wanted.
 */
export async function divideAndConquer(
  d: Float64Array,
  e: Float64Array,
  count: number,
  step: Step,
): Promise<Pairs> {
  const n = d.length;
  const negligible = (Number.EPSILON * Math.max(largest(d), largest(e))) / 8;
  const { values, vectors, order } = await solve(d, e, count, negligible, step);
  const descending = order.slice(-count).reverse();
  const sorted = new Float64Array(count * n);
  descending.forEach((from, to) => sorted.set(vectors.subarray(from * n, (from + 1) * n), to * n));
  return { values: Float64Array.from(descending, (at) => values[at]!), vectors: sorted };
}

const largest = (values: Float64Array) =>
  values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);

async function solve(
  d: Float64Array,
  e: Float64Array,
  count: number,
  negligible: number,
  step: Step,
): Promise<OrderedPairs> {
  const n = d.length;
  if (n <= leafSize) {
    const values = d.slice();
    const vectors = new Float64Array(n * n);
    for (let i = 0; i < n; i++) vectors[i * n + i] = 1;
    tridiagonalPairs(values, e.slice(), vectors, negligible);
    return { values, vectors, order: ascending(values) };
  }
  // T = diag(T₁, T₂) + |β|·u·uᵀ with u = (…, 1, ±1, …).
  const half = n >> 1;
  const beta = e[half]!;
  const upper = d.slice(0, half);
  const lower = d.slice(half);
  upper[half - 1]! -= Math.abs(beta);
  lower[0]! -= Math.abs(beta);
  // Halves cost a quarter of the whole together.
  const first = await solve(upper, e.subarray(0, half), half, negligible, (part) => step(part / 8));
  const second = await solve(lower, e.subarray(half), n - half, negligible, (part) =>
    step((1 + part) / 8),
  );
  return merge(first, second, beta, count, (part) => step((1 + 3 * part) / 4));
}

/** The pairs of diag(T₁, T₂) + |β|·u·uᵀ, or only the `count` largest. */
async function merge(
  first: OrderedPairs,
  second: OrderedPairs,
  beta: number,
  count: number,
  step: Step,
): Promise<OrderedPairs> {
  const [p, q] = [first.values.length, second.values.length];
  const n = p + q;
  const d = new Float64Array(n);
  d.set(first.values);
  d.set(second.values, p);
  const rows = new Float64Array(n * n);
  const z = new Float64Array(n);
  for (let i = 0; i < p; i++) {
    rows.set(first.vectors.subarray(i * p, (i + 1) * p), i * n);
    z[i] = first.vectors[(i + 1) * p - 1]! * Math.SQRT1_2;
  }
  for (let i = 0; i < q; i++) {
    rows.set(second.vectors.subarray(i * q, (i + 1) * q), (p + i) * n + p);
    z[p + i] = Math.sign(beta) * second.vectors[i * q]! * Math.SQRT1_2;
  }
  const rho = 2 * Math.abs(beta);
  const order = mergeOrders(d, first.order, second.order, p);
  const { kept, deflated, kinds } = deflate(d, z, rows, order, rho, p);
  const k = kept.length;
  const poles = Float64Array.from(kept, (from) => d[from]!);
  const squares = Float64Array.from(kept, (from) => z[from]! ** 2);
  const roots = { origin: new Int32Array(k), offset: new Float64Array(k) };
  // An equation takes some eight evaluations.
  for (const [from, to] of blocksOf(k, termsPerStep / (8 * k))) {
    solveSecular(poles, squares, rho, from, to, roots);
    await step((0.4 * to) / k);
  }
  // Roots first, then what was deflated; of both what is wanted.
  const all = new Float64Array(n);
  for (let j = 0; j < k; j++) all[j] = poles[roots.origin[j]!]! + roots.offset[j]!;
  deflated.forEach((from, at) => (all[k + at] = d[from]!));
  const wanted = count === n ? [...all.keys()] : ascending(all).slice(-count);
  wanted.sort((a, b) => a - b);
  const values = Float64Array.from(wanted, (at) => all[at]!);
  const vectors = new Float64Array(count * n);
  const solved = wanted.filter((at) => at < k);
  wanted.slice(solved.length).forEach((at, index) => {
    const from = deflated[at - k]! * n;
    vectors.set(rows.subarray(from, from + n), (solved.length + index) * n);
  });
  const result = { values, vectors, order: ascending(values) };
  if (solved.length === 0) return result;
  const weights = new Float64Array(k).fill(1);
  for (const [from, to] of blocksOf(k, termsPerStep / k)) {
    multiplyWeights(poles, roots, from, to, weights);
    await step(0.4 + (0.1 * to) / k);
  }
  for (let i = 0; i < k; i++)
    weights[i] = Math.sqrt(Math.abs(weights[i]!)) * Math.sign(z[kept[i]!]!);
  // Rows of either half are zero in the columns of the other.
  for (const [start, end, other] of [
    [0, p, Kind.second],
    [p, n, Kind.first],
  ] as const) {
    const inside = kept.map((_, at) => at).filter((at) => kinds[kept[at]!] !== other);
    if (inside.length === 0) continue;
    const width = end - start;
    const block = new Float64Array(inside.length * width);
    inside.forEach((at, to) => {
      const from = kept[at]! * n;
      block.set(rows.subarray(from + start, from + end), to * width);
    });
    for (const [from, to] of blocksOf(solved.length, termsPerStep / k)) {
      const some = solved.slice(from, to);
      const coefficients = coefficientsOf(poles, weights, roots, some, inside);
      await product(coefficients, block, some.length, inside.length, async (part, first) => {
        for (let at = 0, row = from + first; at < part.length; at += width, row++)
          vectors.set(part.subarray(at, at + width), row * n + start);
        await step(0.5 + 0.25 * ((start === 0 ? 0 : 1) + (from + first) / solved.length));
      });
    }
  }
  return result;
}

/** Ranges of at most `size` (at least 1) out of `count`. */
function* blocksOf(count: number, size: number): Generator<[number, number]> {
  const length = Math.max(1, Math.floor(size));
  for (let from = 0; from < count; from += length) yield [from, Math.min(count, from + length)];
}

function mergeOrders(
  d: Float64Array,
  first: readonly number[],
  second: readonly number[],
  p: number,
): number[] {
  const order: number[] = [];
  for (let i = 0, j = 0; i < first.length || j < second.length;) {
    const upper = i < first.length ? d[first[i]!]! : Infinity;
    const lower = j < second.length ? d[p + second[j]!]! : Infinity;
    if (i < first.length && upper <= lower) order.push(first[i++]!);
    else order.push(p + second[j++]!);
  }
  return order;
}

/** Where a vector is not zero: in the first half, the second, or both. */
const Kind = { first: 0, second: 1, both: 2 } as const;

/**
 * Which pairs of diag(d) + ρ·z·zᵀ must be solved for, ascending, and which ones are known: those with
 * no weight in z, and one of each two close values, whose rows are turned until it has none.
 */
function deflate(
  d: Float64Array,
  z: Float64Array,
  rows: Float64Array,
  order: readonly number[],
  rho: number,
  p: number,
) {
  const n = d.length;
  const tolerance = 8 * Number.EPSILON * Math.max(largest(d), largest(z));
  const kinds = Uint8Array.from({ length: n }, (_, i) => (i < p ? Kind.first : Kind.second));
  const kept: number[] = [];
  const deflated: number[] = [];
  let pending = -1;
  for (const next of order) {
    if (rho * Math.abs(z[next]!) <= tolerance) {
      deflated.push(next);
      continue;
    }
    if (pending >= 0) {
      const radius = Math.hypot(z[next]!, z[pending]!);
      const c = z[next]! / radius;
      const s = -z[pending]! / radius;
      const gap = d[next]! - d[pending]!;
      if (Math.abs(gap * c * s) <= tolerance) {
        z[next] = radius;
        z[pending] = 0;
        if (kinds[next] !== kinds[pending]) kinds[next] = kinds[pending] = Kind.both;
        for (let a = pending * n, b = next * n, end = b + n; b < end; a++, b++) {
          const x = rows[a]!;
          const y = rows[b]!;
          rows[a] = c * x + s * y;
          rows[b] = c * y - s * x;
        }
        const [x, y] = [d[pending]!, d[next]!];
        d[pending] = x * c * c + y * s * s;
        d[next] = x * s * s + y * c * c;
        deflated.push(pending);
      } else kept.push(pending);
    }
    pending = next;
  }
  if (pending >= 0) kept.push(pending);
  return { kept, deflated, kinds };
}

/** For each root of `solved` the unit eigenvector of diag(d) + ρ·z·zᵀ, its elements `inside`. */
function coefficientsOf(
  d: Float64Array,
  weights: Float64Array,
  { origin, offset }: SecularRoots,
  solved: readonly number[],
  inside: readonly number[],
): Float64Array {
  const k = d.length;
  const width = inside.length;
  const places = Int32Array.from(inside);
  const result = new Float64Array(solved.length * width);
  const row = new Float64Array(k);
  let start = 0;
  for (const j of solved) {
    const pole = d[origin[j]!]!;
    const tau = offset[j]!;
    let sum = 0;
    for (let i = 0; i < k; i++) {
      const value = weights[i]! / (d[i]! - pole - tau);
      row[i] = value;
      sum += value * value;
    }
    const factor = 1 / Math.sqrt(sum);
    for (let at = 0; at < width; at++) result[start++] = row[places[at]!]! * factor;
  }
  return result;
}
