import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { gaussianRows, matrixOf, model, plain, run, type Rows } from '../test-support.ts';
import { posteriorCollapse } from './posterior-collapse.ts';

const url = new URL('../../../test/fixtures/collapse/reference.json', import.meta.url);
const { vae } = JSON.parse(readFileSync(url, 'utf8')) as {
  vae: { mean: Rows; logvar: Rows; kl: number[]; variance: number[]; activeUnits: number };
};
const of = (means: Rows, logs: Rows, params = {}) =>
  run(posteriorCollapse, [plain('mean', means), plain('logvar', logs)], params);

test('NumPy’s values', async () => {
  const { values, warnings, views } = await of(vae.mean, vae.logvar);
  expect(values['activeUnits']).toBe(vae.activeUnits);
  (values['kl'] as number[]).forEach((value, j) => expect(value).toBeCloseTo(vae.kl[j]!, 12));
  (values['variance'] as number[]).forEach((value, j) =>
    expect(value).toBeCloseTo(vae.variance[j]!, 12),
  );
  expect(warnings).toEqual([]);
  expect(views.map(({ kind }) => kind)).toEqual(['bars', 'scatter', 'table']);
  // The last dimension hardly moves, with noise as wide as the prior's.
  const table = views.at(-1)!;
  expect(table.kind === 'table' && table.rows.find(([name]) => name === '1')?.at(-1)).toBe(
    'passive',
  );
});

test('a posterior equal to the prior has collapsed exactly', async () => {
  const zeros = matrixOf(6, 3, () => 0);
  const { values } = await of(zeros, zeros);
  expect(values).toEqual({ activeUnits: 0, kl: [0, 0, 0], variance: [0, 0, 0], noise: [1, 1, 1] });
});

test('a log-variance of 1e-9 has its divergence of 2.5e-19', async () => {
  const { values } = await of(
    matrixOf(4, 1, () => 0),
    matrixOf(4, 1, () => 1e-9),
  );
  expect((values['kl'] as number[])[0]! / 2.5e-19).toBeCloseTo(1, 6);
});

test('the threshold is a parameter', async () => {
  // Variances of 0.25 and 0.0025 exactly.
  const means = matrixOf(8, 2, (i, j) => (i % 2 === 0 ? 1 : -1) * (j === 0 ? 0.5 : 0.05));
  const logs = matrixOf(8, 2, () => -1);
  expect((await of(means, logs)).values['activeUnits']).toBe(1);
  expect((await of(means, logs, { threshold: 0.001 })).values['activeUnits']).toBe(2);
  expect((await of(means, logs, { threshold: 0.3 })).values['activeUnits']).toBe(0);
});

describe('edges', () => {
  test('variances in place of their logarithms, and overflow, are told', async () => {
    const means = gaussianRows(5, 2, 1);
    const positive = await of(
      means,
      matrixOf(5, 2, () => 0.5),
    );
    expect(positive.warnings.join()).toMatch(/logvar: every number is above 0/);
    const wide = await of(
      means,
      matrixOf(5, 2, (_, j) => (j === 0 ? 800 : -1)),
    );
    expect(wide.values['kl']).toEqual([null, expect.any(Number)]);
    expect(wide.warnings.join()).toMatch(/1 dimensions overflow/);
  });

  test('other shapes and layers that do not correspond are refused', async () => {
    const means = gaussianRows(5, 2, 1);
    await expect(of(means, gaussianRows(5, 3, 2))).rejects.toThrow(/are 5 × 2 and 5 × 3/);
    await expect(of(means, gaussianRows(4, 2, 2))).rejects.toThrow(/are 5 × 2 and 4 × 2/);
    const sides = [plain('mean', means), model('m', { a: means, b: means })];
    await expect(run(posteriorCollapse, sides)).rejects.toThrow(/no layers that correspond/);
  });

  test('models give arrays over layers', async () => {
    const sides = [
      model('means', { top: vae.mean, bottom: vae.mean }),
      model('logs', { a: vae.logvar, b: vae.logvar }),
    ];
    const { values } = await run(posteriorCollapse, sides);
    expect(values['activeUnits']).toEqual([2, 2]);
    expect((values['kl'] as number[][]).map((row) => row.length)).toEqual([4, 4]);
  });
});

test('signs and shifts of the means keep what they should', () =>
  fc.assert(
    fc.asyncProperty(fc.integer({ min: 4, max: 12 }), fc.nat(1e6), async (n, seed) => {
      const [means, logs] = [gaussianRows(n, 3, seed), gaussianRows(n, 3, seed + 1)];
      const before = (await of(means, logs)).values;
      const turned = (
        await of(
          means.map((row) => row.map((v) => -v)),
          logs,
        )
      ).values;
      const moved = (
        await of(
          means.map((row) => row.map((v) => v + 4)),
          logs,
        )
      ).values;
      for (let j = 0; j < 3; j++) {
        const at = (values: typeof before, key: string) => (values[key] as number[])[j]!;
        expect(at(turned, 'kl')).toBeCloseTo(at(before, 'kl'), 10);
        expect(at(moved, 'variance')).toBeCloseTo(at(before, 'variance'), 10);
      }
      expect(moved['activeUnits']).toBe(before['activeUnits']);
    }),
    { numRuns: 10, seed: 6 },
  ));
