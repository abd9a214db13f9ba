import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Cancelled, UserError } from '../../errors.ts';
import { Random } from '../random.ts';
import {
  formulaFixture,
  gaussianRows,
  matrixOf,
  model,
  multiply,
  orthogonal,
  plain,
  run,
  shuffled,
  type Ran,
  type Rows,
} from '../test-support.ts';

const ball = formulaFixture('hyperball_n30_d5_seed0.json') as Rows;
const reference = formulaFixture('reference.json') as { levinaBickel: { k5: number[] } };

const dimensionOf = (outcome: Ran) => outcome.values['dimension'] as number;
const estimate = (rows: Rows, params: Record<string, unknown> = {}, type?: typeof Float32Array) =>
  run('intrinsic-dim', [plain('x', rows, type)], params);

describe('scikit-dimension’s golden data', () => {
  const cases = [
    ['twonn', 4.5223116616709875],
    ['mle', 3.341161830518472],
  ] as const;
  test.each(cases)('%s', async (estimator, expected) => {
    expect(dimensionOf(await estimate(ball, { estimator }))).toBeCloseTo(expected, 12);
  });
  test.each(cases)('%s in float32', async (estimator, expected) => {
    const outcome = await estimate(ball, { estimator }, Float32Array);
    expect(Math.abs(dimensionOf(outcome) / expected - 1)).toBeLessThan(1e-4);
  });
});

test('estimates at points agree with NumPy, and combine as they should', async () => {
  const { k5 } = reference.levinaBickel;
  const of = (combine: string) => estimate(ball, { estimator: 'mle', k: 5, combine });
  const harmonic = await of('harmonic');
  const perPoint = harmonic.values['perPoint'] as number[];
  perPoint.forEach((value, at) => expect(value / k5[at]!).toBeCloseTo(1, 12));
  const sorted = [...k5].sort((a, b) => a - b);
  const total = (values: number[]) => values.reduce((a, b) => a + b, 0);
  expect(dimensionOf(harmonic)).toBeCloseTo(30 / total(k5.map((value) => 1 / value)), 12);
  expect(dimensionOf(await of('mean'))).toBeCloseTo(total(k5) / 30, 12);
  expect(dimensionOf(await of('median'))).toBeCloseTo((sorted[14]! + sorted[15]!) / 2, 12);
  expect(harmonic.estimator).toBe('mle.levina-bickel.harmonic');
});

/** Manifolds of scikit-dimension's benchmark, n = 2500. */
const n = 2500;
const uniform = (d: number, seed: number) => {
  const random = new Random(seed);
  return matrixOf(n, d, () => random.uniform());
};
const manifolds: Record<string, (seed: number) => number[][]> = {
  sphere10(seed) {
    const random = new Random(seed);
    return matrixOf(n, 11, () => random.gaussian()).map((row) => {
      const length = Math.hypot(...row);
      return row.map((value) => value / length);
    });
  },
  helix1: (seed) =>
    uniform(1, seed).map(([u]) => {
      const t = 2 * Math.PI * u!;
      const radius = 2 + Math.cos(8 * t);
      return [radius * Math.cos(t), radius * Math.sin(t), Math.sin(8 * t)];
    }),
  swissRoll: (seed) =>
    uniform(2, seed).map(([u, v]) => {
      const t = 1.5 * Math.PI * (1 + 2 * u!);
      return [t * Math.cos(t), 21 * v!, t * Math.sin(t)];
    }),
  sCurve: (seed) =>
    uniform(2, seed).map(([u, v]) => {
      const t = 3 * Math.PI * (u! - 0.5);
      return [Math.sin(t), 2 * v!, Math.sign(t) * (Math.cos(t) - 1)];
    }),
  cube5: (seed) => uniform(5, seed),
  affine20: (seed) => uniform(20, seed),
};

// Mean and standard deviation over seeds (FORMULAS §2); one seed must lie within four.
test.each([
  ['twonn', 'sphere10', 9.26, 0.21],
  ['twonn', 'helix1', 1.0, 0.02],
  ['twonn', 'swissRoll', 1.98, 0.05],
  ['twonn', 'sCurve', 1.98, 0.05],
  ['twonn', 'cube5', 4.79, 0.19],
  ['twonn', 'affine20', 15.4, 0.42],
  ['mle', 'sphere10', 9.02, 0.04],
  ['mle', 'cube5', 4.51, 0.02],
  ['mle', 'affine20', 14.47, 0.07],
])('%s of %s is %f ± %f', async (estimator, manifold, mean, sd) => {
  const outcome = await estimate(manifolds[manifold]!(1), { estimator }, Float32Array);
  expect(Math.abs(dimensionOf(outcome) - mean)).toBeLessThan(4 * sd);
  const high = mean > 2 * Math.log10(n);
  expect(outcome.warnings.some((warning) => warning.includes('too low'))).toBe(high);
});

describe('invariances', () => {
  const check = (change: (x: Rows, seed: number) => Rows) =>
    fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 8, max: 40 }),
        fc.integer({ min: 2, max: 6 }),
        fc.constantFrom('twonn', 'mle'),
        fc.nat(1e6),
        async (points, d, estimator, seed) => {
          const x = gaussianRows(points, d, seed);
          const params = { estimator, k: 5 };
          const [before, after] = [
            await estimate(x, params),
            await estimate(change(x, seed), params),
          ];
          expect(dimensionOf(after) / dimensionOf(before)).toBeCloseTo(1, 7);
        },
      ),
      { numRuns: 15, seed: 3 },
    );
  test('orthogonal transformation', () =>
    check((x, seed) => multiply(x, orthogonal(x[0]!.length, seed))));
  test('isotropic scaling', () => check((x) => x.map((row) => row.map((value) => value / 50))));
  test('translation', () => check((x) => x.map((row) => row.map((value) => value - 9))));
  test('permutation of the samples', () => check((x, seed) => shuffled(x, seed)));
  test('but squashing a unit lowers it', async () => {
    const cube = manifolds['cube5']!(2);
    const flat = cube.map((row) => row.map((value, j) => (j < 3 ? value / 1e4 : value)));
    expect(dimensionOf(await estimate(flat))).toBeLessThan(2.3);
  });
});

test('an offset of 1000 costs float32 rows nothing', async () => {
  const rows = gaussianRows(300, 6, 4).map((row) => row.map((v) => Math.fround(v + 1000)));
  const [narrow, wide] = [await estimate(rows, {}, Float32Array), await estimate(rows)];
  expect(dimensionOf(narrow)).toBe(dimensionOf(wide));
});

describe('copies', () => {
  test('are dropped and counted', async () => {
    const rows = gaussianRows(100, 3, 5);
    const doubled = [...rows, rows[0]!, rows[0]!, rows[1]!];
    const outcome = await estimate(doubled);
    expect(outcome.values['dropped']).toBe(5);
    expect(outcome.warnings.join()).toMatch(/x: 5 of 103 samples equal another one/);
    expect(dimensionOf(outcome)).toBeGreaterThan(2);
    const mle = await estimate(doubled, { estimator: 'mle' });
    const perPoint = mle.values['perPoint'] as (number | null)[];
    expect(perPoint.flatMap((value, at) => (value === null ? [at] : []))).toEqual([
      0, 1, 100, 101, 102,
    ]);
  });

  test('only: null with a warning', async () => {
    const outcome = await estimate(matrixOf(20, 2, () => 3));
    expect(outcome.values).toMatchObject({ dimension: null, dropped: 20 });
    expect(outcome.warnings).toEqual([expect.stringMatching(/every unit is constant/)]);
  });

  test('a lattice, whose nearest distances are all equal', async () => {
    const outcome = await estimate(matrixOf(20, 1, (i) => i));
    expect(outcome.values).toMatchObject({ dimension: null, dropped: 0 });
    expect(outcome.warnings.join()).toMatch(/do not differ/);
  });

  test('pairs of copies leave nothing to measure', async () => {
    const rows = gaussianRows(10, 3, 6);
    const outcome = await estimate([...rows, ...rows]);
    expect(outcome.values).toMatchObject({ dimension: null, dropped: 20 });
    expect(outcome.warnings.join()).toMatch(/dimension is null/);
  });
});

describe('interval', () => {
  test('covers the dimension of a plane about as often as it says', async () => {
    let covered = 0;
    for (let seed = 0; seed < 20; seed++) {
      // A torus: flat, without an edge that would bias the estimate.
      const random = new Random(seed);
      const rows = Array.from({ length: 400 }, () => {
        const [u, v] = [2 * Math.PI * random.uniform(), 2 * Math.PI * random.uniform()];
        return [Math.cos(u), Math.sin(u), Math.cos(v), Math.sin(v)];
      });
      const { interval } = await estimate(rows, { bootstrap: 100 });
      const [low, high] = [interval!.low as number, interval!.high as number];
      expect(low).toBeLessThan(high);
      if (low <= 2 && high >= 2) covered++;
    }
    expect(covered).toBeGreaterThanOrEqual(16);
  });

  test('is reproducible, for mle too, and an array over layers', async () => {
    const layers = { a: gaussianRows(120, 3, 7), b: gaussianRows(120, 4, 8) };
    const once = () =>
      run('intrinsic-dim', [model('m', layers)], {
        estimator: 'mle',
        k: 4,
        bootstrap: 30,
        seed: 5,
      });
    const [first, second] = [await once(), await once()];
    expect(first.interval).toEqual(second.interval);
    expect(first.interval).toMatchObject({ level: 0.95, bootstrap: 30 });
    expect(first.interval!.low).toHaveLength(2);
    expect(first.views[0]).toMatchObject({ kind: 'line', x: { values: ['a', 'b'] } });
  });

  test('needs halves with enough neighbours', async () => {
    const outcome = await estimate(gaussianRows(24, 3, 9), {
      estimator: 'mle',
      k: 15,
      bootstrap: 5,
    });
    expect(outcome.interval).toMatchObject({ low: null, high: null });
  });
});

test('one matrix shows the fit, or the estimates at samples', async () => {
  const [twonn, mle] = [await estimate(ball), await estimate(ball, { estimator: 'mle' })];
  const [scatter] = twonn.views;
  if (scatter?.kind !== 'scatter') throw new Error('no scatter');
  // ⌊30·0.9⌋ samples, and a line from the origin with the slope found.
  expect(scatter.series[0]!.points).toHaveLength(27);
  const [, end] = scatter.series[1]!.points;
  expect(end![1]! / end![0]!).toBeCloseTo(dimensionOf(twonn), 12);
  const [histogram] = mle.views;
  if (histogram?.kind !== 'histogram') throw new Error('no histogram');
  expect(histogram.counts.reduce((a, b) => a + b, 0)).toBe(30);
});

describe('what cannot be measured', () => {
  test('too few samples for the estimator', async () => {
    await expect(estimate(ball.slice(0, 3))).rejects.toMatchObject({ code: 'too-few-samples' });
    const error: unknown = await estimate(ball, { estimator: 'mle', k: 30 }).catch(
      (reason: unknown) => reason,
    );
    expect(error).toBeInstanceOf(UserError);
    expect((error as UserError).message).toMatch(/x: has 30 samples, and each needs 30 neighbours/);
  });

  test('infinite values', async () => {
    const broken = ball.map((row, i) => (i === 2 ? row.with(1, -Infinity) : row));
    await expect(estimate(broken)).rejects.toMatchObject({ code: 'non-finite' });
  });

  test('cancelling stops it', async () => {
    let calls = 0;
    const stop = () => (++calls > 2 ? Promise.reject(new Cancelled()) : Promise.resolve());
    const work = run('intrinsic-dim', [plain('x', ball)], {}, stop);
    await expect(work).rejects.toBeInstanceOf(Cancelled);
    expect(calls).toBe(3);
  });
});
