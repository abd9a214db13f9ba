import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
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
import { near, synthetic } from '../token-test-support.ts';
import { invariance } from './invariance.ts';

const between = async (a: Rows, b: Rows, params = {}) =>
  (await run(invariance, [plain('a', a), plain('b', b)], params)).values as Record<string, number>;

describe.each(Object.keys(synthetic.invariance))('NumPy’s values: %s', (name) => {
  const { a, b, ...wanted } = synthetic.invariance[name]!;

  test('infonce and lidar', async () => {
    const values = await between(a, b, { draws: 1 });
    near(values['infonce'], wanted['infonce'], 1e-9);
    near(values['lidar'], wanted['lidar'], 1e-6);
    expect(values['limit']).toBe(Math.log(a.length));
  });

  test('dime, over other shufflings', async () => {
    const draws = 400;
    const values = await between(a, b, { draws });
    const error = (5 * wanted['dimeSd']!) / Math.sqrt(draws);
    expect(Math.abs(values['dime']! - wanted['dime']!)).toBeLessThan(error);
    expect((await between(a, b, { draws }))['dime']).toBe(values['dime']);
  });
});

describe('closed forms', () => {
  const basis = orthogonal(12, 3);

  test('orthonormal samples that keep their views reach the limit', async () => {
    const values = await between(basis, basis, { temperature: 0.01 });
    expect(values['infonce']).toBeCloseTo(Math.log(12), 9);
    // Of 12 centred directions of equal strength one is lost to the mean.
    expect(values['lidar']).toBeCloseTo(11, 3);
    expect(values['dime']).toBeCloseTo(0, 9);
  });

  test('views that are all equal save nothing', async () => {
    const values = await between(
      basis,
      matrixOf(12, 12, (_, j) => j + 1),
    );
    expect(values['dime']).toBeCloseTo(0, 9);
    expect(values['infonce']).toBeLessThanOrEqual(1e-9);
  });

  test('independent views share next to nothing, near ones much', async () => {
    const a = gaussianRows(60, 40, 1);
    const noise = gaussianRows(60, 40, 2);
    const apart = await between(a, noise);
    const close = await between(
      a,
      a.map((row, i) => row.map((value, j) => value + 0.1 * noise[i]![j]!)),
    );
    expect(apart['infonce']).toBeLessThan(0);
    expect(close['infonce']).toBeGreaterThan(4);
    expect(close['dime']).toBeGreaterThan(apart['dime']! + 0.01);
    expect(close['lidar']).toBeGreaterThan(apart['lidar']!);
  });
});

test('as many units as samples: both ways to the spectrum agree', async () => {
  const a = gaussianRows(10, 10, 4);
  const b = gaussianRows(10, 10, 5);
  const wide = (rows: Rows) => rows.map((row) => [...row, 0]);
  const [units, samples] = [await between(a, b), await between(wide(a), wide(b))];
  // The unit of zeros adds its 1e-7 to the entropy.
  expect(samples['lidar']! / units['lidar']!).toBeCloseTo(1, 5);
});

test('a common rotation changes nothing', async () => {
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: 1e6 }), async (seed) => {
      const [a, b] = [gaussianRows(9, 5, seed), gaussianRows(9, 5, seed + 1)];
      const turn = orthogonal(5, seed);
      const before = await between(a, b, { draws: 3 });
      const after = await between(multiply(a, turn), multiply(b, turn), { draws: 3 });
      for (const key of ['infonce', 'lidar', 'dime']) near(after[key], before[key], 1e-6);
    }),
    { numRuns: 6 },
  );
});

test('layers of a model over two probes, in a profile', async () => {
  const { a, b } = synthetic.invariance['tall']!;
  const outcome = await run(invariance, [
    model('m', { first: a, second: b }),
    model('m', { first: b, second: b }),
  ]);
  const alone = await between(a, b);
  const infonce = outcome.values['infonce'] as number[];
  expect(infonce[0]).toBeCloseTo(alone['infonce']!, 12);
  expect(infonce[1]).toBeGreaterThan(infonce[0]!);
  expect(outcome.views.map(({ kind }) => kind)).toEqual(['line', 'line', 'line', 'table']);
});

test('many samples are thinned out, zeros named, other shapes refused', async () => {
  const rows = gaussianRows(30, 4, 6);
  const thinned = await run(invariance, [plain('a', rows), plain('b', rows)], { samples: 12 });
  expect(thinned.values['limit']).toBe(Math.log(12));
  expect(thinned.warnings.join()).toMatch(/12 of 30 samples are used/);
  const zero = rows.map((row, i) => (i === 3 ? row.map(() => 0) : row));
  const outcome = await run(invariance, [plain('a', rows), plain('b', zero)]);
  expect(outcome.warnings.join()).toMatch(/1 views are zero/);
  await expect(run(invariance, [plain('a', rows), plain('b', rows.slice(1))])).rejects.toThrow(
    /are 30 × 4 and 29 × 4, and need one shape/,
  );
});
