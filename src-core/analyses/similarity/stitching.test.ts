import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { viewSchema } from '../../results/schema.ts';
import { Random } from '../random.ts';
import {
  context,
  gaussianRows,
  model,
  multiply,
  orthogonal,
  plain,
  run,
  type Rows,
} from '../test-support.ts';
import { othersOf, reference } from './alignment-test-support.ts';
import { holdOut } from './hold-out.ts';
import { comparePairs } from './pairs.ts';
import { stitching, stitchingMeasure } from './stitching.ts';

const { x, y, held } = reference;
const split = { train: othersOf(x.length, held), test: Int32Array.from(held) };
const maps = ['linear', 'ridge', 'orthogonal'] as const;
const r2Of = async (a: Rows, b: Rows, params: Record<string, unknown> = {}) =>
  (await run(stitching, [plain('a', a), plain('b', b)], params)).values['r2'] as number;

describe('values', () => {
  test.each(maps)('%s: those of scikit-learn and SciPy for the same split', async (map) => {
    const used = await context();
    const measure = stitchingMeasure(split, map, false, used);
    const { values, views } = await comparePairs([plain('x', x), plain('y', y)], measure, {}, used);
    for (const [key, value] of Object.entries(reference.stitching[map])) {
      expect(values[key], key).toBeCloseTo(value, 9);
    }
    for (const view of views) expect(() => viewSchema.parse(view)).not.toThrow();
  });

  test.each(maps)('%s: a rotation is found', async (map) => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 0, max: 1e6 }), async (seed) => {
        const a = gaussianRows(60, 6, seed);
        const b = multiply(a, orthogonal(6, seed + 1)).map((row) => row.map((v) => 2 * v + 3));
        const { values } = await run(stitching, [plain('a', a), plain('b', b)], { map });
        expect(values['r2']).toBeCloseTo(1, 6);
        expect(values).toMatchObject({ top1: 1, mrr: 1 });
      }),
      { numRuns: 4 },
    );
  });

  test('with more units than samples the least squares map is that of smallest norm', async () => {
    const a = gaussianRows(30, 50, 1);
    const b = multiply(a, gaussianRows(50, 4, 2));
    // Fitted exactly, and yet some of the held-out rows lie outside of what was fitted to.
    const r2 = await r2Of(a, b, { map: 'linear' });
    expect(r2).toBeGreaterThan(0);
    expect(r2).toBeLessThan(0.8);
  });

  test('ridge predicts nothing from noise, and little worse than the mean', async () => {
    const r2 = await r2Of(gaussianRows(200, 40, 1), gaussianRows(200, 10, 2));
    expect(Math.abs(r2)).toBeLessThan(0.06);
    const free = await r2Of(gaussianRows(200, 40, 1), gaussianRows(200, 10, 2), { map: 'linear' });
    expect(free).toBeLessThan(-0.1);
  });

  test('models give directed matrices', async () => {
    const wide = multiply(x, gaussianRows(6, 3, 1));
    const { values } = await run(stitching, [model('m', { x, wide })], { map: 'linear' });
    const [[own, down], [up]] = values['r2'] as [number[], number[]];
    expect(own).toBeCloseTo(1, 6);
    expect(down).toBeCloseTo(1, 6);
    expect(up).toBeLessThan(0.8);
  });
});

describe('the null', () => {
  test('permutes the samples of the second side', async () => {
    const used = await context();
    const measure = stitchingMeasure(split, 'ridge', false, used);
    const sides = [plain('x', x), plain('y', y)];
    const drawn = await comparePairs(sides, measure, { permutations: 1, seed: 4 }, used);
    const order = new Random(4).permutation(x.length);
    const moved = plain(
      'y',
      Array.from(order, (at) => y[at]!),
    );
    const { values } = await comparePairs([sides[0]!, moved], measure, {}, used);
    expect(drawn.null!.mean).toBeCloseTo(values['r2'] as number, 10);
  });

  test('is far below what related representations reach', async () => {
    const { null: chance } = await run(stitching, [plain('x', x), plain('y', y)], {
      permutations: 99,
    });
    expect(chance!.p).toBe(0.01);
    expect(chance!.mean as number).toBeLessThan(0.05);
  });

  test('of a model with itself has both directions', async () => {
    const { null: chance } = await run(stitching, [model('m', { x, y })], { permutations: 5 });
    const [[, forward], [backward]] = chance!.mean as [number[], number[]];
    expect(forward).toBeLessThan(0.1);
    expect(backward).toBeLessThan(0.1);
    expect(forward).not.toBe(backward);
  });
});

describe('holding out', () => {
  test('takes the share asked for, without overlap', () => {
    const { train, test: tested } = holdOut(50, 0.2, 3);
    expect([train.length, tested.length]).toEqual([40, 10]);
    expect([...train, ...tested].sort((a, b) => a - b)).toEqual(
      Array.from({ length: 50 }, (_, i) => i),
    );
    expect(holdOut(50, 0.2, 3).test).toEqual(tested);
    expect(holdOut(50, 0.2, 4).test).not.toEqual(tested);
  });

  test('keeps groups together', () => {
    const groups = Array.from({ length: 60 }, (_, i) => `g${Math.floor(i / 5)}`);
    const { train, test: tested } = holdOut(60, 0.3, 1, groups);
    const held = new Set(Array.from(tested, (row) => groups[row]!));
    expect(Array.from(train).some((row) => held.has(groups[row]!))).toBe(false);
    expect(tested.length).toBeGreaterThanOrEqual(18);
  });

  test('copies in one group do not help', async () => {
    // Every sample four times: known from its copies, unless they are held out with it.
    const rows = gaussianRows(20, 30, 1);
    const targets = gaussianRows(20, 5, 2);
    const copies = <T>(all: readonly T[]) => all.flatMap((row) => [row, row, row, row]);
    const groups = copies(rows.map((_, i) => String(i)));
    const sides = [plain('a', copies(rows)), plain('b', copies(targets))];
    const params = { map: 'linear' };
    expect((await run(stitching, sides, params)).values['r2']).toBeGreaterThan(0.99);
    const grouped = sides.map((side) => ({ ...side, groups }));
    expect((await run(stitching, grouped, params)).values['r2'] as number).toBeLessThan(0.5);
  });
});
