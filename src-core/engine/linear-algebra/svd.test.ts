import fc from 'fast-check';
import { expect, test } from 'vitest';
import { nuclearNorm, singularValues, svd } from './svd.ts';
import {
  diagonalOf,
  fixtureMatrix,
  identity,
  largestDifference,
  multiply,
  reference,
  shapeOf,
  transposed,
} from './test-support.ts';

/** A = UΣVᵀ with orthonormal U and V, and the same values alone; the values. */
async function valuesOf(a: Float64Array, m: number, n: number): Promise<Float64Array> {
  const before = a.slice();
  const r = Math.min(m, n);
  const { u, s, vt } = await svd(a, m, n);
  const values = await singularValues(a, m, n);
  expect(a).toEqual(before);
  const size = s[0]! > 0 ? s[0]! : 1;
  const tolerance = 1e-14 * (Math.max(m, n) + 10);
  expect(largestDifference(values, s) / size).toBeLessThan(tolerance);
  s.forEach((value, at) => {
    expect(value).toBeGreaterThanOrEqual(0);
    if (at > 0) expect(value).toBeLessThanOrEqual(s[at - 1]!);
  });
  const scaled = multiply(diagonalOf(s.map((value) => value / size)), vt, r, r, n);
  const rebuilt = multiply(u, scaled, m, r, n);
  expect(
    largestDifference(
      rebuilt,
      a.map((value) => value / size),
    ),
  ).toBeLessThan(tolerance);
  const left = multiply(transposed(u, m, r), u, r, m, r);
  expect(largestDifference(left, identity(r))).toBeLessThan(tolerance);
  const right = multiply(vt, transposed(vt, r, n), r, n, r);
  expect(largestDifference(right, identity(r))).toBeLessThan(tolerance);
  return values;
}

test.each(Object.keys(reference.singularValues))('as NumPy has them: %s', async (shape) => {
  const [m, n] = shapeOf(shape);
  const expected = reference.singularValues[shape]!;
  const values = await valuesOf(fixtureMatrix(m, n, 2), m, n);
  expect(largestDifference(values, expected)).toBeLessThan(1e-13);
  const norm = await nuclearNorm(fixtureMatrix(m, n, 2), m, n);
  expect(norm).toBeCloseTo(
    expected.reduce((sum, value) => sum + value, 0),
    12,
  );
});

test('small ones beside large ones are not squared away', async () => {
  const a = fixtureMatrix(20, 9, 2).map((value, at) => value * 0.1 ** (at % 9));
  const values = await valuesOf(a, 20, 9);
  values.forEach((value, at) => {
    expect(Math.abs(value - reference.decaying[at]!)).toBeLessThan(1e-15 * values[0]!);
  });
});

test('a spectrum that falls by 0.8 a step, down to 1e-14 of the largest', async () => {
  const n = 150;
  const reflection = (seed: number) => {
    const v = Float64Array.from({ length: n }, (_, i) => Math.sin(i + seed));
    const norm = v.reduce((sum, value) => sum + value * value, 0);
    const h = multiply(v, v, n, 1, n).map((value) => (-2 * value) / norm);
    for (let i = 0; i < n; i++) h[i * n + i]! += 1;
    return h;
  };
  const spectrum = Float64Array.from({ length: n }, (_, k) => 0.8 ** k);
  const scaled = multiply(diagonalOf(spectrum), reflection(2), n, n, n);
  const a = multiply(reflection(1), scaled, n, n, n);
  expect(largestDifference(await valuesOf(a, n, n), spectrum)).toBeLessThan(4e-15);
  expect(Math.abs((await nuclearNorm(a, n, n)) - (1 - 0.8 ** n) / 0.2)).toBeLessThan(1e-13);
});

test('the Hilbert matrix of size 12: from 1.8 down to 1e-16', async () => {
  const n = 12;
  const hilbert = Float64Array.from(
    { length: n * n },
    (_, at) => 1 / (Math.floor(at / n) + (at % n) + 1),
  );
  const values = await valuesOf(hilbert, n, n);
  // Choi, "Tricks or treats with the Hilbert matrix" (1983): the trace is that of the eigenvalues.
  const trace = Array.from({ length: n }, (_, i) => 1 / (2 * i + 1)).reduce((a, b) => a + b);
  expect(await nuclearNorm(hilbert, n, n)).toBeCloseTo(trace, 13);
  expect(values[11]).toBeLessThan(1e-15);
});

test.each([
  [150, 150, 150],
  [200, 90, 30],
  [90, 200, 90],
])('large enough to be divided: %d × %d of rank %d', async (m, n, rank) => {
  const a = multiply(fixtureMatrix(m, rank, 5), fixtureMatrix(rank, n, 6), m, rank, n);
  const values = await valuesOf(a, m, n);
  expect(values.filter((value) => value > 1e-10)).toHaveLength(rank);
});

test('matrices of any shape and rank', async () => {
  const shapes = fc.record({
    m: fc.integer({ min: 1, max: 20 }),
    n: fc.integer({ min: 1, max: 20 }),
    rank: fc.integer({ min: 0, max: 20 }),
    seed: fc.integer({ min: 1, max: 50 }),
  });
  await fc.assert(
    fc.asyncProperty(shapes, async ({ m, n, rank, seed }) => {
      const left = fixtureMatrix(m, rank, seed);
      const right = fixtureMatrix(rank, n, seed + 100);
      const values = await valuesOf(multiply(left, right, m, rank, n), m, n);
      values.forEach((value, at) => {
        if (at >= rank) expect(value).toBeLessThan(1e-12);
      });
    }),
    { numRuns: 60 },
  );
});

test('many equal rows: one value, and rounding', async () => {
  const rows = Float64Array.from({ length: 64 * 64 }, (_, at) => 1 / ((at % 64) + 3));
  const [first, ...rest] = await valuesOf(rows, 64, 64);
  expect(first! ** 2 / rows.reduce((sum, value) => sum + value * value, 0)).toBeCloseTo(1, 13);
  rest.forEach((value) => expect(value).toBeLessThan(1e-13));
});

test('repeated, zero and single values', async () => {
  expect(Array.from(await valuesOf(identity(6), 6, 6))).toEqual([1, 1, 1, 1, 1, 1]);
  expect(Array.from(await valuesOf(new Float64Array(6), 2, 3))).toEqual([0, 0]);
  expect(Array.from(await valuesOf(Float64Array.of(-3), 1, 1))).toEqual([3]);
  expect(await nuclearNorm(Float64Array.of(3, 4), 1, 2)).toBeCloseTo(5, 14);
});

test('neither tiny nor huge values overflow or vanish', async () => {
  for (const scale of [1e-160, 1e150]) {
    const values = await valuesOf(Float64Array.of(3 * scale, 0, 0, 4 * scale), 2, 2);
    expect(values[0]! / scale).toBeCloseTo(4, 13);
    expect(values[1]! / scale).toBeCloseTo(3, 13);
  }
});

test('refuses what is not finite', async () => {
  await expect(singularValues(Float64Array.of(1, NaN), 1, 2)).rejects.toThrow(RangeError);
});

test('can be stopped', async () => {
  const n = 300;
  const step = () => Promise.reject(new Error('stopped'));
  await expect(svd(fixtureMatrix(n, n, 3), n, n, { step })).rejects.toThrow('stopped');
});
