import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { UserError } from '../../errors.ts';
import type { Side } from '../definition.ts';
import { layer, multiply, orthogonal, run, gaussianRows, plain } from '../test-support.ts';
import { stochasticShape } from './stochastic-shape.ts';

/** samples × repeats × units. */
type Repeats = number[][][];

const url = new URL('../../../test/fixtures/similarity/stochastic.json', import.meta.url);
const { x, y, narrow, distances } = JSON.parse(readFileSync(url, 'utf8')) as {
  x: Repeats;
  y: Repeats;
  narrow: Repeats;
  distances: { alpha: number; xy: number; xNarrow: number }[];
};

const side = (name: string, samples: Repeats): Side => ({
  name,
  layered: false,
  layers: [
    Object.assign(
      layer(
        name,
        samples.map((repeats) => repeats.flat()),
      ),
      { sample: [samples[0]!.length, samples[0]![0]!.length] },
    ),
  ],
});
const compare = (a: Repeats, b: Repeats, params: Record<string, unknown> = {}) =>
  run(stochasticShape, [side('a', a), side('b', b)], params);
const distance = async (a: Repeats, b: Repeats, params: Record<string, unknown> = {}) =>
  (await compare(a, b, params)).values['distance'] as number;

/** n samples of 8 repeats whose means and noise are drawn, in d units. */
const noisy = (n: number, d: number, seed: number): Repeats =>
  Array.from({ length: n }, (_, i) => {
    const [mean] = gaussianRows(1, d, 1000 * seed + i);
    return gaussianRows(8, d, 1000 * seed + 500 + i).map((row) =>
      row.map((value, j) => mean![j]! + value / (j + 1)),
    );
  });

/** The same means, deviations from them by a factor. */
const widened = (samples: Repeats, factor: number): Repeats =>
  samples.map((repeats) => {
    const mean = repeats[0]!.map((_, j) =>
      repeats.reduce((s, row) => s + row[j]! / repeats.length, 0),
    );
    return repeats.map((row) => row.map((value, j) => mean[j]! + factor * (value - mean[j]!)));
  });

/** Mean over samples of the trace of the covariance. */
const meanTrace = (samples: Repeats): number => {
  const trace = (repeats: number[][]) =>
    repeats[0]!.reduce((sum, _, j) => {
      const mean = repeats.reduce((s, row) => s + row[j]! / repeats.length, 0);
      return sum + repeats.reduce((s, row) => s + (row[j]! - mean) ** 2 / repeats.length, 0);
    }, 0);
  return samples.reduce((sum, repeats) => sum + trace(repeats) / samples.length, 0);
};

describe('values', () => {
  test.each(distances)('agree with minimising the definition: alpha $alpha', async (expected) => {
    const { alpha } = expected;
    expect(await distance(x, y, { alpha, restarts: 5 })).toBeCloseTo(expected.xy, 6);
    const other = await distance(x, narrow, { alpha, restarts: 5 });
    // Covariances without a third dimension give the objective kinks, where SciPy stops a little short.
    expect(other).toBeLessThan(expected.xNarrow + 1e-7);
    expect(other).toBeGreaterThan(expected.xNarrow - 1e-4);
    expect(await distance(narrow, x, { alpha, restarts: 5 })).toBeCloseTo(other, 5);
  });

  test('of a rotated copy are zero', async () => {
    const rotation = orthogonal(3, 1);
    const copy = x.map((repeats) => multiply(repeats, rotation));
    for (const alpha of [0, 1, 2]) expect(await distance(x, copy, { alpha })).toBeLessThan(1e-6);
    const stretched = x.map((repeats) => repeats.map((row) => row.map((v) => 2 * v)));
    expect(await distance(x, stretched)).toBeGreaterThan(0.5);
  });

  test('noise of twice the width is √(mean tr Σ) away at alpha 1, and nothing at alpha 2', async () => {
    const samples = noisy(12, 4, 1);
    const wide = widened(samples, 2);
    const outcome = await compare(samples, wide);
    expect(outcome.values['distance']).toBeCloseTo(Math.sqrt(meanTrace(samples)), 8);
    expect(outcome.values['summed']).toBeCloseTo(Math.sqrt(12 * meanTrace(samples)), 8);
    expect(outcome.values['means']).toBeCloseTo(0, 12);
    expect(await distance(samples, wide, { alpha: 2 })).toBeLessThan(1e-6);
  });

  test('Bures distances of covariances that commute', async () => {
    // Four repeats whose covariance is diagonal, about one mean far from 0 in an own direction.
    const spread = (...variances: number[]) =>
      variances.flatMap((variance, j) => {
        const row = variances.map((_, k) => (k === j ? Math.sqrt(3 * variance) : 0));
        return [row, row.map((value) => -value)];
      });
    const [a, b] = [spread(1, 4, 9), spread(4, 4, 1)];
    // Of one sample the rotation may be free: as diagonals in the best order, (1, 4, 9) and (1, 4, 4).
    expect((await distance([a], [b], { alpha: 0 })) ** 2).toBeCloseTo(2, 6);
    // Samples with large means hold the axes: Bures² of diag(1, 4, 9) and diag(4, 4, 1) is 5.
    const anchors = orthogonal(3, 2).map((row, i) => [row.map((v) => 1e3 * (i + 1) * v)]);
    const fixed = (samples: number[][]) => [
      samples,
      ...anchors.map(([row]) => samples.map(() => row!)),
    ];
    const { values } = await compare(fixed(a), fixed(b), { alpha: 1.9 });
    expect((values['noise'] as number) * 4).toBeCloseTo(5, 3);
  });

  test('do not depend on the order of samples and repeats', async () => {
    const order = [3, 0, 5, 1, 4, 2];
    const moved = (samples: Repeats) => order.map((at) => samples[at]!.toReversed());
    expect(await distance(moved(x), moved(y))).toBeCloseTo(await distance(x, y), 6);
  });

  test('obey the triangle inequality', async () => {
    const [a, b, c] = [noisy(5, 3, 1), noisy(5, 3, 2), noisy(5, 3, 3)];
    for (const alpha of [0, 1, 2]) {
      const [ab, bc, ac] = [
        await distance(a, b, { alpha }),
        await distance(b, c, { alpha }),
        await distance(a, c, { alpha }),
      ];
      expect(ac).toBeLessThanOrEqual(ab + bc + 1e-9);
    }
  });

  test('more starts never end higher', async () => {
    const [a, b] = [noisy(3, 4, 5), noisy(3, 4, 6)];
    const few = await distance(a, b, { alpha: 0, restarts: 1 });
    expect(await distance(a, b, { alpha: 0, restarts: 5 })).toBeLessThanOrEqual(few + 1e-12);
  });
});

describe('what cannot be measured', () => {
  test('one repeat has no noise', async () => {
    const rows = gaussianRows(10, 3, 1);
    const outcome = await run(stochasticShape, [
      plain('a', rows),
      plain('b', gaussianRows(10, 3, 2)),
    ]);
    expect(outcome.values['noise']).toBe(0);
    expect(outcome.warnings).toEqual([expect.stringMatching(/^one repeat of each.*: a, b$/)]);
  });

  test('few repeats are warned of', async () => {
    const { warnings } = await compare(noisy(5, 9, 1), noisy(5, 9, 2));
    expect(warnings).toEqual([expect.stringMatching(/: a 8 of 9 units, b 8 of 9 units$/)]);
  });

  test('samples of more than repeats × units are refused', async () => {
    const odd = side('odd', x);
    const deep: Side = {
      ...odd,
      layers: [
        Object.assign(
          layer(
            'odd',
            x.map((r) => r.flat()),
          ),
          { sample: [3, 3, 3] },
        ),
      ],
    };
    const error = await run(stochasticShape, [deep, side('y', y)]).catch(
      (reason: unknown) => reason,
    );
    expect(error).toBeInstanceOf(UserError);
    expect((error as UserError).message).toMatch(/^odd: holds samples of 3 × 3 × 3/);
  });
});
