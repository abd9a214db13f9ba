import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  formulaFixture,
  gaussianRows,
  model,
  multiply,
  orthogonal,
  plain,
  run,
  shuffled,
  type Rows,
} from '../test-support.ts';
import { cca } from './cca.ts';
import { fixture } from './pair-fixture.ts';
import { shape } from './shape.ts';

const { x, y, wide } = fixture;
const compare = (a: Rows, b: Rows, params: Record<string, unknown> = {}) =>
  run(cca, [plain('a', a), plain('b', b)], params);

describe('values', () => {
  test.each([
    ['all', x, y, {}],
    ['reversed', y, x, {}],
    ['svcca', x, y, { variance: 0.9 }],
    ['wide', x, wide, { variance: 0.8 }],
  ] as const)('agree with NumPy: %s', async (name, a, b, params) => {
    const { values } = await compare(a, b, params);
    const expected = fixture.cca[name];
    expect(values['ranks']).toEqual(expected.ranks);
    for (const key of ['meanRho', 'r2', 'pwcca'] as const) {
      expect(values[key], key).toBeCloseTo(expected[key], 9);
    }
    (values['rho'] as number[]).forEach((rho, at) => expect(rho).toBeCloseTo(expected.rho[at]!, 9));
  });

  test('the Kornblith demo', async () => {
    const { X, Y } = formulaFixture('kornblith_seed1337_100x10.json') as { X: Rows; Y: Rows };
    // Of centred columns; the demo prints 0.5431238559 for uncentred ones.
    expect((await compare(X, Y)).values['r2']).toBeCloseTo(0.5453963322, 9);
  });

  test('directions near the tolerance are kept or dropped as it says', async () => {
    // Five directions of lengths 1, 1e-3, 1e-6, 1e-8 and 1e-12, turned.
    const base = gaussianRows(60, 5, 1);
    const scales = [1, 1e-3, 1e-6, 1e-8, 1e-12];
    const turned = multiply(
      base.map((row) => row.map((value, j) => value * scales[j]!)),
      orthogonal(5, 2),
    );
    const ranks = async (tolerance: number) =>
      ((await compare(turned, base, { tolerance })).values['ranks'] as number[])[0];
    expect(await ranks(1e-10)).toBe(4);
    expect(await ranks(1e-7)).toBe(3);
    const { values } = await compare(turned, base);
    // What is left of the lost direction is not in the span of the other four.
    expect((values['rho'] as number[]).length).toBe(4);
    for (const rho of values['rho'] as number[]) expect(rho).toBeCloseTo(1, 5);
  });

  test('a duplicated unit adds no rank', async () => {
    const doubled = x.map((row) => [...row, row[0]!]);
    const { values } = await compare(doubled, y);
    expect(values['ranks']).toEqual([5, 7]);
    expect(values['meanRho']).toBeCloseTo(fixture.cca.all.meanRho, 8);
  });

  test('the mean correlation is the cosine of the whitened shape distance', async () => {
    const other = y.map((row) => row.slice(0, 5));
    const angle = (await run(shape, [plain('x', x), plain('o', other)], { alpha: 0 })).values;
    const { values } = await compare(x, other);
    expect(Math.cos(angle['angular'] as number)).toBeCloseTo(values['meanRho'] as number, 8);
  });
});

describe('invariances', () => {
  test('invertible linear maps, translation and order', () =>
    fc.assert(
      fc.asyncProperty(fc.nat(1e6), async (seed) => {
        const map = gaussianRows(5, 5, seed);
        const moved = multiply(x, map).map((row) => row.map((value, j) => value - 3 * j));
        const { values } = await compare(shuffled(moved, seed), shuffled(y, seed));
        expect(values['meanRho']).toBeCloseTo(fixture.cca.all.meanRho, 6);
        expect(values['r2']).toBeCloseTo(fixture.cca.all.r2, 6);
      }),
      { numRuns: 8, seed: 1 },
    ));

  test('but pwcca is neither symmetric nor invariant', async () => {
    const other = y.map((row) => row.slice(0, 5));
    const [forward, backward] = [await compare(x, other), await compare(other, x)];
    expect(backward.values['meanRho']).toBeCloseTo(forward.values['meanRho'] as number, 9);
    expect(
      Math.abs((backward.values['pwcca'] as number) - (forward.values['pwcca'] as number)),
    ).toBeGreaterThan(1e-3);
    // A matrix of layers has both.
    const layers = await run(cca, [model('m', { x, other })]);
    const pwcca = layers.values['pwcca'] as number[][];
    expect(pwcca[0]![1]).toBeCloseTo(forward.values['pwcca'] as number, 9);
    expect(pwcca[1]![0]).toBeCloseTo(backward.values['pwcca'] as number, 9);
  });
});

describe('few samples', () => {
  test('as many dimensions as samples are warned of', async () => {
    const { values, warnings } = await compare(wide, gaussianRows(40, 50, 3));
    expect(values['meanRho']).toBeCloseTo(1, 6);
    expect(warnings.join()).toMatch(/40 samples span 39 dimensions at most, so that every/);
  });

  test('independent data have r2 of max(rank)/(n − 1), and are told so', async () => {
    const draws = await Promise.all(
      Array.from({ length: 20 }, (_, at) =>
        compare(gaussianRows(60, 12, 2 * at), gaussianRows(60, 6, 2 * at + 1)),
      ),
    );
    const mean = draws.reduce((sum, { values }) => sum + (values['r2'] as number) / 20, 0);
    expect(mean).toBeCloseTo(12 / 59, 1);
    expect(draws[0]!.warnings.join()).toMatch(/r2 of independent data would be about 0\.20 here/);
  });

  test('SVCCA of noise with fewer samples than units is near 1, and told so', async () => {
    const [a, b] = [gaussianRows(64, 128, 1), gaussianRows(64, 128, 2)];
    const { values, warnings } = await compare(a, b, { variance: 0.99 });
    expect(values['meanRho']).toBeCloseTo(0.95, 1);
    expect(warnings.join()).toMatch(/r2 of independent data would be about 0\.9/);
  });

  test('no warning where samples are many', async () => {
    expect((await compare(gaussianRows(300, 4, 1), gaussianRows(300, 5, 2))).warnings).toEqual([]);
  });

  test('a constant side has no correlation', async () => {
    const { values, warnings } = await compare(
      x,
      x.map(() => [3, 1]),
      { bootstrap: 2, permutations: 2 },
    );
    expect(values['meanRho']).toBeNull();
    expect(values['ranks']).toEqual([5, 0]);
    expect(warnings.join()).toMatch(/^b: every unit is constant/);
  });
});

test('null and interval', async () => {
  const outcome = await compare(x, y, { permutations: 99, bootstrap: 60 });
  expect(outcome.null!.p).toBe(0.01);
  const { meanRho } = fixture.cca.all;
  expect(outcome.interval!.low as number).toBeLessThan(meanRho);
  expect(outcome.interval!.high as number).toBeGreaterThan(meanRho);
  expect(outcome.views.map(({ title }) => title)).toEqual([
    'mean canonical correlation',
    'Canonical correlations',
  ]);
});
