import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Cancelled } from '../../errors.ts';
import { Random } from '../random.ts';
import { context, gaussianRows, matrixOf, model, plain, run, type Rows } from '../test-support.ts';
import { hyperbolicity } from './hyperbolicity.ts';

const analyse = (rows: Rows, params: Record<string, unknown> = {}) =>
  run(hyperbolicity, [plain('x', rows)], params);

const ofDistances = async (rows: Rows, params: Record<string, unknown> = {}) =>
  (await analyse(rows, { input: 'distances', ...params })).values as Record<string, number>;

const cycle = (n: number) =>
  matrixOf(n, n, (i, j) => Math.min(Math.abs(i - j), n - Math.abs(i - j)));

/** Distances in a random tree with random lengths. */
function tree(n: number, seed: number): number[][] {
  const random = new Random(seed);
  const distances = matrixOf(n, n, () => 0);
  for (let i = 1; i < n; i++) {
    const parent = random.below(i);
    const length = 0.1 + random.uniform();
    for (let j = 0; j < i; j++) {
      distances[i]![j] = distances[j]![i] = distances[parent]![j]! + length;
    }
  }
  return distances;
}

/** δ of all fours that hold point 0, by its three sums: half of what the largest two differ by. */
function fourPoints(d: Rows): number {
  let delta = 0;
  for (let x = 1; x < d.length; x++) {
    for (let y = 1; y < d.length; y++) {
      for (let z = 1; z < d.length; z++) {
        const sums = [d[0]![x]! + d[y]![z]!, d[0]![y]! + d[x]![z]!, d[0]![z]! + d[x]![y]!];
        sums.sort((a, b) => b - a);
        delta = Math.max(delta, (sums[0]! - sums[1]!) / 2);
      }
    }
  }
  return delta;
}

test('a tree has none', () =>
  fc.assert(
    fc.asyncProperty(fc.integer({ min: 2, max: 40 }), fc.nat(1e6), async (n, seed) => {
      const { delta, deltaRelative } = await ofDistances(tree(n, seed));
      expect(delta).toBeLessThan(1e-12);
      expect(deltaRelative).toBeLessThan(1e-12);
    }),
    { numRuns: 20, seed: 1 },
  ));

test('nor have points on a line', async () => {
  expect((await analyse(gaussianRows(50, 1, 3))).values['delta']).toBeLessThan(1e-12);
});

test('the unit square has √2 − 1', async () => {
  const square = [
    [0, 0],
    [1, 0],
    [1, 1],
    [0, 1],
  ];
  const { values } = await analyse(square);
  expect(values['delta']).toBeCloseTo(Math.SQRT2 - 1, 12);
  expect(values['deltaRelative']).toBeCloseTo(2 - Math.SQRT2, 12);
  expect(values['diameter']).toBeCloseTo(Math.SQRT2, 12);
});

// ⌊n/4⌋, and ½ less where n leaves 1.
test.each([
  [4, 1],
  [5, 0.5],
  [6, 1],
  [7, 1],
  [8, 2],
  [9, 1.5],
  [10, 2],
  [40, 10],
])('a cycle of %i edges has %f', async (n, expected) => {
  const { delta, deltaRelative, diameter } = await ofDistances(cycle(n));
  expect([delta, diameter]).toEqual([expected, Math.floor(n / 2)]);
  expect(deltaRelative).toBe((2 * expected) / Math.floor(n / 2));
});

test('equals the four-point condition with the base among the four', () =>
  fc.assert(
    fc.asyncProperty(fc.integer({ min: 3, max: 14 }), fc.nat(1e6), async (n, seed) => {
      const rows = gaussianRows(n, 2, seed);
      const distances = rows.map((x) => rows.map((y) => Math.hypot(...x.map((v, j) => v - y[j]!))));
      const expected = fourPoints(distances);
      expect((await ofDistances(distances))['delta']).toBeCloseTo(expected, 12);
      expect((await analyse(rows)).values['delta']).toBeCloseTo(expected, 12);
    }),
    { numRuns: 20, seed: 2 },
  ));

describe('samples', () => {
  const rows = gaussianRows(60, 30, 4);

  test('are drawn at random, reproducibly, and say so', async () => {
    const once = (seed: number) => analyse(rows, { samples: 20, seed });
    const [first, again, other] = [await once(1), await once(1), await once(2)];
    expect(first.values).toEqual(again.values);
    expect(first.values['delta']).not.toBe(other.values['delta']);
    expect(first.warnings).toEqual(['x: 20 of 60 samples, drawn at random']);
  });

  test('fewer never have more, from the same base', async () => {
    const all = (await analyse(rows)).values['delta'] as number;
    const some = (await analyse(rows.slice(0, 25))).values['delta'] as number;
    expect(some).toBeLessThanOrEqual(all);
  });

  test('beyond the bound on memory are refused', async () => {
    const work = hyperbolicity.run(
      [plain('x', rows)],
      hyperbolicity.params.parse({}),
      await context({ memoryLimit: 20_000 }),
    );
    await expect(work).rejects.toThrow(/products of 60 samples: need 28\.1 KiB/);
  });
});

test('samples all alike: null with a warning', async () => {
  const outcome = await analyse(matrixOf(5, 2, () => 1));
  expect(outcome.values).toEqual({ delta: 0, deltaRelative: null, diameter: 0 });
  expect(outcome.warnings).toEqual([expect.stringMatching(/all samples are alike/)]);
});

test('a model gives arrays over layers', async () => {
  const layers = { a: gaussianRows(12, 1, 1), b: gaussianRows(12, 3, 2) };
  const { values, views } = await run(hyperbolicity, [model('m', layers)]);
  expect(values['delta']).toHaveLength(2);
  expect(views.map(({ kind }) => kind)).toEqual(['line', 'table']);
});

test('cancelling stops it', async () => {
  let calls = 0;
  const stop = () => (++calls > 2 ? Promise.reject(new Cancelled()) : Promise.resolve());
  const work = run(hyperbolicity, [plain('x', gaussianRows(2000, 30, 1))], {}, stop);
  await expect(work).rejects.toBeInstanceOf(Cancelled);
  expect(calls).toBe(3);
});
