import { expect, test } from 'vitest';
import { symmetricEigenvalues } from './symmetric-eigenvalues.ts';

const noStep = () => Promise.resolve();
const lower = (n: number, value: (i: number, j: number) => number) =>
  Float64Array.from({ length: n * n }, (_, at) => {
    const [i, j] = [Math.floor(at / n), at % n];
    return j <= i ? value(i, j) : NaN;
  });

test('reads the lower triangle only: 2 × 2', async () => {
  const values = await symmetricEigenvalues(Float64Array.of(2, NaN, 1, 2), 2, noStep);
  expect(values[0]).toBeCloseTo(3, 14);
  expect(values[1]).toBeCloseTo(1, 14);
});

test.each([1, 2, 3, 50, 200])(
  'the second difference of size %d has 2 − 2cos(kπ/(n+1))',
  async (n) => {
    const matrix = lower(n, (i, j) => (i === j ? 2 : i - j === 1 ? -1 : 0));
    const values = await symmetricEigenvalues(matrix, n, noStep);
    values.forEach((value, at) => {
      expect(value).toBeCloseTo(2 - 2 * Math.cos(((n - at) * Math.PI) / (n + 1)), 12);
    });
  },
);

test('min(i, j) is the inverse of a second difference: full matrix, closed form', async () => {
  const n = 60;
  const values = await symmetricEigenvalues(
    lower(n, (i, j) => Math.min(i, j) + 1),
    n,
    noStep,
  );
  values.forEach((value, at) => {
    const expected = 1 / (2 - 2 * Math.cos(((2 * at + 1) * Math.PI) / (2 * n + 1)));
    expect(Math.abs(value - expected) / expected).toBeLessThan(1e-9);
  });
});

test('a reflected diagonal keeps its values, repeated and negative ones too', async () => {
  const d = [9, 4, 4, 4, 0, 0, -3, -1e-6];
  const n = d.length;
  const v = d.map((_, i) => Math.sin(i + 1));
  const norm = v.reduce((sum, value) => sum + value * value, 0);
  const h = (i: number, j: number) => (i === j ? 1 : 0) - (2 * v[i]! * v[j]!) / norm;
  const matrix = lower(n, (i, j) =>
    d.reduce((sum, value, k) => sum + value * h(i, k) * h(j, k), 0),
  );
  const values = await symmetricEigenvalues(matrix, n, noStep);
  [...d].sort((a, b) => b - a).forEach((value, at) => expect(values[at]).toBeCloseTo(value, 13));
});

test('neither tiny nor huge values overflow or vanish', async () => {
  for (const scale of [1e-160, 1e150]) {
    const n = 5;
    const matrix = lower(n, (i, j) => scale * (Math.min(i, j) + 1));
    const values = await symmetricEigenvalues(matrix, n, noStep);
    const expected = scale / (2 - 2 * Math.cos(Math.PI / (2 * n + 1)));
    expect(values[0]! / expected).toBeCloseTo(1, 12);
  }
});

test('zeros', async () => {
  expect(Array.from(await symmetricEigenvalues(new Float64Array(9), 3, noStep))).toEqual([0, 0, 0]);
});

test('can be stopped between columns', async () => {
  const n = 500;
  const matrix = lower(n, (i, j) => Math.cos(i * j));
  const fractions: number[] = [];
  const stop = (fraction: number) => {
    fractions.push(fraction);
    return Promise.reject(new Error('stopped'));
  };
  await expect(symmetricEigenvalues(matrix, n, stop)).rejects.toThrow('stopped');
  expect(fractions).toHaveLength(1);
  expect(fractions[0]).toBeLessThan(0.6);
});
