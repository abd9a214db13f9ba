import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Cancelled } from '../../errors.ts';
import {
  context,
  gaussianRows,
  layer,
  matrixOf,
  model,
  multiply,
  orthogonal,
  plain,
  run,
  shuffled,
  type Rows,
} from '../test-support.ts';
import { checkRows } from '../layers.ts';
import { medianMagnitude } from './isotropy-measures.ts';
import { isotropy } from './isotropy.ts';

const isotropyOf = (rows: Rows, params = {}, type?: typeof Float32Array) =>
  run(isotropy, [plain('x', rows, type)], params);
const valueOf = async (rows: Rows, key = 'anisotropy', type?: typeof Float32Array) =>
  (await isotropyOf(rows, {}, type)).values[key] as number;

describe('anisotropy', () => {
  test('is the mean cosine over pairs', async () => {
    const rows = gaussianRows(12, 4, 1).map((row) => row.map((value) => value + 0.5));
    let sum = 0;
    for (const [i, a] of rows.entries()) {
      for (const [j, b] of rows.entries()) {
        if (i === j) continue;
        const dot = a.reduce((total, value, c) => total + value * b[c]!, 0);
        sum += dot / (Math.hypot(...a) * Math.hypot(...b));
      }
    }
    expect(await valueOf(rows)).toBeCloseTo(sum / (12 * 11), 12);
  });

  // N(c, 1)^d has c²/(1 + c²).
  test.each([
    [0, 0],
    [1, 0.5],
    [3, 0.9],
  ])('of Gaussian units with mean %i', async (c, expected) => {
    const rows = gaussianRows(300, 400, 2).map((row) => row.map((value) => value + c));
    expect(await valueOf(rows, 'anisotropy', Float32Array)).toBeCloseTo(expected, 2);
  });

  test('of opposite and of equal directions', async () => {
    expect(
      await valueOf([
        [1, 2],
        [-1, -2],
      ]),
    ).toBeCloseTo(-1, 12);
    expect(
      await valueOf([
        [1, 2],
        [10, 20],
        [3, 6],
      ]),
    ).toBeCloseTo(1, 12);
  });
});

describe('channelStd', () => {
  test('is 1/√d where directions are spread evenly', async () => {
    expect(await valueOf(gaussianRows(4000, 128, 3), 'channelStd')).toBeCloseTo(0.08837, 3);
  });
  test('is nothing where all are one, and exactly the little that is left', async () => {
    const direction = gaussianRows(1, 128, 4)[0]!;
    const rays = matrixOf(50, 128, (i, j) => (i + 1) * direction[j]!);
    expect(await valueOf(rays, 'channelStd')).toBeLessThan(1e-15);
    const little = gaussianRows(500, 128, 5).map((row) =>
      row.map((value, j) => direction[j]! + 1e-4 * value),
    );
    const expected = 1e-4 / Math.hypot(...direction);
    expect((await valueOf(little, 'channelStd')) / expected).toBeCloseTo(1, 1);
  });
});

describe('outlier units', () => {
  test('reach five times the mean variance', async () => {
    const rows = gaussianRows(200, 50, 6).map((row) =>
      row.map((value, j) => (j === 7 || j === 31 ? 5 * value : value)),
    );
    expect((await isotropyOf(rows)).values['outlierDims']).toEqual([7, 31]);
    expect((await isotropyOf(rows, { outlierFactor: 50 })).values['outlierDims']).toEqual([]);
  });
  test('the limit itself counts', async () => {
    // Variances 1 and 9: the second is 1.8 times their mean.
    const rows = [
      [1, 3],
      [-1, -3],
    ];
    expect((await isotropyOf(rows, { outlierFactor: 1.8 })).values['outlierDims']).toEqual([1]);
    expect((await isotropyOf(rows, { outlierFactor: 1.81 })).values['outlierDims']).toEqual([]);
  });
});

describe('massive activations', () => {
  const calm = gaussianRows(64, 512, 7).map((row) => row.map((value) => 0.3 * value));
  const planted = calm.map((row, i) => (i === 0 ? row.with(100, 2500).with(400, -1500) : row));

  test.each([undefined, Float32Array])('two are planted, two are found', async (type) => {
    expect((await isotropyOf(planted, {}, type)).values['massive']).toEqual([
      { sample: 0, unit: 100, value: 2500 },
      { sample: 0, unit: 400, value: -1500 },
    ]);
  });
  test('a calm layer has none', async () => {
    expect((await isotropyOf(calm)).values['massive']).toEqual([]);
  });
  test('both limits count', async () => {
    const massive = async (params: object) =>
      ((await isotropyOf(planted, params)).values['massive'] as unknown[]).length;
    expect(await massive({ massiveAbs: 2000 })).toBe(1);
    // The median is about 0.3·0.674 = 0.2.
    expect(await massive({ massiveRatio: 10_000 })).toBe(1);
    expect(await massive({ massiveRatio: 20_000 })).toBe(0);
  });

  test.each([
    [5, 3],
    [6, 4],
    [1, 1],
  ])('the median of %i × %i magnitudes', async (n, d) => {
    const rows = gaussianRows(n, d, 8).map((row) => row.map((value) => 1000 * value));
    const sorted = rows
      .flat()
      .map(Math.abs)
      .sort((a, b) => a - b);
    const expected = (sorted[Math.floor((n * d - 1) / 2)]! + sorted[Math.floor((n * d) / 2)]!) / 2;
    const checked = await checkRows(layer('x', rows), await context(), 1);
    const found = await medianMagnitude(checked, () => Promise.resolve());
    expect(found / expected).toBeCloseTo(1, 6);
  });
});

describe('invariances', () => {
  const check = (
    change: (x: Rows, seed: number) => Rows,
    keys: readonly string[] = ['anisotropy', 'channelStd'],
  ) =>
    fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 3, max: 15 }),
        fc.integer({ min: 2, max: 6 }),
        fc.nat(1e6),
        async (n, d, seed) => {
          const x = gaussianRows(n, d, seed);
          const changed = change(x, seed);
          for (const key of keys) {
            expect(await valueOf(changed, key)).toBeCloseTo(await valueOf(x, key), 9);
          }
        },
      ),
      { numRuns: 15, seed: 4 },
    );
  test('orthogonal transformation, of anisotropy', () =>
    check((x, seed) => multiply(x, orthogonal(x[0]!.length, seed)), ['anisotropy']));
  test('isotropic scaling', () => check((x) => x.map((row) => row.map((value) => 40 * value))));
  test('permutation of the samples', () => check((x, seed) => shuffled(x, seed)));
  test('permutation of units', () => check((x, seed) => x.map((row) => shuffled(row, seed))));
  test('but translation changes it', async () => {
    const x = gaussianRows(20, 5, 1);
    const moved = x.map((row) => row.map((value) => value + 3));
    expect(await valueOf(moved)).toBeGreaterThan((await valueOf(x)) + 0.5);
  });
});

test('rows of zeros are left out, and counted', async () => {
  const rows = gaussianRows(10, 3, 9);
  const outcome = await isotropyOf([...rows, [0, 0, 0]]);
  expect(outcome.values['anisotropy']).toBeCloseTo(await valueOf(rows), 12);
  expect(outcome.warnings).toEqual(['x: 1 of 11 samples are zero, and left out']);
  const empty = await isotropyOf(matrixOf(4, 2, () => 0));
  expect(empty.values).toMatchObject({ anisotropy: null, channelStd: null, massive: [] });
  expect(empty.warnings.join()).toMatch(/nothing has a direction/);
});

test('layers give arrays and profiles', async () => {
  const layers = { a: gaussianRows(20, 4, 1), b: matrixOf(20, 6, (i, j) => (j === 2 ? i : 1e-3)) };
  const outcome = await run(isotropy, [model('m', layers)]);
  expect(outcome.values['outlierDims']).toEqual([[], [2]]);
  expect(outcome.values['anisotropy']).toHaveLength(2);
  expect(outcome.views.map(({ kind }) => kind)).toEqual(['line', 'line', 'table']);
});

test('one layer shows its widest units', async () => {
  const outcome = await isotropyOf(gaussianRows(20, 40, 1));
  expect(outcome.views.map(({ kind }) => kind)).toEqual(['bars', 'table']);
});

test('NaN is refused, cancelling stops', async () => {
  await expect(
    isotropyOf([
      [1, NaN],
      [1, 2],
    ]),
  ).rejects.toMatchObject({ code: 'non-finite' });
  const stop = () => Promise.reject(new Cancelled());
  await expect(run(isotropy, [plain('x', gaussianRows(5, 2, 1))], {}, stop)).rejects.toBeInstanceOf(
    Cancelled,
  );
});
