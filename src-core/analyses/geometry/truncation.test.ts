import { describe, expect, test } from 'vitest';
import { Cancelled } from '../../errors.ts';
import { Random } from '../random.ts';
import {
  gaussianRows,
  matrixOf,
  model,
  multiply,
  orthogonal,
  plain,
  run,
  type Rows,
} from '../test-support.ts';
import { truncation } from './truncation.ts';

interface Values {
  prefixes: number[];
  accuracy: number[] | null;
  overlap: number[];
  pca: number[];
  random: number[];
}
const outcomeOf = (rows: Rows, params = {}, labels?: string[], type?: typeof Float32Array) =>
  run(truncation, [{ ...plain('x', rows, type), ...(labels ? { labels } : {}) }], params);
const valuesOf = async (...args: Parameters<typeof outcomeOf>) =>
  (await outcomeOf(...args)).values as unknown as Values;

describe('ten classes in the first 8 of 256 units', () => {
  const n = 700;
  const random = new Random(1);
  const centres = matrixOf(10, 8, () => 2 * random.gaussian());
  const labels = Array.from({ length: n }, (_, i) => String(i % 10));
  const planted = matrixOf(n, 256, (i, j) =>
    j < 8 ? centres[i % 10]![j]! + 0.5 * random.gaussian() : 0.25 * random.gaussian(),
  );
  const params = { prefixes: '2,4,8,16,256' };

  test('a prefix that holds them is enough; random units are not', async () => {
    const {
      prefixes,
      accuracy,
      random: others,
      overlap,
    } = await valuesOf(planted, params, labels, Float32Array);
    expect(prefixes).toEqual([2, 4, 8, 16, 256]);
    expect(accuracy![0]!).toBeLessThan(0.75);
    expect(accuracy![2]!).toBeGreaterThan(0.97);
    expect(Math.abs(accuracy![2]! - accuracy![4]!)).toBeLessThan(0.05);
    expect(others[2]!).toBeLessThan(0.6);
    expect(others[4]).toBe(accuracy![4]);
    expect(overlap[4]).toBe(1);
    expect(overlap[0]!).toBeLessThan(overlap[2]!);
  });

  test('a rotation lowers short prefixes only, and pca finds them again', async () => {
    const rotated = multiply(planted, orthogonal(256, 2));
    const plainValues = await valuesOf(planted, params, labels, Float32Array);
    const { accuracy, pca } = await valuesOf(rotated, params, labels, Float32Array);
    expect(accuracy![1]!).toBeLessThan(plainValues.accuracy![1]! - 0.05);
    expect(accuracy![3]!).toBeGreaterThan(0.8);
    expect(pca[2]!).toBeGreaterThan(0.97);
    expect(pca[1]!).toBeGreaterThan(accuracy![1]!);
  });
});

/** Neighbours by cosine, one by one. */
function neighbours(rows: Rows, k: number): number[][] {
  const unit = rows.map((row) => row.map((value) => value / Math.hypot(...row)));
  return unit.map((a, i) =>
    unit
      .map(
        (b, j) => [j === i ? -Infinity : a.reduce((sum, v, c) => sum + v * b[c]!, 0), j] as const,
      )
      .sort((p, q) => q[0] - p[0])
      .slice(0, k)
      .map(([, j]) => j),
  );
}

test('overlap and accuracy, counted by hand', async () => {
  const rows = gaussianRows(40, 6, 3);
  const labels = rows.map((_, i) => (i % 3 === 0 ? 'a' : 'b'));
  const { overlap, accuracy, prefixes } = await valuesOf(rows, { k: 4 }, labels);
  expect(prefixes).toEqual([1, 2, 4, 6]);
  const full = neighbours(rows, 4);
  for (const at of [1, 2, 3]) {
    const found = neighbours(
      rows.map((row) => row.slice(0, prefixes[at])),
      4,
    );
    const both = found.map((list, i) => list.filter((j) => full[i]!.includes(j)).length / 4);
    expect(overlap[at]).toBeCloseTo(both.reduce((a, b) => a + b) / 40, 12);
    const same = found.filter(([first], i) => labels[first!] === labels[i]).length;
    expect(accuracy![at]).toBeCloseTo(same / 40, 12);
  }
});

test('without labels pca and random are overlaps', async () => {
  const rows = gaussianRows(60, 16, 4);
  const outcome = await outcomeOf(rows);
  const { accuracy, overlap, pca, random } = outcome.values as unknown as Values;
  expect(accuracy).toBeNull();
  expect(pca).toHaveLength(5);
  expect(random[4]).toBe(1);
  expect(overlap[4]).toBe(1);
  expect(outcome.estimator).toBe('knn-overlap.cosine');
  expect(outcome.views.map(({ kind }) => kind)).toEqual(['line', 'table']);
});

test('scaling samples one by one changes nothing', async () => {
  const rows = gaussianRows(50, 8, 5);
  const scaled = rows.map((row, i) => row.map((value) => (1 + i) * value));
  expect((await valuesOf(scaled)).overlap).toEqual((await valuesOf(rows)).overlap);
});

test('layers of different width', async () => {
  const layers = { a: gaussianRows(20, 4, 1), b: gaussianRows(20, 9, 2) };
  const outcome = await run(truncation, [model('m', layers)]);
  expect(outcome.values['prefixes']).toEqual([
    [1, 2, 4],
    [1, 2, 4, 8, 9],
  ]);
  expect(outcome.views.map(({ kind }) => kind)).toEqual(['line', 'table']);
  const [view] = outcome.views;
  if (view?.kind !== 'line') throw new Error('no curves');
  expect(view.x.values).toEqual([1, 2, 4, 8, 9]);
  expect(view.series.map(({ values }) => values.map((value) => value === null))).toEqual([
    [false, false, false, true, true],
    [false, false, false, false, false],
  ]);
});

describe('what cannot be measured', () => {
  test('prefixes beyond the units, zeros, few samples', async () => {
    const rows = gaussianRows(6, 4, 6).map((row, i) => (i === 2 ? row.with(0, 0).with(1, 0) : row));
    const outcome = await outcomeOf(rows, { prefixes: '2, 8' });
    expect(outcome.values['prefixes']).toEqual([2]);
    expect(outcome.warnings.join('\n')).toMatch(/prefixes above its 4 units/);
    expect(outcome.warnings.join('\n')).toMatch(/6 samples have 5 neighbours each, not 10/);
    expect(outcome.warnings.join('\n')).toMatch(/up to 1 of 6, where 2 units or fewer/);
  });
  test.each(['0,2', 'a', '1.5'])('prefixes "%s" are refused', async (prefixes) => {
    await expect(valuesOf(gaussianRows(6, 4, 6), { prefixes })).rejects.toMatchObject({
      code: 'usage',
    });
  });
  test('cancelling stops it', async () => {
    let calls = 0;
    const stop = () => (++calls > 8 ? Promise.reject(new Cancelled()) : Promise.resolve());
    const work = run(truncation, [plain('x', gaussianRows(20, 4, 1))], {}, stop);
    await expect(work).rejects.toBeInstanceOf(Cancelled);
    expect(calls).toBe(9);
  });
});
