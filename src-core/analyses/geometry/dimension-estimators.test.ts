import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
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
  type Rows,
} from '../test-support.ts';
import { lpca } from './dimension-lpca.ts';

const ball = formulaFixture('hyperball_n30_d5_seed0.json') as Rows;
const reference = JSON.parse(
  readFileSync(new URL('../../../test/fixtures/geometry/dimension.json', import.meta.url), 'utf8'),
) as {
  gride: { scales: number[]; dimensions: number[] };
  local: { k: number; perPoint: number[] };
  lpca: Record<string, number>;
};

const estimate = (rows: Rows, params: Record<string, unknown>, type?: typeof Float32Array) =>
  run('intrinsic-dim', [plain('x', rows, type)], params);
const dimension = async (rows: Rows, params: Record<string, unknown> = {}) =>
  (await estimate(rows, params, Float32Array)).values['dimension'] as number;
const near = (value: number, expected: number, share: number) =>
  expect(Math.abs(value / expected - 1), `${value} for ${expected}`).toBeLessThan(share);

const cube = (n: number, d: number, seed = 1) => {
  const random = new Random(seed);
  return matrixOf(n, d, () => random.uniform());
};
/** d coordinates of 100 that a rotation mixes. */
const embedded = (rows: Rows) => multiply(rows, orthogonal(100, 2).slice(0, rows[0]!.length));
const swissRoll = (n: number) =>
  cube(n, 2, 7).map(([u, v]) => {
    const t = 1.5 * Math.PI * (1 + 2 * u!);
    return [t * Math.cos(t), 21 * v!, t * Math.sin(t)];
  });
const onSphere = (n: number, d: number) =>
  gaussianRows(n, d + 1, 3).map((row) => {
    const length = Math.hypot(...row);
    return row.map((value) => value / length);
  });

describe('twonn and mle of 5,000 points', () => {
  test.each([
    [2, 2.01, 1.98, 2.09],
    [5, 4.64, 4.6, 4.86],
    [10, 8.63, 8.29, 8.74],
    [20, 15.7, 14.7, 15.5],
  ])('in a cube of %i', async (d, twonn, harmonic, mean) => {
    const rows = cube(5000, d);
    near(await dimension(rows), twonn, 0.05);
    const { values } = await estimate(rows, { estimator: 'mle' }, Float32Array);
    near(values['dimension'] as number, harmonic, 0.05);
    near(values['mean'] as number, mean, 0.05);
  });
  test.each([
    [2, 1.95],
    [5, 5.03],
    [10, 9.66],
    [20, 17.5],
  ])('on a sphere of %i', async (d, expected) =>
    near(await dimension(onSphere(5000, d)), expected, 0.05),
  );
  test('on a swiss roll', async () => near(await dimension(swissRoll(5000)), 2.02, 0.05));
  test('copies do not pull it to zero', async () => {
    const rows = cube(2000, 3);
    const copied = rows.map((row, i) => (i < 200 ? rows[i + 1000]! : row));
    const outcome = await estimate(copied, {}, Float32Array);
    // Without the 200 copies 2.77; left in place they are nearest to others twice.
    expect(outcome.values['dropped']).toBe(400);
    near(outcome.values['dimension'] as number, 3, 0.12);
    expect(outcome.warnings.join()).toMatch(/raise the estimate/);
    near(await dimension(rows), 2.77, 0.1);
  });
});

describe('gride', () => {
  const valuesOf = async (rows: Rows, params = {}) => {
    const { values } = await estimate(rows, { estimator: 'gride', ...params });
    return values as { scales: number[]; dimensions: number[]; dimension: number };
  };

  test('maximises the likelihood, as SciPy does', async () => {
    const { scales, dimensions, dimension: plateau } = await valuesOf(ball);
    expect(scales).toEqual(reference.gride.scales);
    dimensions.forEach((value, i) => near(value, reference.gride.dimensions[i]!, 1e-7));
    // 3.83, 3.68 and 3.52 differ less than 4.93, 3.83 and 3.68.
    expect(plateau).toBe(dimensions[2]);
  });

  test('scale 1 is (N/Σ log μ), the maximum-likelihood form of twonn', async () => {
    const sorted = ball.map((a, i) =>
      ball
        .filter((_, j) => j !== i)
        .map((b) => Math.hypot(...a.map((value, c) => value - b[c]!)))
        .sort((x, y) => x - y),
    );
    const sum = sorted.reduce((total, [r1, r2]) => total + Math.log(r2! / r1!), 0);
    near((await valuesOf(ball)).dimensions[0]!, 30 / sum, 1e-12);
  });

  test.each([
    [2, [1.96]],
    [5, [4.91]],
    [10, [9.8, 9.3, 9.3]],
  ])('of %i coordinates among 100 units', async (d, expected) => {
    const { dimensions } = await valuesOf(embedded(gaussianRows(2000, d, 5)));
    expected.forEach((value, i) => near(dimensions[i]!, value, 0.06));
  });

  test('of a swiss roll: 2 until its sheets come near', async () => {
    const { scales, dimensions, dimension: plateau } = await valuesOf(swissRoll(2000));
    expect(scales).toEqual([1, 2, 4, 8, 16, 32, 64]);
    [1.95, 1.99, 1.97].forEach((value, i) => near(dimensions[2 * i]!, value, 0.05));
    expect(dimensions[6]! / dimensions[4]!).toBeGreaterThan(1.05);
    near(plateau, 2, 0.05);
  });

  test('neither a far point nor equal distances overflow', async () => {
    const far = [...gaussianRows(40, 3, 1), [1e6, 1e6, 1e6]];
    const outcome = await valuesOf(far);
    outcome.dimensions.forEach((value) => expect(value).toBeGreaterThan(0.5));
    // A ring: every point has each distance twice, so that r_1 = r_2.
    const ring = matrixOf(40, 2, (i, j) => Math.sin((2 * Math.PI * i) / 40 + (j * Math.PI) / 2));
    const { dimensions } = await valuesOf(ring);
    expect(dimensions.slice(1).every(Number.isFinite)).toBe(true);
  });

  test('layers have a curve each over scales, and an interval', async () => {
    const layers = { a: gaussianRows(60, 3, 7), b: gaussianRows(60, 4, 8) };
    const outcome = await run('intrinsic-dim', [model('m', layers)], {
      estimator: 'gride',
      bootstrap: 10,
    });
    expect(outcome.interval!.low).toHaveLength(2);
    expect(outcome.views.map(({ kind }) => kind)).toEqual(['line', 'line', 'table']);
    expect(outcome.views[1]).toMatchObject({ x: { values: [1, 2, 4, 8, 16] } });
  });
});

describe('lpca', () => {
  const rules = ['fo', 'maxgap', 'ratio', 'kaiser', 'broken-stick'];
  test.each(rules)('%s keeps as many as NumPy’s eigenvalues say', async (rule) => {
    const outcome = await estimate(ball, { estimator: 'lpca', rule });
    expect(outcome.values).toEqual({ dimension: reference.lpca[rule], dropped: 0 });
    expect(outcome.views[0]).toMatchObject({ kind: 'line', x: { name: 'rank' } });
  });
  test('the share of the variance can be chosen', async () => {
    const params = { estimator: 'lpca', rule: 'ratio', variance: 0.8 };
    expect(await dimension(ball, params)).toBe(reference.lpca['ratio80']);
  });

  test('rules of a known spectrum', () => {
    const spectrum = Float64Array.of(50, 30, 10, 5, 3, 2);
    const by = (rule: Parameters<typeof lpca>[1], share = 0.9) =>
      lpca(spectrum, rule, share).dimension;
    // 2 < 0.05·50; the mean is 16.7; shares of the stick .408, .242, …; gaps 1.67, 3, 2, 1.67, 1.5.
    expect(['fo', 'kaiser', 'broken-stick', 'maxgap'].map((rule) => by(rule as 'fo'))).toEqual([
      5, 2, 2, 2,
    ]);
    expect([0.5, 0.9, 0.95, 1].map((share) => by('ratio', share))).toEqual([1, 3, 4, 6]);
  });

  test.each(rules.filter((rule) => rule !== 'ratio'))(
    'three strong directions of twenty are three by %s',
    async (rule) => {
      const noise = gaussianRows(400, 20, 4);
      const rows = noise.map((row) => row.map((value, j) => (j < 3 ? 20 * value : value)));
      expect(await dimension(rows, { estimator: 'lpca', rule })).toBe(3);
    },
  );

  test('samples fewer than units, and no interval', async () => {
    const params = { estimator: 'lpca', rule: 'ratio', variance: 1, bootstrap: 5 };
    const outcome = await estimate(gaussianRows(8, 30, 1), params);
    expect(outcome.values['dimension']).toBe(7);
    expect(outcome.interval).toBeUndefined();
    expect(outcome.warnings.join()).toMatch(/span at most 7.*|no interval/);
  });

  test('constant units only: null', async () => {
    const outcome = await estimate(
      matrixOf(10, 3, () => 2),
      { estimator: 'lpca' },
    );
    expect(outcome.values['dimension']).toBeNull();
    expect(outcome.warnings.join()).toMatch(/every unit is constant/);
  });
});

describe('local', () => {
  test('is scikit-dimension’s TwoNN in each neighbourhood', async () => {
    const { k, perPoint } = reference.local;
    const { values } = await estimate(ball, { estimator: 'local', k, combine: 'mean' });
    (values['perPoint'] as number[]).forEach((value, i) => near(value, perPoint[i]!, 1e-9));
    const mean = perPoint.reduce((a, b) => a + b) / 30;
    near(values['dimension'] as number, mean, 1e-9);
    near(values['mean'] as number, mean, 1e-9);
    const variance = perPoint.reduce((sum, value) => sum + (value - mean) ** 2, 0) / 30;
    near(values['spread'] as number, Math.sqrt(variance), 1e-9);
  });

  test('of a plane among 100 units, by every way to combine', async () => {
    const rows = embedded(gaussianRows(600, 2, 9));
    for (const combine of ['harmonic', 'mean', 'median', 'geometric']) {
      near(await dimension(rows, { estimator: 'local', combine, k: 40 }), 2, 0.15);
    }
  });

  test('tells places of different dimension apart', async () => {
    const random = new Random(4);
    const line = matrixOf(100, 3, (_, j) => (j === 0 ? 10 + 5 * random.uniform() : 0));
    const ballRows = gaussianRows(200, 3, 2);
    const { values } = await estimate([...line, ...ballRows], { estimator: 'local' });
    const at = values['perPoint'] as number[];
    const mean = (list: number[]) => list.reduce((a, b) => a + b) / list.length;
    expect(mean(at.slice(0, 100))).toBeLessThan(1.5);
    expect(mean(at.slice(100))).toBeGreaterThan(2.2);
  });

  test('copies are dropped; a neighbourhood below five is refused', async () => {
    const rows = gaussianRows(60, 3, 5);
    const outcome = await estimate([...rows, rows[0]!], { estimator: 'local' });
    expect(outcome.values['dropped']).toBe(2);
    expect((outcome.values['perPoint'] as unknown[])[0]).toBeNull();
    await expect(estimate(rows, { estimator: 'local', k: 4 })).rejects.toThrow(/at least 5/);
  });
});

// LDReg: larger neighbourhoods reach the faces of the cube.
test('a cube of 10 at 1,500 points: 8.9 for 16 neighbours, 7.8 for 64', async () => {
  const rows = cube(1500, 10, 3);
  const of = (k: number) => dimension(rows, { estimator: 'mle', k, combine: 'geometric' });
  near(await of(16), 8.9, 0.06);
  near(await of(64), 7.8, 0.06);
});

// LDReg: many directions overall, one at each sample.
test('ten lines in 20 dimensions', async () => {
  const directions = gaussianRows(10, 20, 6);
  const random = new Random(8);
  const rows = Array.from({ length: 1500 }, (_, i) => {
    const t = random.gaussian();
    return directions[i % 10]!.map((value) => t * value);
  });
  const geometric = await dimension(rows, { estimator: 'mle', k: 16, combine: 'geometric' });
  expect(geometric).toBeGreaterThan(0.98);
  expect(geometric).toBeLessThan(1.2);
  expect(await dimension(rows, { estimator: 'lpca' })).toBeGreaterThan(7);
  const spectrum = await run('spectrum', [plain('x', rows)]);
  near(spectrum.values['effectiveRank'] as number, 7.5, 0.25);
  near(spectrum.values['participationRatio'] as number, 6.6, 0.25);
});
