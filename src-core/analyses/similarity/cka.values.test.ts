import { describe, expect, test } from 'vitest';
import { gaussianRows, multiply, orthogonal, plain, run, type Rows } from '../test-support.ts';

const valueOf = async (id: string, a: Rows, b: Rows, params: object, key: string) =>
  (await run(id, [plain('a', a), plain('b', b)], { ...params })).values[key] as number;
const biased = (a: Rows, b: Rows) => valueOf('cka', a, b, { estimator: 'biased' }, 'cka');
const debiased = (a: Rows, b: Rows) => valueOf('cka', a, b, {}, 'cka');
const svcca = (a: Rows, b: Rows) => valueOf('cca', a, b, { variance: 0.99 }, 'meanRho');
const best = (a: Rows, b: Rows) => valueOf('neuron-match', a, b, {}, 'maxCorr');
const relu = (rows: Rows) => rows.map((row) => row.map((value) => Math.max(0, value)));
const mean = (values: readonly number[]) =>
  values.reduce((sum, value) => sum + value, 0) / values.length;

// √(pq/((n + p)(n + q))); the debiased one is zero on average.
test.each([
  [100, 50, 800, 0.5443, 4],
  [64, 512, 512, 0.8889, 4],
  [64, 256, 256, 0.8, 4],
  [256, 256, 256, 0.5, 2],
  [1024, 256, 256, 0.2, 1],
])('%i independent samples of %i and %i units', async (n, p, q, expected, draws) => {
  const seeds = Array.from({ length: draws }, (_, seed) => seed);
  const pairs = seeds.map((seed) => [gaussianRows(n, p, seed), gaussianRows(n, q, seed + 50)]);
  const values = await Promise.all(pairs.map(([a, b]) => biased(a!, b!)));
  expect(Math.abs(mean(values) - expected)).toBeLessThan(0.02);
  const unbiased = await Promise.all(pairs.map(([a, b]) => debiased(a!, b!)));
  expect(Math.abs(mean(unbiased))).toBeLessThan(0.05);
});

describe('rectified Gaussian units', () => {
  test('64 samples of 128 look alike to the biased measures, though they are noise', async () => {
    const [a, b] = [relu(gaussianRows(64, 128, 1)), relu(gaussianRows(64, 128, 2))];
    expect(Math.abs((await biased(a, b)) - 0.67)).toBeLessThan(0.02);
    expect(Math.abs((await svcca(a, b)) - 0.95)).toBeLessThan(0.02);
    expect(Math.abs(await debiased(a, b))).toBeLessThan(0.06);
  });

  const rows = relu(gaussianRows(4000, 128, 1));
  test('4,000 independent samples: CKA of 0.03, SVCCA of 0.15, units of 0.045', async () => {
    const other = relu(gaussianRows(4000, 128, 2));
    // 128/4128 where variance is even.
    expect(Math.abs((await biased(rows, other)) - 0.031)).toBeLessThan(0.005);
    expect(Math.abs((await svcca(rows, other)) - 0.154)).toBeLessThan(0.01);
    expect(Math.abs((await best(rows, other)) - 0.043)).toBeLessThan(0.006);
  });
  test('a rotation is all to CKA and SVCCA, and keeps 0.235 of single units', async () => {
    const turned = multiply(rows, orthogonal(128, 3));
    expect(await biased(rows, turned)).toBeCloseTo(1, 9);
    expect(await svcca(rows, turned)).toBeCloseTo(1, 6);
    expect(Math.abs((await best(rows, turned)) - 0.235)).toBeLessThan(0.015);
  });
});
