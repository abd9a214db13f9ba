import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Cancelled } from '../../errors.ts';
import {
  gaussianRows,
  matrixOf,
  model,
  multiply,
  orthogonal,
  plain,
  run,
  shuffled,
  type Rows,
} from '../test-support.ts';
import { precisionRecall } from './precision-recall.ts';

const url = new URL('../../../test/fixtures/geometry/precision-recall.json', import.meta.url);
type Scores = Record<'precision' | 'recall' | 'density' | 'coverage', number>;
const reference = JSON.parse(readFileSync(url, 'utf8')) as {
  real: Rows;
  fake: Rows;
  cases: (Scores & { k: number })[];
};

const outcomeOf = (x: Rows, y: Rows, params = {}, type?: typeof Float32Array) =>
  run(precisionRecall, [plain('real', x, type), plain('fake', y, type)], params);
const scoresOf = async (...args: Parameters<typeof outcomeOf>) =>
  (await outcomeOf(...args)).values as Scores;

test.each(reference.cases)('the package prdc, k = $k', async ({ k, ...expected }) => {
  for (const type of [undefined, Float32Array]) {
    const scores = await scoresOf(reference.real, reference.fake, { k }, type);
    for (const [key, value] of Object.entries(expected)) {
      expect(scores[key as keyof Scores], key).toBeCloseTo(value, 12);
    }
  }
});

const sphere = (n: number, d: number, radius: number, seed: number) =>
  gaussianRows(n, d, seed).map((row) => {
    const length = Math.hypot(...row) / radius;
    return row.map((value) => value / length);
  });

describe('spheres in 256 dimensions, equally far from the reference', () => {
  const real = sphere(1000, 256, 1, 1);
  test('inside it: precise, without recall', async () => {
    const { precision, recall } = await scoresOf(real, sphere(1000, 256, 0.9, 2), {}, Float32Array);
    expect(precision).toBeGreaterThan(0.99);
    expect(recall).toBeLessThan(0.06);
  });
  test('outside it: the reverse', async () => {
    const { precision, recall } = await scoresOf(real, sphere(1000, 256, 1.1, 2), {}, Float32Array);
    expect(precision).toBeLessThan(0.1);
    expect(recall).toBeGreaterThan(0.99);
  });
});

describe('what is known', () => {
  test('a set has all of itself, and density 1', async () => {
    const x = gaussianRows(50, 4, 3);
    for (const type of [undefined, Float32Array]) {
      const scores = await scoresOf(x, x, {}, type);
      expect(scores).toEqual({ precision: 1, recall: 1, density: 1, coverage: 1 });
    }
  });
  test('two samples of one distribution', async () => {
    const { density, coverage } = await scoresOf(
      gaussianRows(1000, 8, 4),
      gaussianRows(1000, 8, 5),
    );
    expect(Math.abs(density - 1)).toBeLessThan(0.1);
    // 1 − Π over the k nearest in the pooled order of being of the reference: 1 − 2^−k.
    expect(coverage).toBeCloseTo(1 - 2 ** -5, 1);
  });
  test('far apart there is nothing', async () => {
    const y = gaussianRows(30, 4, 6).map((row) => row.map((value) => value + 100));
    expect(await scoresOf(gaussianRows(30, 4, 3), y)).toEqual({
      precision: 0,
      recall: 0,
      density: 0,
      coverage: 0,
    });
  });
  test('one mode of two is precise, with half the recall', async () => {
    const two = gaussianRows(200, 3, 7).map((row, i) => row.map((v) => v + 50 * (i % 2)));
    const { precision, recall } = await scoresOf(two, gaussianRows(200, 3, 8));
    expect(precision).toBeGreaterThan(0.9);
    expect(recall).toBeGreaterThan(0.4);
    expect(recall).toBeLessThan(0.5);
  });
  test('precision and recall change places with the sets', async () => {
    const there = await scoresOf(reference.real, reference.fake);
    const back = await scoresOf(reference.fake, reference.real);
    expect([back.precision, back.recall]).toEqual([there.recall, there.precision]);
  });
});

describe('invariances', () => {
  const check = (change: (x: Rows, seed: number) => Rows) =>
    fc.assert(
      fc.asyncProperty(fc.integer({ min: 2, max: 6 }), fc.nat(1e6), async (d, seed) => {
        const [x, y] = [gaussianRows(25, d, seed), gaussianRows(20, d, seed + 1)];
        expect(await scoresOf(change(x, seed), change(y, seed))).toEqual(await scoresOf(x, y));
      }),
      { numRuns: 10, seed: 5 },
    );
  test('orthogonal transformation of both', () =>
    check((x, seed) => multiply(x, orthogonal(x[0]!.length, seed))));
  test('scaling and translation of both', () =>
    check((x) => x.map((row) => row.map((value) => 7 * value - 3))));
  test('permutation of the samples', () => check((x, seed) => shuffled(x, seed)));
});

test('an offset of 1000 costs float32 rows nothing', async () => {
  const far = (rows: Rows) => rows.map((row) => row.map((value) => Math.fround(value + 1000)));
  const sides = [far(reference.real), far(reference.fake)] as const;
  expect(await scoresOf(...sides, {}, Float32Array)).toEqual(await scoresOf(...sides));
});

test('layers of the same name are compared', async () => {
  const make = (seed: number) => ({ a: gaussianRows(20, 3, seed), b: gaussianRows(20, 5, seed) });
  const outcome = await run(precisionRecall, [model('m', make(1)), model('n', make(2))]);
  expect(outcome.values['precision']).toHaveLength(2);
  expect(outcome.views.map(({ kind }) => kind)).toEqual(['line', 'table']);
  const single = await outcomeOf(reference.real, reference.fake);
  expect(single.views.map(({ kind }) => kind)).toEqual(['bars', 'table']);
});

describe('what cannot be measured', () => {
  test('copies leave balls empty', async () => {
    const x = matrixOf(20, 2, (i, j) => (i < 12 ? 1 : i + j));
    expect((await outcomeOf(x, x)).warnings.join()).toMatch(/12 of 20 samples have at least 5/);
  });
  test('too few samples, other units, other layers', async () => {
    await expect(outcomeOf(gaussianRows(5, 2, 1), gaussianRows(9, 2, 1))).rejects.toMatchObject({
      code: 'too-few-samples',
    });
    await expect(outcomeOf(gaussianRows(9, 2, 1), gaussianRows(9, 3, 1))).rejects.toThrow(
      /real and fake: have 2 and 3 units/,
    );
    const one = model('m', { a: gaussianRows(9, 2, 1), b: gaussianRows(9, 2, 1) });
    const two = model('n', { c: gaussianRows(9, 2, 1) });
    await expect(run(precisionRecall, [one, two])).rejects.toThrow(/no layers that correspond/);
  });
  test('cancelling stops it', async () => {
    const stop = () => Promise.reject(new Cancelled());
    const sides = [plain('x', reference.real), plain('y', reference.fake)];
    await expect(run(precisionRecall, sides, {}, stop)).rejects.toBeInstanceOf(Cancelled);
  });
});
