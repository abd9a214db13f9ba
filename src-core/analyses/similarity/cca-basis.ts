import type { Engine } from '../../engine/device-engine.ts';
import type { Step } from './pairs.ts';
import { crossProduct, principal, rowProduct, type Columns } from './products.ts';

/** An orthonormal basis of what a representation spans. */
export interface Basis {
  /** n × rank, orthonormal columns. */
  columns: Columns;
  /** Components of each unit along the basis, rank × units. */
  loadings: Columns;
}

/** Below this share of the largest, singular values lose digits when the matrix is squared. */
const sharp = 1e-5;
/** Where there are fewer samples than units, they cannot be told from zero below this. */
const floorOfFew = 1e-7;
/** How far from orthonormal a basis may be. */
const orthonormal = 1e-11;

/**
 * The leading left singular vectors of centred columns.
 * @param tolerance singular values up to this share of the largest count as zero
 * @param variance share of the total variance that is kept
 */
export async function basisOf(
  engine: Engine,
  x: Columns,
  { tolerance, variance }: { tolerance: number; variance: number },
  step: Step,
): Promise<Basis> {
  const { scores, lengths, axes } = await components(engine, x, (part) => step(0.7 * part));
  const least = (x.width > x.n ? Math.max(tolerance, floorOfFew) : tolerance) * lengths[0]!;
  const spanned = lengths.filter((length) => length > least).length;
  const rank = Math.min(spanned, forVariance(lengths, variance));
  const { n, width, data } = scores;
  const unit = new Float64Array(n * rank);
  for (let row = 0, at = 0; row < n; row++) {
    for (let j = 0; j < rank; j++) unit[at++] = data[row * width + j]! / lengths[j]!;
  }
  const columns = { n, width: rank, data: unit };
  // Rounding in XᵀX tilts columns towards each other with the square of the ratio of their lengths.
  const tilt = 16 * Number.EPSILON * (lengths[0]! / lengths[rank - 1]!) ** 2;
  if (tilt > orthonormal) {
    await orthonormalise(engine, columns, (part) => step(0.7 + 0.2 * part));
  }
  const loadings = axes
    ? axes
        .subarray(0, rank * x.width)
        .map((value, at) => value * lengths[Math.floor(at / x.width)]!)
    : await crossProduct(engine, columns, x, (part) => step(0.9 + 0.1 * part));
  return { columns, loadings: { n: rank, width: x.width, data: loadings } };
}

/** Fewest components that hold the share of the variance. */
function forVariance(lengths: Float64Array, share: number): number {
  if (share >= 1) return lengths.length;
  const total = lengths.reduce((sum, length) => sum + length ** 2, 0);
  let held = 0;
  const last = lengths.findIndex((length) => (held += length ** 2) >= share * total);
  return last < 0 ? lengths.length : last + 1;
}

/**
 * Principal components with their lengths, the singular values. An eigenvalue of XᵀX that is small
 * beside the largest is known to half the digits only, so that the components of small ones are
 * turned again among themselves, where they are not small.
 */
async function components(
  engine: Engine,
  x: Columns,
  step: Step,
): Promise<{ scores: Columns; lengths: Float64Array; axes?: Float64Array }> {
  const { scores, variances, axes } = await principal(engine, x, (part) => step(part / 2));
  const lengths = variances.map(Math.sqrt);
  const first = lengths.findIndex((length) => length < sharp * lengths[0]!);
  if (first <= 0 || x.width > x.n) return { scores, lengths, ...(axes && { axes }) };
  const { n, width, data } = scores;
  const rest = { n, width: width - first, data: new Float64Array(n * (width - first)) };
  for (let row = 0; row < n; row++) {
    const tail = data.subarray(row * width + first, (row + 1) * width);
    rest.data.set(tail, row * rest.width);
  }
  const turned = await components(engine, rest, (part) => step(0.5 + part / 2));
  for (let row = 0; row < n; row++) {
    const tail = turned.scores.data.subarray(row * rest.width, (row + 1) * rest.width);
    data.set(tail, row * width + first);
  }
  lengths.set(turned.lengths, first);
  return { scores, lengths };
}

/** Columns that are nearly orthonormal become so: Q ← Q·(3I − QᵀQ)/2 (Newton and Schulz). */
async function orthonormalise(engine: Engine, q: Columns, step: Step): Promise<void> {
  const { width } = q;
  for (let pass = 0; pass < 4; pass++) {
    const gram = await crossProduct(engine, q, q, (part) => step((pass + part) / 4));
    let off = 0;
    for (let i = 0; i < width; i++) gram[i * width + i]! -= 1;
    for (const value of gram) off = Math.max(off, Math.abs(value));
    if (off < orthonormal) return;
    const correction = gram.map((value) => -value / 2);
    for (let i = 0; i < width; i++) correction[i * width + i]! += 1;
    // The correction is symmetric.
    const factor = { n: width, width, data: correction };
    q.data = await rowProduct(engine, q, factor, () => step(pass / 4));
  }
}
