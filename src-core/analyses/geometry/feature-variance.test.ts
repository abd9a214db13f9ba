import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { Cancelled } from '../../errors.ts';
import type { Side } from '../definition.ts';
import { Random } from '../random.ts';
import {
  cpuEngine,
  gaussianRows,
  matrixOf,
  model,
  plain,
  run,
  type Rows,
} from '../test-support.ts';
import { solvePositive } from '../../engine/linear-algebra/factor.ts';
import { featureOf } from './feature-variance-design.ts';
import { heldOut } from './feature-variance-probe.ts';
import { solveRidge } from './feature-variance-solve.ts';
import { featureVariance } from './feature-variance.ts';

const url = new URL('../../../test/fixtures/geometry/features.json', import.meta.url);
const reference = JSON.parse(readFileSync(url, 'utf8')) as {
  x: Rows;
  factors: Record<string, string[]>;
  share: number[];
  unique: number[];
};

interface Values {
  features: string[];
  share: number[];
  unique: number[];
  probe: number[];
  baseline: number[];
  shuffled: number[];
}
const outcomeOf = (
  rows: Rows,
  factors: Record<string, readonly string[]>,
  more: Partial<Side> = {},
  type?: typeof Float32Array,
) =>
  run(featureVariance, [
    { ...plain('x', rows, type), factors: new Map(Object.entries(factors)), ...more },
  ]);
const valuesOf = async (...args: Parameters<typeof outcomeOf>) =>
  (await outcomeOf(...args)).values as unknown as Values;

test.each([
  [undefined, 1e-9],
  [Float32Array, 1e-4],
] as const)('shares are those of NumPy’s least squares', async (type, tolerance) => {
  const values = await valuesOf(reference.x, reference.factors, {}, type);
  expect(values.features).toEqual(['colour', 'shape', 'size']);
  for (const key of ['share', 'unique'] as const) {
    reference[key].forEach((expected, at) =>
      expect(Math.abs(values[key][at]! / expected - 1), key).toBeLessThan(tolerance),
    );
  }
});

describe('two features that both can be read', () => {
  const random = new Random(1);
  const n = 600;
  const [easy, hard] = [0, 1].map(() => Array.from({ length: n }, () => random.below(2)));
  // One strong direction, one weak.
  const [strong, weak] = gaussianRows(2, 40, 2);
  const rows = matrixOf(
    n,
    40,
    (i, j) =>
      4 * (easy![i]! - 0.5) * strong![j]! +
      2 * (hard![i]! - 0.5) * weak![j]! +
      0.3 * random.gaussian(),
  );
  const named = (bits: number[]) => bits.map((bit) => (bit === 1 ? 'yes' : 'no'));

  test('differ in variance, not in accuracy', async () => {
    const factors = { easy: named(easy!), hard: named(hard!) };
    const { share, probe, shuffled, baseline } = await valuesOf(rows, factors);
    expect(probe).toEqual([1, 1]);
    // Variances 4·‖s‖²/4·… in the ratio 4 : 1, by the lengths of the two directions.
    const square = (row: number[]) => row.reduce((sum, value) => sum + value ** 2, 0);
    expect(share[0]! / share[1]! / ((4 * square(strong!)) / square(weak!))).toBeCloseTo(1, 0);
    expect(share[0]!).toBeGreaterThan(0.5);
    shuffled.forEach((score) => expect(Math.abs(score - 0.5)).toBeLessThan(0.2));
    baseline.forEach((score) => expect(Math.abs(score - 0.5)).toBeLessThan(0.15));
  });
  test('the same feature twice has nothing of its own', async () => {
    const { share, unique } = await valuesOf(rows, { a: named(easy!), b: named(easy!) });
    expect(share[0]).toBeCloseTo(share[1]!, 12);
    expect(unique[0]).toBeCloseTo(0, 9);
  });
});

test('labels that say nothing are read at chance, though units outnumber samples', async () => {
  const random = new Random(3);
  const labels = Array.from({ length: 200 }, () => String(random.below(2)));
  const { probe, share } = await valuesOf(gaussianRows(200, 512, 4), { noise: labels });
  expect(Math.abs(probe[0]! - 0.5)).toBeLessThan(0.25);
  // One degree of freedom of 199.
  expect(share[0]!).toBeCloseTo(1 / 199, 2);
});

test('a quantity is read with its R²', async () => {
  const rows = gaussianRows(300, 6, 5);
  const factors = { sum: rows.map((row) => String(row[0]! + row[1]!)) };
  const { probe, baseline, shuffled } = await valuesOf(rows, factors);
  expect(probe[0]!).toBeGreaterThan(0.99);
  expect(baseline).toEqual([0]);
  expect(shuffled[0]!).toBeLessThan(0.1);
});

test('what is a quantity', () => {
  const of = (values: number[]) => featureOf('f', values.map(String)).classes?.length;
  const times = (count: number, of: number) => Array.from({ length: count }, (_, i) => i % of);
  expect(of(times(60, 10))).toBe(10);
  expect(of(times(1000, 100))).toBe(100);
  expect(of(times(100, 40))).toBeUndefined();
  expect(of(times(1000, 20).map((value) => value / 2))).toBeUndefined();
  expect(of([0.5, 1, 0.5, 1])).toBe(2);
});

test('many unknowns are found by conjugate gradients', async () => {
  const n = 400;
  const rows = gaussianRows(n, 300, 8);
  const matrix = Float64Array.from({ length: n * n }, (_, at) => {
    const [a, b] = [rows[Math.floor(at / n)]!, rows[at % n]!];
    return a.reduce((sum, value, c) => sum + value * b[c]!, at % (n + 1) === 0 ? 5 : 0);
  });
  const right = Float64Array.from(gaussianRows(n, 3, 9).flat());
  const found = await solveRidge(await cpuEngine(), matrix, n, right, 3, () => Promise.resolve());
  const expected = solvePositive(matrix, n, right, 3);
  expected.forEach((value, at) => expect(found[at]).toBeCloseTo(value, 8));
});

test('groups are never split', () => {
  const groups = Array.from({ length: 50 }, (_, i) => `g${i % 7}`);
  const test = heldOut(50, 0.2, new Random(2), groups);
  for (const name of new Set(groups)) {
    const flags = groups.flatMap((group, i) => (group === name ? [test[i]] : []));
    expect(new Set(flags).size).toBe(1);
  }
  const held = test.reduce((a, b) => a + b, 0);
  expect(held).toBeGreaterThanOrEqual(10);
  expect(held).toBeLessThan(25);
});

test('layers give arrays, profiles, and one table', async () => {
  const side = {
    ...model('m', { a: reference.x, b: gaussianRows(60, 90, 6) }),
    factors: new Map(Object.entries(reference.factors)),
  };
  const outcome = await run(featureVariance, [side]);
  expect(outcome.values['share']).toHaveLength(2);
  expect((outcome.values['share'] as number[][])[1]).toHaveLength(3);
  expect(outcome.views.map(({ kind }) => kind)).toEqual(['line', 'line', 'table']);
  const single = await outcomeOf(reference.x, reference.factors);
  expect(single.views.map(({ kind }) => kind)).toEqual(['bars', 'table']);
});

test('labels of the probe are one feature', async () => {
  const side = { ...plain('x', reference.x), labels: reference.factors['colour']! };
  const { values } = await run(featureVariance, [side]);
  expect(values['features']).toEqual(['label']);
  expect((values['share'] as number[])[0]).toBeCloseTo(reference.share[0]!, 9);
});

describe('what cannot be measured', () => {
  const ids = reference.x.map((_, i) => `id${i}`);
  const one = reference.x.map(() => 'same');
  test('features that name samples, or never vary, are left out', async () => {
    const outcome = await outcomeOf(reference.x, { ids, one, ...reference.factors });
    expect(outcome.values['features']).toEqual(['colour', 'shape', 'size']);
    expect(outcome.warnings).toEqual([
      'feature ids has 60 values for 60 samples and is left out',
      'feature one has one value only and is left out',
    ]);
    await expect(outcomeOf(reference.x, { ids, one })).rejects.toThrow(/no feature that varies/);
  });
  test('no features', async () => {
    await expect(run(featureVariance, [plain('x', reference.x)])).rejects.toMatchObject({
      code: 'usage',
    });
  });
  test('constant units; one group', async () => {
    const constant = await outcomeOf(
      matrixOf(60, 3, () => 1),
      reference.factors,
    );
    expect(constant.values['share']).toEqual([null, null, null]);
    expect(constant.warnings.join()).toMatch(/every unit is constant/);
    const grouped = await outcomeOf(reference.x, reference.factors, { groups: one });
    expect(grouped.values['probe']).toEqual([null, null, null]);
    expect(grouped.warnings.join()).toMatch(/all samples are of one group/);
  });
  test('cancelling stops it', async () => {
    const stop = () => Promise.reject(new Cancelled());
    const side = {
      ...plain('x', reference.x),
      factors: new Map(Object.entries(reference.factors)),
    };
    await expect(run(featureVariance, [side], {}, stop)).rejects.toBeInstanceOf(Cancelled);
  });
});
