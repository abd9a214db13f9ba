import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Cancelled, UserError } from '../../errors.ts';
import {
  cpuEngine,
  formulaFixture,
  gaussianRows,
  layer,
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
import { momentEigenvalues } from './second-moment.ts';
import {
  effectiveRank,
  entropy,
  participationRatio,
  powerLaw,
  rankMe,
} from './spectrum-measures.ts';

const ball = formulaFixture('hyperball_n30_d5_seed0.json') as Rows;
const { X } = formulaFixture('kornblith_seed1337_100x10.json') as { X: Rows };
type Expected = Record<string, number> & { eigenvalues: number[] };
const reference = (formulaFixture('reference.json') as { spectrum: Record<string, unknown> })
  .spectrum as Record<string, Expected>;

const scalars = [
  'participationRatio',
  'effectiveRank',
  'rankMe',
  'stableRank',
  'vonNeumann',
  'alpha',
  'alphaR2',
];
const spectrumOf = (rows: Rows, params = {}, type?: typeof Float32Array) =>
  run('spectrum', [plain('x', rows, type)], params);
const valueOf = (outcome: Ran, key: string) => outcome.values[key] as number;
const eigenvaluesOf = (outcome: Ran) => outcome.values['eigenvalues'] as number[];

/** Rows whose covariance has exactly these eigenvalues: orthogonal columns that add up to zero. */
function withSpectrum(eigenvalues: readonly number[]): number[][] {
  const n = 2 * eigenvalues.length;
  return matrixOf(n, eigenvalues.length, (i, j) =>
    Math.floor(i / 2) === j ? (i % 2 === 0 ? 1 : -1) * Math.sqrt((eigenvalues[j]! * n) / 2) : 0,
  );
}

test('scikit-dimension’s golden participation ratio', async () => {
  expect(valueOf(await spectrumOf(ball), 'participationRatio')).toBeCloseTo(4.387876415881794, 12);
});

const cases: [string, Rows, Record<string, unknown>][] = [
  ['hyperball', ball, {}],
  ['hyperballUncentred', ball, { center: false }],
  ['kornblith', X, {}],
];
describe.each(cases)('%s against NumPy’s singular values', (name, rows, params) => {
  const expected = reference[name]!;
  test.each([
    ['float64', 1e-9, undefined],
    ['float32', 1e-4, Float32Array],
  ] as const)('%s to %f', async (_, tolerance, type) => {
    const outcome = await spectrumOf(rows, params, type);
    for (const key of scalars) {
      expect(Math.abs(valueOf(outcome, key) / expected[key]! - 1), key).toBeLessThan(tolerance);
    }
    for (const [index, value] of eigenvaluesOf(outcome).entries()) {
      expect(Math.abs(value / expected.eigenvalues[index]! - 1)).toBeLessThan(tolerance);
    }
  });
});

describe('power laws', () => {
  const law = Array.from({ length: 40 }, (_, i) => (i + 1) ** -1.5);
  test.each(['', '1,40', '[3, 17]', '20,21'])(
    'i^−1.5 has alpha 1.5 over window "%s"',
    async (window) => {
      const outcome = await spectrumOf(withSpectrum(law), { window });
      expect(valueOf(outcome, 'alpha')).toBeCloseTo(1.5, 9);
      expect(valueOf(outcome, 'alphaR2')).toBeCloseTo(1, 9);
    },
  );

  test('a bent spectrum has the slope of its window', () => {
    const bent = Float64Array.from({ length: 100 }, (_, i) => (i < 10 ? 1 : ((i + 1) / 10) ** -2));
    expect(powerLaw(bent, [1, 10]).alpha).toBeCloseTo(0, 12);
    expect(powerLaw(bent, [11, 100]).alpha).toBeCloseTo(2, 12);
    expect(powerLaw(bent, [1, 100]).r2).toBeLessThan(0.98);
  });

  test.each(['1', '5,2', '0,4', 'a,b', '1.5,3'])('window "%s" is refused', async (window) => {
    await expect(spectrumOf(X, { window })).rejects.toMatchObject({ code: 'usage' });
  });

  test('a window past the rank ends there, with a warning', async () => {
    const outcome = await spectrumOf(withSpectrum(law), { window: '1,99' });
    expect(valueOf(outcome, 'alpha')).toBeCloseTo(1.5, 9);
    expect(outcome.warnings.join()).toMatch(/ends at rank 40/);
  });
});

describe('dimensions', () => {
  test.each([1, 2, 7])('%d equal directions count as that many', async (k) => {
    // Columns of zero mean, so that centring changes nothing; rank k of 9 units.
    const rows = withSpectrum(Array<number>(k).fill(3)).map((row) => [
      ...row,
      ...Array<number>(9 - k).fill(0),
    ]);
    const outcome = await spectrumOf(rows.length < 4 ? [...rows, ...rows] : rows);
    for (const key of ['participationRatio', 'effectiveRank', 'stableRank']) {
      expect(valueOf(outcome, key), key).toBeCloseTo(k, 8);
    }
    // RankMe's 1e-7 adds to every share.
    expect(valueOf(outcome, 'rankMe')).toBeCloseTo(k, 3);
    expect(valueOf(outcome, 'vonNeumann')).toBeCloseTo(Math.log(k), 8);
  });

  test('RankMe of k equal singular values is k', () => {
    expect(rankMe(new Float64Array(12).fill(2))).toBeCloseTo(12, 3);
  });

  test('rank is bounded by samples, and that is said', async () => {
    const outcome = await spectrumOf(gaussianRows(10, 30, 1));
    expect(eigenvaluesOf(outcome)).toHaveLength(10);
    expect(eigenvaluesOf(outcome)[9]).toBe(0);
    expect(outcome.warnings.join()).toMatch(/10 samples for 30 units: the rank is at most 9/);
  });

  test('more samples than units and fewer give the same spectrum', async () => {
    // 60 × 90 goes through XXᵀ; its transpose, not centred, through XᵀX.
    const rows = gaussianRows(60, 90, 2);
    const turned = matrixOf(90, 60, (i, j) => rows[j]![i]!);
    const [wide, tall] = [
      await spectrumOf(rows, { center: false }),
      await spectrumOf(turned, { center: false }),
    ];
    for (const [index, value] of eigenvaluesOf(wide).entries()) {
      expect((eigenvaluesOf(tall)[index]! * 90) / 60 / value).toBeCloseTo(1, 9);
    }
  });

  test('several panels of units give what the samples’ Gram matrix gives', async () => {
    const rows = matrixOf(1100, 1040, (i, j) => Math.sin(i * (j + 1)));
    const turned = matrixOf(1040, 1100, (i, j) => rows[j]![i]!);
    const noStep = () => Promise.resolve();
    const engine = await cpuEngine();
    const panels = await momentEigenvalues(engine, layer('x', rows), noStep);
    const grams = await momentEigenvalues(engine, layer('y', turned), noStep);
    for (const [index, value] of panels.entries()) {
      expect(Math.abs(value - (grams[index]! * 1040) / 1100)).toBeLessThan(1e-11 * panels[0]!);
    }
  });
});

describe('invariances', () => {
  const check = (
    change: (x: Rows, seed: number) => Rows,
    keys: readonly string[],
    verdict: (before: number, after: number) => void,
  ) =>
    fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 5, max: 20 }),
        fc.integer({ min: 2, max: 8 }),
        fc.nat(1e6),
        async (n, d, seed) => {
          const x = gaussianRows(n, d, seed);
          const [before, after] = [await spectrumOf(x), await spectrumOf(change(x, seed))];
          for (const key of keys) verdict(valueOf(before, key), valueOf(after, key));
        },
      ),
      { numRuns: 15, seed: 2 },
    );
  const same = (before: number, after: number) => expect(after).toBeCloseTo(before, 7);
  const moving = ['rankMe', 'vonNeumann'];

  test('orthogonal transformation', () =>
    check((x, seed) => multiply(x, orthogonal(x[0]!.length, seed)), scalars, same));
  test('isotropic scaling', () =>
    check((x) => x.map((row) => row.map((value) => 30 * value)), scalars, same));
  test('permutation of the samples', () => check((x, seed) => shuffled(x, seed), scalars, same));
  test('translation, but for rankMe and vonNeumann', () =>
    check(
      (x) => x.map((row) => row.map((value) => value + 5)),
      scalars.filter((key) => !moving.includes(key)),
      same,
    ));
  test('rankMe and vonNeumann see the mean', () =>
    check(
      (x) => x.map((row) => row.map((value) => value + 50)),
      moving,
      (before, after) => expect(after).toBeLessThan(before),
    ));
  test('stretching one unit changes the participation ratio', async () => {
    const stretched = X.map((row) => row.map((value, j) => (j === 0 ? 10 * value : value)));
    expect(valueOf(await spectrumOf(stretched), 'participationRatio')).toBeLessThan(2);
    expect(valueOf(await spectrumOf(X), 'participationRatio')).toBeGreaterThan(8);
  });
});

test('layers give arrays, a profile and one curve each', async () => {
  const outcome = await run('spectrum', [model('m', { a: X, b: gaussianRows(100, 4, 3) })]);
  expect(outcome.values['alpha']).toHaveLength(2);
  expect((outcome.values['eigenvalues'] as number[][]).map((list) => list.length)).toEqual([10, 4]);
  expect((outcome.values['participationRatio'] as number[])[0]).toBeCloseTo(
    reference['kornblith']!['participationRatio']!,
    9,
  );
  const curves = outcome.views.find((view) => view.kind === 'line');
  expect(curves?.series.map(({ name }) => name)).toEqual(['a', 'b']);
  expect(outcome.views.map(({ kind }) => kind)).toEqual(['line', 'line', 'line', 'table']);
});

test('long spectra are thinned out for the plot', async () => {
  const outcome = await spectrumOf(gaussianRows(450, 400, 4));
  const [curves] = outcome.views;
  if (curves?.kind !== 'line') throw new Error('no curve');
  expect(curves.x.values.length).toBeLessThanOrEqual(200);
  expect(curves.x.values.at(0)).toBe(1);
  expect(curves.x.values.at(-1)).toBe(400);
});

test('an offset of 1000 costs float32 rows nothing', async () => {
  const rows = X.map((row) => row.map((value) => Math.fround(Math.fround(value) + 1000)));
  const [narrow, wide] = [await spectrumOf(rows, {}, Float32Array), await spectrumOf(rows)];
  for (const key of scalars) expect(valueOf(narrow, key)).toBeCloseTo(valueOf(wide, key), 9);
});

describe('what cannot be measured', () => {
  test('a constant representation', async () => {
    const outcome = await spectrumOf(matrixOf(20, 3, (_, j) => j + 0.1));
    expect(eigenvaluesOf(outcome)).toEqual([0, 0, 0]);
    for (const key of scalars) {
      if (key === 'vonNeumann') expect(outcome.values[key]).toBeCloseTo(0, 9);
      else expect(outcome.values[key], key).toBeNull();
    }
    expect(outcome.warnings.join()).toMatch(/every unit is constant/);
  });

  test('units that are constant are named', async () => {
    const rows = X.map((row) => [...row, 7, 0]);
    expect((await spectrumOf(rows)).warnings).toEqual([
      'units that are constant over the samples: x 2 of 12',
    ]);
  });

  test('rows of zeros have no direction', async () => {
    const outcome = await spectrumOf([...X, X[0]!.map(() => 0)]);
    expect(outcome.warnings.join()).toMatch(/1 rows of zeros are left out of vonNeumann/);
    expect(valueOf(outcome, 'vonNeumann')).toBeCloseTo(reference['kornblith']!['vonNeumann']!, 9);
  });

  test('too few samples, and NaN', async () => {
    await expect(spectrumOf(X.slice(0, 3))).rejects.toMatchObject({ code: 'too-few-samples' });
    const broken = X.map((row, i) => (i === 8 ? row.with(0, NaN) : row));
    const error: unknown = await spectrumOf(broken).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(UserError);
    expect((error as UserError).message).toMatch(/^x: row 8 holds NaN in column 0/);
  });

  test('cancelling stops it', async () => {
    let calls = 0;
    const stop = () => (++calls > 2 ? Promise.reject(new Cancelled()) : Promise.resolve());
    const work = run('spectrum', [plain('x', X)], {}, stop);
    await expect(work).rejects.toBeInstanceOf(Cancelled);
    expect(calls).toBe(3);
  });
});

describe('power laws over 512 units', () => {
  // λ_i = i^−a: exponential entropies of σ and of λ, and the participation ratio, exactly.
  test.each([
    [0.5, 491.73, 409.55, 281.65],
    [1, 409.55, 117.23, 28.28],
    [1.5, 260.59, 16.95, 5.3],
    [2, 117.23, 5.06, 2.49],
  ])('of exponent %f', (a, singular, eigen, participation) => {
    const law = Float64Array.from({ length: 512 }, (_, i) => (i + 1) ** -a);
    expect(effectiveRank(law)).toBeCloseTo(singular, 2);
    expect(Math.exp(entropy(law))).toBeCloseTo(eigen, 2);
    expect(participationRatio(law)).toBeCloseTo(participation, 2);
    expect(powerLaw(law, [1, 512]).alpha).toBeCloseTo(a, 12);
  });

  const drawn = (n: number, a: number) =>
    gaussianRows(n, 512, 5).map((row) => row.map((value, j) => value * (j + 1) ** (-a / 2)));
  test.each([
    [0.5, 0.92],
    [1, 1.31],
    [1.5, 1.77],
  ])('exponent %f from 1,024 samples: all ranks bend it to %f', async (a, biased) => {
    const all = await spectrumOf(drawn(1024, a), {}, Float32Array);
    expect(Math.abs(valueOf(all, 'alpha') - biased)).toBeLessThan(0.05);
    const { alpha } = powerLaw(Float64Array.from(eigenvaluesOf(all)), [3, 100]);
    expect(Math.abs(alpha - a)).toBeLessThan(0.16);
  });
});

test('entropy of unit-length rows: log 32 for 32 even directions, log 4 for rank 4', async () => {
  const even = await spectrumOf(gaussianRows(20_000, 32, 6), {}, Float32Array);
  expect(valueOf(even, 'vonNeumann')).toBeCloseTo(3.465, 3);
  const four = matrixOf(40, 9, (i, j) => (i % 4 === j ? 2 + i : 0));
  expect(valueOf(await spectrumOf(four), 'vonNeumann')).toBeCloseTo(Math.log(4), 12);
});

test('one layer shows the fitted line over its window', async () => {
  const law = Array.from({ length: 40 }, (_, i) => 7 * (i + 1) ** -1.5);
  const [view] = (await spectrumOf(withSpectrum(law), { window: '4,20' })).views;
  if (view?.kind !== 'line') throw new Error('no curve');
  const [curve, line] = view.series;
  expect(line!.name).toBe('α = 1.50, ranks 4–20');
  line!.values.forEach((value, i) => {
    if (i < 3 || i > 19) expect(value).toBeNull();
    else expect(value! / curve!.values[i]!).toBeCloseTo(1, 9);
  });
});
