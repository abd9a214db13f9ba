import fc from 'fast-check';
import { expect, test } from 'vitest';
import { cholesky, qr, solvePositive } from './factor.ts';
import {
  fixtureMatrix,
  identity,
  largestDifference,
  multiply,
  transposed,
} from './test-support.ts';

const shapes = fc.record({
  m: fc.integer({ min: 1, max: 15 }),
  n: fc.integer({ min: 1, max: 15 }),
  rank: fc.integer({ min: 0, max: 15 }),
  seed: fc.integer({ min: 1, max: 50 }),
});

test('QR: A = QR, Q orthonormal whatever the rank, R triangular', () => {
  fc.assert(
    fc.property(shapes, ({ m, n, rank, seed }) => {
      const a = multiply(
        fixtureMatrix(m, rank, seed),
        fixtureMatrix(rank, n, 99 + seed),
        m,
        rank,
        n,
      );
      const { q, r } = qr(a, m, n);
      const k = Math.min(m, n);
      expect(largestDifference(multiply(q, r, m, k, n), a)).toBeLessThan(1e-13);
      expect(
        largestDifference(multiply(transposed(q, m, k), q, k, m, k), identity(k)),
      ).toBeLessThan(1e-13);
      for (let i = 0; i < k; i++)
        for (let j = 0; j < Math.min(i, n); j++) expect(r[i * n + j]).toBe(0);
    }),
    { numRuns: 60 },
  );
});

test('QR of a 3-4-5 column by hand', () => {
  const { q, r } = qr(Float64Array.of(3, 4), 2, 1);
  expect(Math.abs(r[0]!)).toBeCloseTo(5, 14);
  expect(q[0]! * r[0]!).toBeCloseTo(3, 14);
  expect(q[1]! * r[0]!).toBeCloseTo(4, 14);
});

test('Cholesky by hand; the upper triangle is not read', () => {
  expect(Array.from(cholesky(Float64Array.of(4, NaN, 2, 5), 2))).toEqual([2, 0, 1, 2]);
});

test('Cholesky refuses what is not positive definite', () => {
  for (const matrix of [
    [1, 2, 2, 1],
    [0, 0, 0, 0],
    [1, 1, 1, 1],
    [NaN, 0, 0, 1],
  ]) {
    expect(() => cholesky(Float64Array.from(matrix), 2)).toThrow(RangeError);
  }
});

test('solves positive definite systems', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 20 }),
      fc.integer({ min: 1, max: 4 }),
      fc.integer({ min: 1, max: 50 }),
      (n, columns, seed) => {
        const half = fixtureMatrix(n, n, seed);
        const a = multiply(half, transposed(half, n, n), n, n, n);
        for (let i = 0; i < n; i++) a[i * n + i]! += 1;
        const x = fixtureMatrix(n, columns, seed + 60);
        const found = solvePositive(a, n, multiply(a, x, n, n, columns), columns);
        expect(largestDifference(found, x)).toBeLessThan(1e-12);
        const lower = cholesky(a, n);
        const rebuilt = multiply(lower, transposed(lower, n, n), n, n, n);
        expect(largestDifference(rebuilt, a)).toBeLessThan(1e-12);
      },
    ),
    { numRuns: 40 },
  );
});
