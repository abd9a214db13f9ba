import { readFileSync } from 'node:fs';
import fc from 'fast-check';
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
  type Ran,
  type Rows,
} from '../test-support.ts';
import { gaussianDraws, manifoldGeometry, nonNegativeWeights } from './manifold-capacity-anchor.ts';
import { centreCorrelations } from './manifold-capacity-centres.ts';
import { manifoldCapacity } from './manifold-capacity.ts';

const url = new URL('../../../test/fixtures/geometry/capacity.json', import.meta.url);
const reference = JSON.parse(readFileSync(url, 'utf8')) as {
  points: Rows;
  draws: Rows;
  expected: Record<'capacity' | 'radius' | 'dimension', number>;
  nnls: { points: Rows; target: number[]; weights: number[] };
};
const noStep = () => Promise.resolve();
const dot = (a: readonly number[], b: readonly number[]) =>
  a.reduce((sum, value, i) => sum + value * b[i]!, 0);
const geometryOf = (points: Rows, draws: Rows) =>
  manifoldGeometry(
    Float64Array.from(points.flat()),
    points.length,
    draws.map((t) => Float64Array.from(t)),
    noStep,
  );

describe('SciPy’s non-negative least squares', () => {
  test('weights', () => {
    const { points, target, weights } = reference.nnls;
    const gram = Float64Array.from(points.flatMap((a) => points.map((b) => dot(a, b))));
    const found = nonNegativeWeights(
      gram,
      Float64Array.from(points, (a) => dot(a, target)),
    );
    weights.forEach((weight, i) => expect(found[i]).toBeCloseTo(weight, 9));
  });
  test('capacity, radius and dimension of a manifold', async () => {
    const found = await geometryOf(reference.points, reference.draws);
    for (const [key, value] of Object.entries(reference.expected)) {
      expect(found[key as 'capacity'] / value, key).toBeCloseTo(1, 9);
    }
  });
  test('twice the same point changes nothing', async () => {
    const { points, draws, expected } = reference;
    const found = await geometryOf([...points, ...points], draws);
    expect(found.capacity / expected.capacity).toBeCloseTo(1, 9);
  });
});

describe('balls', () => {
  const ball = async (points: Rows, draws: number) =>
    (
      await manifoldGeometry(
        Float64Array.from(points.flat()),
        points.length,
        gaussianDraws(new Random(1), draws, points[0]!.length + 1),
        noStep,
      )
    ).capacity;
  const segment = (radius: number) => [[-radius], [radius]];
  const circle = (radius: number) =>
    matrixOf(48, 2, (i, j) => radius * Math.sin((2 * Math.PI * i) / 48 + (j * Math.PI) / 2));

  test.each([
    [1e-3, 2],
    [0.5, 1.2576],
    [1, 1],
    [1e3, 1 / 1.5],
  ])('of one dimension, radius %f', async (radius, expected) =>
    expect(Math.abs((await ball(segment(radius), 60_000)) / expected - 1)).toBeLessThan(0.025),
  );
  test.each([
    [1e-3, 2],
    [0.5, 0.9499],
    [1, 2 / 3],
    [1e3, 1 / 2.5],
  ])('of two dimensions, radius %f', async (radius, expected) =>
    expect(Math.abs((await ball(circle(radius), 12_000)) / expected - 1)).toBeLessThan(0.03),
  );
  test('of radius 1 in five dimensions: 2/(D + 1), radius and dimension', async () => {
    const points = gaussianRows(900, 5, 2).map((row) => row.map((v) => v / Math.hypot(...row)));
    const found = await geometryOf(points, gaussianRows(1200, 6, 3));
    expect(Math.abs(found.capacity * 3 - 1)).toBeLessThan(0.15);
    expect(Math.abs(found.dimension / 5 - 1)).toBeLessThan(0.15);
  });
});

const labelsOf = (classes: number, each: number) =>
  Array.from({ length: classes * each }, (_, i) => `c${i % classes}`);
const outcomeOf = (rows: Rows, labels: string[], params = {}, type?: typeof Float32Array) =>
  run(manifoldCapacity, [{ ...plain('x', rows, type), labels }], params);
const valueOf = async (key: string, ...args: Parameters<typeof outcomeOf>) =>
  (await outcomeOf(...args)).values[key] as number;
/** Classes around Gaussian centres, with noise of a given size. */
const clouds = (classes: number, each: number, d: number, noise: number, seed = 1) => {
  const centres = gaussianRows(classes, d, seed);
  const random = new Random(seed + 1);
  return matrixOf(
    classes * each,
    d,
    (i, j) => centres[i % classes]![j]! + noise * random.gaussian(),
  );
};

describe('mmcr', () => {
  const p = 64;
  const labels = labelsOf(p, 2);
  test('orthonormal centroids have P, coinciding ones √P, random ones what NumPy finds', async () => {
    const basis = matrixOf(2 * p, p, (i, j) => (i % p === j ? 3 : 0));
    expect(await valueOf('mmcr', basis, labels)).toBeCloseTo(64, 9);
    const same = matrixOf(2 * p, p, (i, j) => (i + 1) * (j + 1));
    expect(await valueOf('mmcr', same, labels)).toBeCloseTo(8, 6);
    const random = await valueOf('mmcr', clouds(p, 2, 64, 0), labels);
    expect(Math.abs(random - 54.7)).toBeLessThan(1);
  });
  test('compactness of equal samples is √m', async () => {
    expect(await valueOf('compactness', clouds(10, 9, 40, 0), labelsOf(10, 9))).toBeCloseTo(3, 6);
  });
});

describe('capacity', () => {
  test('of points is about 2', async () => {
    const outcome = await outcomeOf(clouds(30, 5, 60, 1e-9), labelsOf(30, 5), { draws: 400 });
    expect(outcome.values['capacity']).toBeCloseTo(2, 5);
    expect(outcome.values['radius']).toBeLessThan(1e-6);
  });
  test('falls, and radius and dimension rise, with the size of the manifolds', async () => {
    const results: Ran['values'][] = [];
    for (const noise of [0.1, 0.5, 1.5]) {
      results.push((await outcomeOf(clouds(20, 15, 50, noise), labelsOf(20, 15))).values);
    }
    const of = (key: string) => results.map((values) => values[key] as number);
    expect(of('capacity')).toEqual(of('capacity').toSorted((a, b) => b - a));
    expect(of('radius')).toEqual(of('radius').toSorted((a, b) => a - b));
    expect(of('radius')[2]! / of('radius')[0]!).toBeGreaterThan(5);
  });
  test('directions that centres share are taken out', async () => {
    const shared = gaussianRows(1, 60, 8)[0]!;
    const random = new Random(9);
    const along = Array.from({ length: 20 }, () => 8 * random.gaussian());
    const rows = clouds(20, 10, 60, 0.3).map((row, i) =>
      row.map((value, j) => value + along[i % 20]! * shared[j]!),
    );
    const labels = labelsOf(20, 10);
    const [mixed, clean] = [
      await outcomeOf(rows, labels),
      await outcomeOf(clouds(20, 10, 60, 0.3), labels),
    ];
    expect(mixed.values['centreCorrelation']).toBeLessThan(0.2);
    const ratio = (mixed.values['capacity'] as number) / (clean.values['capacity'] as number);
    expect(Math.abs(ratio - 1)).toBeLessThan(0.1);
  });
});

test('centres on one line are uncorrelated without it', async () => {
  const rows = gaussianRows(9, 30, 5).map((row, i) =>
    row.map((v, j) => (j === 0 ? 40 * (i - 4) : v)),
  );
  const gram = Float64Array.from(rows.flatMap((a) => rows.map((b) => dot(a, b))));
  const { removed, before, after, squares } = await centreCorrelations(gram, 9);
  expect(removed).toBe(1);
  expect(before).toBeGreaterThan(0.7);
  expect(after).toBeLessThan(0.35);
  rows.forEach((row, i) => {
    const rest = dot(row.slice(1), row.slice(1));
    expect(squares[i]! / rest).toBeGreaterThan(0.4);
    expect(squares[i]! / rest).toBeLessThan(1.2);
  });
});

describe('invariances', () => {
  const keys = ['capacity', 'radius', 'dimension'];
  const check = (change: (x: Rows, seed: number) => Rows, of = keys) =>
    fc.assert(
      fc.asyncProperty(fc.integer({ min: 4, max: 9 }), fc.nat(1e6), async (d, seed) => {
        const x = clouds(5, 6, d, 0.4, seed);
        const labels = labelsOf(5, 6);
        const before = (await outcomeOf(x, labels, { draws: 20 })).values;
        const after = (await outcomeOf(change(x, seed), labels, { draws: 20 })).values;
        for (const key of of) {
          expect((after[key] as number) / (before[key] as number)).toBeCloseTo(1, 6);
        }
      }),
      { numRuns: 8, seed: 6 },
    );
  test('orthogonal transformation', () =>
    check((x, seed) => multiply(x, orthogonal(x[0]!.length, seed)), [...keys, 'mmcr']));
  test('isotropic scaling', () =>
    check((x) => x.map((row) => row.map((value) => 9 * value)), [...keys, 'mmcr']));
  test('translation', () => check((x) => x.map((row) => row.map((value) => value + 2))));
});

test('float32 to 1e-4; layers give arrays and profiles', async () => {
  const [rows, labels] = [clouds(12, 6, 20, 0.5), labelsOf(12, 6)];
  const [narrow, wide] = [
    await valueOf('capacity', rows, labels, {}, Float32Array),
    await valueOf('capacity', rows, labels),
  ];
  expect(Math.abs(narrow / wide - 1)).toBeLessThan(1e-4);
  const side = { ...model('m', { a: rows, b: clouds(12, 6, 9, 0.1) }), labels };
  const outcome = await run(manifoldCapacity, [side]);
  expect(outcome.values['capacity']).toHaveLength(2);
  expect(outcome.views.map(({ kind }) => kind)).toEqual(['line', 'line', 'line', 'table', 'table']);
});

describe('what cannot be measured', () => {
  test('classes of one sample, of different sizes, few classes', async () => {
    const rows = clouds(3, 6, 10, 0.5).slice(0, 16);
    const labels = labelsOf(3, 6).slice(0, 16);
    const outcome = await outcomeOf([...rows, rows[0]!], [...labels, 'alone']);
    const told = outcome.warnings.join('\n');
    expect(told).toMatch(/single sample are left out: 1 of 4/);
    expect(told).toMatch(/5 samples of each class are used, of up to 6/);
    expect(told).toMatch(/3 classes: the capacity/);
    await expect(
      outcomeOf(
        rows,
        rows.map((_, i) => `${i}`),
      ),
    ).rejects.toThrow(/0 classes of two/);
  });
  test('constant rows: null', async () => {
    const outcome = await outcomeOf(
      matrixOf(12, 4, () => 1),
      labelsOf(3, 4),
    );
    expect(outcome.values).toMatchObject({ capacity: null, radius: null });
    expect(outcome.warnings.join()).toMatch(/every unit is constant/);
  });
  test('cancelling stops it', async () => {
    let calls = 0;
    const stop = () => (++calls > 10 ? Promise.reject(new Cancelled()) : Promise.resolve());
    const side = { ...plain('x', clouds(5, 6, 8, 0.5)), labels: labelsOf(5, 6) };
    await expect(run(manifoldCapacity, [side], {}, stop)).rejects.toBeInstanceOf(Cancelled);
    expect(calls).toBe(11);
  });
});
