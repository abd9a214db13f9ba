import { bidiagonalise, type Bidiagonal } from './bidiagonal.ts';
import { divideAndConquer } from './divide.ts';
import { largestOf, type Step } from './eigen.ts';
import { factorColumns } from './householder.ts';
import { product, rowGram } from './products.ts';
import { tridiagonalValues } from './ql.ts';
import { applyReflections } from './reflections.ts';
import { transpose } from './transpose.ts';

const noStep: Step = () => Promise.resolve();

/** Singular values up to this share of the largest are rounding: their vectors are any. */
const lost = 32 * Number.EPSILON;
/** Inner products of unit vectors that count as zero. */
const orthogonal = 8 * Number.EPSILON;

/** More rows for each column than this, and the QR factors come first. */
const tallness = 1.5;

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
  { step = noStep }: { step?: Step } = {},
): Promise<Float64Array> {
  if (m < n) return singularValues(transpose(matrix, m, n), n, m, { step });
  const scale = largestOf(matrix, n);
  if (scale === 0) return new Float64Array(n);
  const tall = m > tallness * n ? await tallFactors(matrix, m, n, scale, step) : undefined;
  const [square, rows, divisor] = tall === undefined ? [matrix, m, scale] : [tall.r, n, 1];
  const reduced = await bidiagonalise(square, rows, n, divisor, false, (part) =>
    step((tall === undefined ? 0 : 0.5) + 0.4 * part),
  );
  const { diagonal, offDiagonal } = symmetricForm(reduced);
  await tridiagonalValues(diagonal, offDiagonal, (part) => step(0.9 + 0.1 * part));
  return notNegative(diagonal.sort().reverse().subarray(0, n), scale);
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

/**
 * The thin singular value decomposition A = U·diag(s)·Vᵀ, r = min(m, n). @throws as `singularValues`.
 */
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
  if (m > tallness * n) {
    const { r, reflections } = await tallFactors(matrix, m, n, divisor, step);
    const inner = await svd(r, n, n, { step: (part) => step(0.5 + 0.4 * part) });
    const u = new Float64Array(m * n);
    u.set(inner.u);
    await applyReflections(reflections, u, n, (part) => step(0.9 + 0.1 * part));
    return { u, s: inner.s.map((value) => value * scale), vt: inner.vt };
  }
  const reduced = await bidiagonalise(matrix, m, n, divisor, true, (part) => step(0.3 * part));
  const { diagonal, offDiagonal } = symmetricForm(reduced);
  const pairs = await divideAndConquer(diagonal, offDiagonal, n, (part) => step(0.3 + 0.4 * part));
  const s = notNegative(pairs.values, scale);
  // Of what is not lost, each vector of the symmetric form holds one of V and one of U.
  let rank = 0;
  while (rank < n && s[rank]! > lost * s[0]!) rank++;
  const [right, left] = [new Float64Array(n * n), new Float64Array(n * n)];
  for (let at = 0; at < rank * n; at++) {
    right[at] = pairs.vectors[2 * at]!;
    left[at] = pairs.vectors[2 * at + 1]!;
  }
  for (const rows of [right, left]) await orthonormalise(rows, rank, n);
  const u = new Float64Array(m * n);
  u.set(transpose(left, n, n));
  await applyReflections(reduced.left!, u, n, (part) => step(0.8 + 0.1 * part));
  const v = transpose(right, n, n);
  await applyReflections(reduced.right!, v, n, (part) => step(0.9 + 0.1 * part));
  return { u, s, vt: transpose(v, n, n) };
}

function tallFactors(matrix: Float64Array, m: number, n: number, divisor: number, step: Step) {
  const columns = transpose(matrix, m, n);
  for (let at = 0; at < columns.length; at++) columns[at]! /= divisor;
  return factorColumns(columns, m, n, (part) => step(part / 2));
}

/**
 * The symmetric tridiagonal form whose eigenvalues are ± the singular values of B, and whose
 * eigenvectors are (v₁, u₁, v₂, u₂, …)/√2 (Golub and Kahan, 1965). Nothing is squared, so that small
 * values are as exact as large ones.
 */
function symmetricForm({ diagonal, superdiagonal }: Bidiagonal) {
  const n = diagonal.length;
  const offDiagonal = new Float64Array(2 * n);
  for (let i = 0; i < n; i++) {
    offDiagonal[2 * i + 1] = diagonal[i]!;
    if (i > 0) offDiagonal[2 * i] = superdiagonal[i - 1]!;
  }
  return { diagonal: new Float64Array(2 * n), offDiagonal };
}

const notNegative = (values: Float64Array, scale: number) =>
  values.map((value) => Math.max(0, value) * scale);

/**
 * Make the first `rank` rows of n × n, nearly orthogonal, orthonormal (Newton and Schulz's iteration
 * towards the nearest such rows), and complete them.
 */
async function orthonormalise(rows: Float64Array, rank: number, n: number): Promise<void> {
  const known = rows.subarray(0, rank * n);
  for (let i = 0; i < rank; i++) {
    const row = known.subarray(i * n, (i + 1) * n);
    const length = Math.sqrt(row.reduce((sum, value) => sum + value * value, 0));
    for (let j = 0; j < n; j++) row[j]! /= length;
  }
  for (let pass = 0; rank > 0 && pass < 20; pass++) {
    const gram = await rowGram(known, rank);
    let largest = 0;
    for (let i = 0; i < rank; i++) {
      for (let j = 0; j < rank; j++) {
        const error = (i === j ? 1 : 0) - gram[i * rank + j]!;
        if (Math.abs(error) > largest) largest = Math.abs(error);
        gram[i * rank + j] = (i === j ? 1 : 0) + error / 2;
      }
    }
    if (largest <= orthogonal) break;
    const turned = new Float64Array(rank * n);
    await product(gram, known, rank, rank, (part, first) => turned.set(part, first * n));
    known.set(turned);
    // The error is squared: nothing of it is left.
    if (largest < 1e-8) break;
  }
  if (rank === n) return;
  // What Q makes of the unit vectors after the first `rank` is orthogonal to all of those known.
  const { reflections } = await factorColumns(known.slice(), n, rank, () => Promise.resolve());
  const rest = new Float64Array(n * (n - rank));
  for (let i = rank; i < n; i++) rest[i * (n - rank) + i - rank] = 1;
  await applyReflections(reflections, rest, n - rank, () => Promise.resolve());
  rows.set(transpose(rest, n, n - rank), rank * n);
}
