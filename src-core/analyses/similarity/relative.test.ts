import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { viewSchema } from '../../results/schema.ts';
import { Random } from '../random.ts';
import {
  context,
  gaussianRows,
  matrixOf,
  model,
  multiply,
  orthogonal,
  plain,
  run,
  type Rows,
} from '../test-support.ts';
import { othersOf, reference } from './alignment-test-support.ts';
import { comparePairs } from './pairs.ts';
import { relative, relativeMeasure } from './relative.ts';

const { x, y, anchors } = reference;
const valuesOf = async (a: Rows, b: Rows, params: Record<string, unknown> = {}) =>
  (await run(relative, [plain('a', a), plain('b', b)], params)).values as Record<string, number>;

const noisy = (rows: Rows, seed: number, size: number) => {
  const noise = gaussianRows(rows.length, rows[0]!.length, seed);
  return rows.map((row, i) => row.map((value, j) => value + size * noise[i]![j]!));
};

describe('values', () => {
  test('are those of NumPy for the same anchors', async () => {
    const split = { anchors: Int32Array.from(anchors), others: othersOf(x.length, anchors) };
    const used = await context();
    const measure = relativeMeasure(split, false, used);
    const { values, views } = await comparePairs([plain('x', x), plain('y', y)], measure, {}, used);
    for (const [key, value] of Object.entries(reference.relative)) {
      expect(values[key], key).toBeCloseTo(value, 12);
    }
    expect(views.map(({ kind }) => kind)).toEqual(['table', 'bars', 'histogram']);
    for (const view of views) expect(() => viewSchema.parse(view)).not.toThrow();
  });

  test('of a rotated and scaled copy are 1', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 0, max: 1e6 }), async (seed) => {
        const a = gaussianRows(50, 8, seed);
        const b = multiply(a, orthogonal(8, seed + 1)).map((row) => row.map((v) => 3.7 * v));
        const { cosine, jaccard, mrr } = await valuesOf(a, b);
        expect(cosine).toBeCloseTo(1, 12);
        expect([jaccard, mrr]).toEqual([1, 1]);
      }),
      { numRuns: 4 },
    );
  });

  test('a shift of the origin changes them, unless columns are centred', async () => {
    const a = gaussianRows(80, 8, 1);
    const b = a.map((row) => row.map((value) => value + 5));
    expect((await valuesOf(a, b))['cosine']).toBeLessThan(0.9);
    expect((await valuesOf(a, b, { center: true }))['cosine']).toBeCloseTo(1, 12);
  });

  // Another draw of the same kind gave .517, 1.000 and .92, and .158, .994 and .511.
  test.each([
    [0.3, 0.517, 1, 0.92],
    [1, 0.158, 0.994, 0.511],
  ])('of a rotated copy with noise %d', async (size, jaccard, mrr, cosine) => {
    const a = gaussianRows(2000, 64, 1);
    const b = multiply(noisy(a, 2, size), orthogonal(64, 3));
    const values = await valuesOf(a, b);
    expect(Math.abs(values['jaccard']! - jaccard)).toBeLessThan(0.025);
    expect(Math.abs(values['mrr']! - mrr)).toBeLessThan(0.005);
    expect(Math.abs(values['cosine']! - cosine)).toBeLessThan(0.025);
  });
});

describe('edge cases', () => {
  test('samples that are zero are counted and left out', async () => {
    const a = gaussianRows(60, 5, 1).map((row, i) => (i < 3 ? row.map(() => 0) : row));
    const { values, warnings } = await run(relative, [plain('a', a), plain('b', a)], {
      anchors: 10,
    });
    expect(warnings).toEqual([
      'a: 3 of 60 samples are zero, have no direction, and are left out',
      'b: 3 of 60 samples are zero, have no direction, and are left out',
    ]);
    expect(values).toMatchObject({ jaccard: 1, mrr: 1 });
    expect(values['cosine']).toBeCloseTo(1, 12);
  });

  test('copies of one sample share their places', async () => {
    const a = matrixOf(40, 3, (i, j) => (i % 2 === j ? 1 : 0));
    const { mrr } = await valuesOf(a, a, { anchors: 10 });
    // About half of thirty share the places 1 to 15.
    expect(mrr).toBeGreaterThan(0.1);
    expect(mrr).toBeLessThan(0.2);
  });

  test('more anchors than half of the samples are cut down, with a warning', async () => {
    const outcome = await run(relative, [plain('x', x), plain('y', y)]);
    expect(outcome.warnings).toEqual([
      '300 anchors are more than half of 60 samples: 30 are taken',
    ]);
    expect(outcome.estimator).toBe('relative.30');
  });
});

test('unrelated representations are not told from chance, related ones are', async () => {
  const far = [plain('a', gaussianRows(60, 6, 1)), plain('b', gaussianRows(60, 6, 2))];
  const near = [plain('x', x), plain('y', y)];
  const params = { permutations: 99, anchors: 20 };
  expect((await run(relative, far, params)).null!.p).toBeGreaterThan(0.02);
  expect((await run(relative, near, params)).null!.p).toBe(0.01);
});

test('permuting samples is permuting rows', async () => {
  const used = await context();
  const split = { anchors: Int32Array.from(anchors), others: othersOf(x.length, anchors) };
  const measure = relativeMeasure(split, false, used);
  const sides = [plain('x', x), plain('y', y)];
  const drawn = await comparePairs(sides, measure, { permutations: 1, seed: 4 }, used);
  const order = new Random(4).permutation(x.length);
  const moved = plain(
    'y',
    Array.from(order, (at) => y[at]!),
  );
  const { values } = await comparePairs([sides[0]!, moved], measure, {}, used);
  expect(drawn.null!.mean).toBeCloseTo(values['cosine'] as number, 12);
});

test('models give matrices; ranks depend on the direction', async () => {
  const { values } = await run(relative, [model('m', { x, y })], { anchors: 20 });
  const mrr = values['mrr'] as number[][];
  expect([mrr[0]![0], mrr[1]![1]]).toEqual([1, 1]);
  const forward = await valuesOf(x, y, { anchors: 20 });
  const backward = await valuesOf(y, x, { anchors: 20 });
  expect([mrr[0]![1], mrr[1]![0]]).toEqual([forward['mrr'], backward['mrr']]);
});
