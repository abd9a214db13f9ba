import fc from 'fast-check';
import { expect, test } from 'vitest';
import { leadingEigen, symmetricEigen } from './eigen.ts';
import {
  diagonalOf,
  fixtureMatrix,
  identity,
  largestDifference,
  multiply,
  reference,
  transposed,
} from './test-support.ts';

const lower = (n: number, value: (i: number, j: number) => number) =>
  Float64Array.from({ length: n * n }, (_, at) => {
    const [i, j] = [Math.floor(at / n), at % n];
    return j <= i ? value(i, j) : NaN;
  });

/** Both triangles from the lower one. */
const full = (a: Float64Array, n: number) =>
  a.map((value, at) => {
    const [i, j] = [Math.floor(at / n), at % n];
    return j <= i ? value : a[j * n + i]!;
  });

/** Values alone and with vectors agree, A = VᵀΛV and VVᵀ = 1; the values. */
async function eigenvaluesOf(a: Float64Array, n: number): Promise<Float64Array> {
  const before = a.slice();
  const { values } = await symmetricEigen(a, n);
  const pairs = await symmetricEigen(a, n, { vectors: true });
  expect(a).toEqual(before);
  const size = Math.max(...pairs.values.map(Math.abs), Number.MIN_VALUE);
  const tolerance = 1e-14 * (n + 10);
  expect(largestDifference(values, pairs.values) / size).toBeLessThan(tolerance);
  const scaled = multiply(diagonalOf(pairs.values.map((v) => v / size)), pairs.vectors, n, n, n);
  const rebuilt = multiply(transposed(pairs.vectors, n, n), scaled, n, n, n);
  const wanted = full(a, n).map((value) => value / size);
  expect(largestDifference(rebuilt, wanted)).toBeLessThan(tolerance);
  const inner = multiply(pairs.vectors, transposed(pairs.vectors, n, n), n, n, n);
  expect(largestDifference(inner, identity(n))).toBeLessThan(tolerance);
  values.forEach((value, at) => at > 0 && expect(value).toBeLessThanOrEqual(values[at - 1]!));
  return values;
}

test('reads the lower triangle only: 2 × 2', async () => {
  const values = await eigenvaluesOf(Float64Array.of(2, NaN, 1, 2), 2);
  expect(values[0]).toBeCloseTo(3, 14);
  expect(values[1]).toBeCloseTo(1, 14);
});

test.each(Object.keys(reference.eigenvalues))('as NumPy has them: size %s', async (size) => {
  const n = Number(size);
  const half = fixtureMatrix(n, n, 1);
  const a = half.map((value, at) => value + half[(at % n) * n + Math.floor(at / n)]!);
  expect(largestDifference(await eigenvaluesOf(a, n), reference.eigenvalues[size]!)).toBeLessThan(
    1e-13,
  );
});

test.each([1, 2, 3, 50, 200])(
  'the second difference of size %d has 2 − 2cos(kπ/(n+1))',
  async (n) => {
    const matrix = lower(n, (i, j) => (i === j ? 2 : i - j === 1 ? -1 : 0));
    const values = await eigenvaluesOf(matrix, n);
    values.forEach((value, at) => {
      expect(value).toBeCloseTo(2 - 2 * Math.cos(((n - at) * Math.PI) / (n + 1)), 12);
    });
  },
);

test('min(i, j) is the inverse of a second difference: full matrix, closed form', async () => {
  const n = 60;
  const values = await eigenvaluesOf(
    lower(n, (i, j) => Math.min(i, j) + 1),
    n,
  );
  values.forEach((value, at) => {
    const expected = 1 / (2 - 2 * Math.cos(((2 * at + 1) * Math.PI) / (2 * n + 1)));
    expect(Math.abs(value - expected) / expected).toBeLessThan(1e-9);
  });
});

test('a reflected diagonal keeps its values, repeated and negative ones too', async () => {
  const spectrum = fc.array(fc.constantFrom<number[]>(9, 4, 4, 1, 1e-6, 0, 0, -1e-9, -3), {
    minLength: 1,
    maxLength: 40,
  });
  await fc.assert(
    fc.asyncProperty(spectrum, fc.integer({ min: 0, max: 1000 }), async (d, seed) => {
      const n = d.length;
      const v = d.map((_, i) => Math.sin(i + 1 + seed));
      const norm = v.reduce((sum, value) => sum + value * value, 0);
      const h = (i: number, j: number) => (i === j ? 1 : 0) - (2 * v[i]! * v[j]!) / norm;
      const matrix = lower(n, (i, j) =>
        d.reduce((sum, value, k) => sum + value * h(i, k) * h(j, k), 0),
      );
      const values = await eigenvaluesOf(matrix, n);
      const expected = [...d].sort((a, b) => b - a);
      expect(largestDifference(values, expected)).toBeLessThan(1e-12);
    }),
    { numRuns: 30 },
  );
});

test('symmetric matrices of all kinds', async () => {
  const entry = fc.oneof(
    fc.constantFrom(0, 1, -1, 1e-8),
    fc.double({ min: -1, max: 1, noNaN: true }),
  );
  const matrices = fc
    .integer({ min: 1, max: 24 })
    .chain((n) =>
      fc.tuple(fc.constant(n), fc.array(entry, { minLength: n * n, maxLength: n * n })),
    );
  await fc.assert(
    fc.asyncProperty(matrices, async ([n, entries]) => {
      await eigenvaluesOf(
        lower(n, (i, j) => entries[i * n + j]!),
        n,
      );
    }),
    { numRuns: 60 },
  );
});

test.each([
  [20, 3],
  [150, 1],
  [150, 40],
  [150, 150],
  [150, 0],
])('of %d the %d leading ones are those of the whole', async (n, count) => {
  const half = fixtureMatrix(n, n, 4);
  const a = half.map((value, at) => value + half[(at % n) * n + Math.floor(at / n)]!);
  const whole = await symmetricEigen(a, n, { vectors: true });
  const { values, vectors } = await leadingEigen(a, n, count);
  expect(largestDifference(values, whole.values.slice(0, count))).toBeLessThan(1e-13);
  const product = multiply(vectors, a, count, n, n);
  const expected = vectors.map((value, at) => value * values[Math.floor(at / n)]!);
  expect(largestDifference(product, expected)).toBeLessThan(1e-12);
  const inner = multiply(vectors, transposed(vectors, count, n), count, n, count);
  expect(largestDifference(inner, identity(count))).toBeLessThan(1e-13);
});

test('neither tiny nor huge values overflow or vanish', async () => {
  for (const scale of [1e-160, 1e150]) {
    const n = 5;
    const matrix = lower(n, (i, j) => scale * (Math.min(i, j) + 1));
    const values = await eigenvaluesOf(matrix, n);
    const expected = scale / (2 - 2 * Math.cos(Math.PI / (2 * n + 1)));
    expect(values[0]! / expected).toBeCloseTo(1, 12);
  }
});

test('zeros, ones, and nothing', async () => {
  expect(Array.from(await eigenvaluesOf(new Float64Array(9), 3))).toEqual([0, 0, 0]);
  expect(Array.from(await eigenvaluesOf(identity(4), 4))).toEqual([1, 1, 1, 1]);
  expect(await symmetricEigen(new Float64Array(0), 0)).toEqual({ values: new Float64Array(0) });
});

test('refuses what is not finite', async () => {
  for (const value of [NaN, Infinity]) {
    await expect(symmetricEigen(Float64Array.of(1, 0, value, 1), 2)).rejects.toThrow(RangeError);
  }
});

test.each([true, false])('can be stopped, with vectors: %s', async (vectors) => {
  const n = 500;
  const matrix = lower(n, (i, j) => Math.cos(i * j));
  const fractions: number[] = [];
  const step = (fraction: number) => {
    fractions.push(fraction);
    return Promise.reject(new Error('stopped'));
  };
  const found = vectors
    ? symmetricEigen(matrix, n, { vectors, step })
    : symmetricEigen(matrix, n, { step });
  await expect(found).rejects.toThrow('stopped');
  expect(fractions).toHaveLength(1);
  expect(fractions[0]).toBeLessThan(0.6);
});
