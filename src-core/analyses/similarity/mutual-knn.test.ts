import { describe, expect, test } from 'vitest';
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
import { cknna } from './cknna.ts';
import { informationImbalance } from './information-imbalance.ts';
import { mutualKnn } from './mutual-knn.ts';
import { fixture } from './pair-fixture.ts';

const { x, y } = fixture;
const sides = (a: Rows, b: Rows, type?: typeof Float32Array) => [
  plain('a', a, type),
  plain('b', b, type),
];
const turned = (rows: Rows, scale: number, offset: number, seed = 1) =>
  multiply(rows, orthogonal(rows[0]!.length, seed)).map((row) =>
    row.map((value) => scale * value + offset),
  );

describe('mutual nearest neighbours', () => {
  const overlap = async (a: Rows, b: Rows, params: Record<string, unknown> = {}) =>
    (await run(mutualKnn, sides(a, b), params)).values['overlap'] as number;

  test.each(fixture.mutualKnn)('agree with NumPy: %o', async ({ overlap: expected, ...params }) => {
    for (const type of [undefined, Float32Array]) {
      const { values } = await run(mutualKnn, sides(x, y, type), params);
      expect(values['overlap']).toBeCloseTo(expected, 12);
      expect(values['chance']).toBeCloseTo(params.k / 39, 12);
    }
  });

  test('of a rotated, scaled copy are all; with euclidean distance of a shifted one too', async () => {
    expect(await overlap(x, turned(x, 3.7, 0))).toBe(1);
    expect(await overlap(x, turned(x, 3.7, 9), { metric: 'euclidean' })).toBe(1);
    expect(await overlap(x, turned(x, 1, 9))).toBeLessThan(1);
  });

  test('of independent data are k/(n − 1) on average', async () => {
    // Acceptance: 0.0098 = 10/1023 with a deviation of 0.0013.
    const value = await overlap(gaussianRows(1024, 16, 1), gaussianRows(1024, 16, 2));
    expect(Math.abs(value - 10 / 1023)).toBeLessThan(0.004);
  });

  test('do not depend on the order of samples or of sides', async () => {
    const before = await overlap(x, y);
    expect(await overlap(y, x)).toBe(before);
    expect(await overlap(shuffled(x, 3), shuffled(y, 3))).toBe(before);
  });

  test('ties go to the lower index', async () => {
    // Four copies of each of five points: a copy's neighbours are the first others of the four.
    const copies = matrixOf(20, 2, (i, j) => [Math.cos(i % 5), Math.sin(i % 5)][j]!);
    const same = matrixOf(20, 2, (i, j) => 2 * [Math.cos(i % 5), Math.sin(i % 5)][j]!);
    expect(await overlap(copies, same, { k: 2 })).toBe(1);
  });

  test('null and interval', async () => {
    const settings = { permutations: 99, bootstrap: 200, k: 5 };
    const { values, null: chance, interval } = await run(mutualKnn, sides(x, y), settings);
    expect(chance!.p).toBe(0.01);
    expect(chance!.mean as number).toBeCloseTo(values['chance'] as number, 1);
    const [low, high] = [interval!.low as number, interval!.high as number];
    expect(low).toBeLessThan(values['overlap'] as number);
    expect(high).toBeGreaterThan(values['overlap'] as number);
    expect(high - low).toBeGreaterThan(0.05);
    expect(high - low).toBeLessThan(0.3);
  });

  test('the best pair of layers has the null of the best', async () => {
    const layers = (seed: number) =>
      Object.fromEntries(
        Array.from({ length: 5 }, (_, at) => [`l${at}`, gaussianRows(60, 3, seed + at)]),
      );
    const settings = { permutations: 60, k: 3 };
    const outcome = await run(mutualKnn, [model('m', layers(1)), model('n', layers(9))], settings);
    const overlaps = outcome.values['overlap'] as number[][];
    const best = outcome.values['best'] as {
      overlap: number;
      first: string;
      second: string;
      null: { mean: number; p: number };
    };
    expect(best.overlap).toBe(Math.max(...overlaps.flat()));
    expect(overlaps[Number(best.first[1])]![Number(best.second[1])]).toBe(best.overlap);
    const smallest = Math.min(...(outcome.null!.p as number[][]).flat());
    expect(smallest).toBeLessThan(0.1);
    expect(best.null.p).toBeGreaterThan(smallest);
    expect(best.null.mean).toBeGreaterThan(3 / 59);
  });

  test('clipping takes single large activations away', async () => {
    const spiked = x.map((row, i) => [...row, i % 7 === 0 ? 1e4 : 0]);
    const plainRows = x.map((row) => [...row, 0]);
    const clipped = await overlap(plainRows, spiked, { clip: 0.8 });
    expect(clipped).toBeGreaterThan(await overlap(plainRows, spiked));
  });

  test('rows of zeros are counted', async () => {
    const { warnings } = await run(
      mutualKnn,
      sides(
        x,
        y.map((row, i) => (i < 2 ? row.map(() => 0) : row)),
      ),
    );
    expect(warnings).toEqual([expect.stringMatching(/^b: 2 of 40 rows are zero/)]);
  });

  test('as many neighbours as samples are refused', async () => {
    await expect(overlap(x, y, { k: 40 })).rejects.toThrow(/a: has 40 samples, and each needs 40/);
  });
});

describe('CKNNA', () => {
  const value = async (a: Rows, b: Rows, k: number) =>
    (await run(cknna, sides(a, b), { k })).values['cknna'] as number;

  test.each(fixture.cknna)('agrees with NumPy at k=$k', async ({ k, cknna: expected }) => {
    expect(await value(x, y, k)).toBeCloseTo(expected, 10);
    const narrow = await run(cknna, sides(x, y, Float32Array), { k });
    expect(narrow.values['cknna']).toBeCloseTo(expected, 5);
  });

  test('with k = n − 1 is debiased CKA', async () => {
    const [a, b] = [gaussianRows(30, 4, 1), gaussianRows(30, 6, 2)];
    const cka = (await run('cka', sides(a, b))).values['cka'] as number;
    expect(await value(a, b, 29)).toBeCloseTo(cka, 6);
    const like = b.map((row, i) => row.map((v, j) => v + (a[i]![j] ?? 0)));
    const other = (await run('cka', sides(a, like))).values['cka'] as number;
    expect(await value(a, like, 29)).toBeCloseTo(other, 6);
  });

  test('of itself and of a rotated copy is 1', async () => {
    expect(await value(x, x, 5)).toBeCloseTo(1, 6);
    expect(await value(x, turned(x, 2, 0), 5)).toBeCloseTo(1, 6);
    expect(await value(x, turned(x, 1, 5), 5)).toBeLessThan(0.999);
  });

  test('of independent data is near 0', async () => {
    expect(
      Math.abs(await value(gaussianRows(600, 8, 1), gaussianRows(600, 8, 2), 10)),
    ).toBeLessThan(0.03);
  });

  test('layers have both directions, and permuting has a null', async () => {
    const outcome = await run(cknna, [model('m', { x, y })], { k: 5, permutations: 49 });
    const matrix = outcome.values['cknna'] as number[][];
    expect(matrix[0]![1]).toBeCloseTo(await value(x, y, 5), 12);
    expect(matrix[1]![0]).toBeCloseTo(await value(y, x, 5), 12);
    expect((outcome.null!.p as number[][])[0]![1]).toBe(0.02);
    expect(Math.abs((outcome.null!.mean as number[][])[0]![1]!)).toBeLessThan(0.1);
  });

  test('activations as small as the 1e-6 of the definition are warned of', async () => {
    const small = x.map((row) => row.map((v) => 0.01 * v));
    const { warnings } = await run(cknna, sides(small, y));
    expect(warnings).toEqual([expect.stringMatching(/^a: activations are so small/)]);
  });
});

describe('information imbalance', () => {
  const value = async (a: Rows, b: Rows) =>
    (await run(informationImbalance, sides(a, b))).values as { aToB: number; bToA: number };

  test('agrees with SciPy', async () => {
    const found = await value(x, y);
    expect(found.aToB).toBeCloseTo(fixture.imbalance.aToB, 12);
    expect(found.bToA).toBeCloseTo(fixture.imbalance.bToA, 12);
  });

  test('is 2/n with itself and about 1 for independent data', async () => {
    const rows = gaussianRows(400, 5, 1);
    expect((await value(rows, turned(rows, 3, 7))).aToB).toBeCloseTo(2 / 400, 12);
    const unrelated = await value(rows, gaussianRows(400, 5, 2));
    // Ranks are uniform: a deviation of 2/√12/√400.
    expect(Math.abs(unrelated.aToB - 1)).toBeLessThan(0.1);
  });

  test('part of a representation says less than the whole', async () => {
    // Acceptance at n = 1,000: 0.052 to the first 5 of 10 coordinates, 0.341 back.
    const whole = gaussianRows(1000, 10, 1);
    const { aToB, bToA } = await value(
      whole,
      whole.map((row) => row.slice(0, 5)),
    );
    expect(aToB).toBeGreaterThan(0.04);
    expect(aToB).toBeLessThan(0.065);
    expect(bToA).toBeGreaterThan(0.3);
    expect(bToA).toBeLessThan(0.38);
  });

  test('copies have the first other copy as neighbour, at rank 1', async () => {
    const copies = [...x, ...x, ...x].map((row) => row.map((v) => v + 1e3));
    expect((await value(copies, copies)).aToB).toBeCloseTo(2 / 120, 12);
  });

  test('does not depend on the order of samples', async () => {
    const found = await value(shuffled(x, 5), shuffled(y, 5));
    expect(found.aToB).toBeCloseTo(fixture.imbalance.aToB, 12);
  });

  test('layers have both directions, and a plane', async () => {
    const { values, interval, views } = await run(informationImbalance, [model('m', { x, y })], {
      bootstrap: 50,
    });
    const { aToB, bToA } = fixture.imbalance;
    const matrix = values['aToB'] as number[][];
    expect(matrix[0]![1]).toBeCloseTo(aToB, 12);
    expect(matrix[1]![0]).toBeCloseTo(bToA, 12);
    expect((values['bToA'] as number[][])[0]![1]).toBeCloseTo(bToA, 12);
    const low = interval!.low as number[][];
    expect(low[0]![1]).toBeLessThan(aToB);
    expect(low[1]![0]).toBeLessThan(bToA);
    expect(low[0]![1]).not.toBe(low[1]![0]);
    expect(views.map(({ kind }) => kind)).toEqual(['heatmap', 'table', 'scatter']);
  });

  test('distances that memory does not hold are refused', async () => {
    const many = plain(
      'many',
      matrixOf(12_000, 1, (i) => i),
    );
    await expect(run(informationImbalance, [many, many])).rejects.toThrow(
      /two layers of 12000 samples/,
    );
  });
});
