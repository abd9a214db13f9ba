import { describe, expect, test } from 'vitest';
import {
  gaussianRows,
  model,
  multiply,
  orthogonal,
  plain,
  run,
  shuffled,
  type Rows,
} from '../test-support.ts';
import { distanceCorrelation } from './distance-correlation.ts';
import { fixture } from './pair-fixture.ts';

const { x, y, wide } = fixture;
const sides = (a: Rows, b: Rows, type?: typeof Float32Array) => [
  plain('a', a, type),
  plain('b', b, type),
];
const values = async (a: Rows, b: Rows, params: Record<string, unknown> = {}) =>
  (await run(distanceCorrelation, sides(a, b), params)).values as { dcor: number; squared: number };

describe('values', () => {
  test('agree with the package dcor', async () => {
    expect((await values(x, y, { estimator: 'biased' })).dcor).toBeCloseTo(fixture.dcor.biased, 10);
    const { dcor, squared } = await values(x, y);
    expect(squared).toBeCloseTo(fixture.dcor.debiasedSquared, 10);
    expect(dcor).toBeCloseTo(Math.sqrt(fixture.dcor.debiasedSquared), 10);
  });

  test('of activations in float32 too', async () => {
    const { values: found } = await run(distanceCorrelation, sides(x, y, Float32Array));
    expect(found['squared']).toBeCloseTo(fixture.dcor.debiasedSquared, 5);
  });

  test('a negative square keeps its sign', async () => {
    const one = x.map((row) => row.slice(0, 2));
    const other = wide.map((row) => row.slice(0, 1)).toReversed();
    const { dcor, squared } = await values(one, other);
    expect(squared).toBeCloseTo(fixture.dcor.debiasedSquaredIndependent, 10);
    expect(dcor).toBeCloseTo(-Math.sqrt(-fixture.dcor.debiasedSquaredIndependent), 10);
  });

  test('of a rotated, scaled and shifted copy are 1', async () => {
    const copy = multiply(x, orthogonal(5, 1)).map((row) => row.map((value) => 3 * value - 7));
    for (const estimator of ['biased', 'debiased']) {
      expect((await values(x, copy, { estimator })).dcor).toBeCloseTo(1, 8);
    }
  });

  test('a circle is seen, which no linear measure sees', async () => {
    const angles = Array.from({ length: 200 }, (_, i) => (2 * Math.PI * i) / 200);
    const circle = angles.map((angle) => [Math.cos(angle)]);
    const squares = angles.map((angle) => [Math.cos(angle) ** 2]);
    const { dcor } = await values(circle, squares);
    expect(dcor).toBeGreaterThan(0.4);
    expect((await run('cka', sides(circle, squares))).values['cka'] as number).toBeLessThan(0.01);
  });

  test('do not depend on the order of samples', async () => {
    const { squared } = await values(shuffled(x, 2), shuffled(y, 2));
    expect(squared).toBeCloseTo(fixture.dcor.debiasedSquared, 10);
  });

  test('debiased is near zero for independent data where biased is not', async () => {
    const [a, b] = [gaussianRows(60, 200, 1), gaussianRows(60, 200, 2)];
    expect(Math.abs((await values(a, b)).squared)).toBeLessThan(0.1);
    expect((await values(a, b, { estimator: 'biased' })).dcor).toBeGreaterThan(0.8);
  });
});

test('layers, null and interval', async () => {
  const settings = { permutations: 49, bootstrap: 40 };
  const outcome = await run(distanceCorrelation, [model('m', { x, y })], settings);
  const matrix = outcome.values['dcor'] as number[][];
  expect(matrix[0]![0]).toBe(1);
  expect(matrix[1]![0]).toBe(matrix[0]![1]);
  expect((outcome.null!.p as number[][])[0]![1]).toBe(0.02);
  const { low, high } = outcome.interval as { low: number[][]; high: number[][] };
  expect(low[0]![1]).toBeLessThan(matrix[0]![1]!);
  expect(high[0]![1]).toBeGreaterThan(matrix[0]![1]!);
});

test('what cannot be measured', async () => {
  const flat = x.map(() => [1]);
  const outcome = await run(distanceCorrelation, sides(x, flat));
  expect(outcome.values['dcor']).toBeNull();
  expect(outcome.warnings).toEqual([expect.stringMatching(/^b: every unit is constant/)]);
  await expect(values(x.slice(0, 3), y.slice(0, 3))).rejects.toThrow(/at least 4 are needed/);
});
