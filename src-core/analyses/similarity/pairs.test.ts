import { describe, expect, test } from 'vitest';
import { UserError } from '../../errors.ts';
import { viewSchema } from '../../results/schema.ts';
import type { AnalysisContext, Side } from '../definition.ts';
import { context, gaussianRows, model, plain, type Rows } from '../test-support.ts';
import { comparePairs, type DrawSettings, type PairMeasure } from './pairs.ts';

interface Kept {
  values: Float64Array;
}

/** The sum of products of first units; `gap` is signed, so that mirrored cells differ. */
const product: PairMeasure<Kept> = {
  key: 'product',
  name: 'product',
  leastSamples: 2,
  bytes: ({ n }) => 8 * n,
  async prepare(rows) {
    const block = await rows.uncentred('float64').rows(0, rows.n);
    return { values: Float64Array.from({ length: rows.n }, (_, i) => block[i * rows.d]!) };
  },
  compare: ({ values: a }, { values: b }) => {
    const product = a.reduce((sum, value, i) => sum + value * b[i]!, 0);
    return [
      { product, gap: a[0]! - b[0]!, firsts: [a[0]!, b[0]!] },
      { product, gap: b[0]! - a[0]!, firsts: [b[0]!, a[0]!] },
    ];
  },
  permute: ({ values }, order) => ({ values: Float64Array.from(order, (at) => values[at]!) }),
  resample: ({ values }, samples) => ({ values: Float64Array.from(samples, (at) => values[at]!) }),
};

const compare = async (
  sides: readonly Side[],
  settings: DrawSettings = {},
  measure: PairMeasure<Kept> = product,
  changes: Partial<AnalysisContext> = {},
) => {
  const outcome = await comparePairs(sides, measure, settings, await context(changes));
  for (const view of outcome.views) expect(() => viewSchema.parse(view)).not.toThrow();
  return outcome;
};

const column = (...values: number[]): Rows => values.map((value) => [value]);
const [a, b, c] = [column(1, 2), column(3, 5), column(-1, 7)];

describe('values', () => {
  test('two matrices give numbers and a table', async () => {
    const { values, views } = await compare([plain('a', a), plain('b', b)]);
    expect(values).toEqual({ product: 13, gap: -2, firsts: [1, 3] });
    expect(views).toEqual([
      {
        kind: 'table',
        title: 'product',
        columns: ['first', 'second', 'product'],
        rows: [['a', 'b', 13]],
      },
    ]);
  });

  test('one model gives a matrix with itself, mirrored', async () => {
    const { values, views } = await compare([model('m', { a, b, c })]);
    expect(values).toEqual({
      product: [
        [5, 13, 13],
        [13, 34, 32],
        [13, 32, 50],
      ],
      gap: [
        [0, -2, 2],
        [2, 0, 4],
        [-2, -4, 0],
      ],
      firsts: [
        [
          [1, 1],
          [1, 3],
          [1, -1],
        ],
        [
          [3, 1],
          [3, 3],
          [3, -1],
        ],
        [
          [-1, 1],
          [-1, 3],
          [-1, -1],
        ],
      ],
    });
    expect(views).toMatchObject([{ kind: 'heatmap', title: 'product of layers' }]);
  });

  test('two models give rows of the first and columns of the second', async () => {
    const { values } = await compare([model('m', { a, c }), model('n', { b })]);
    expect(values['product']).toEqual([[13], [32]]);
    expect(values['gap']).toEqual([[-2], [-4]]);
  });

  test('of a directed measure, null and interval have their directions too', async () => {
    const directed: PairMeasure<Kept> = {
      ...product,
      compare: ({ values: x }, { values: y }) => [
        { product: x[0]! + 10 * y[1]! },
        { product: y[0]! + 10 * x[1]! },
      ],
    };
    const constant = { a: column(1, 1), b: column(2, 2) };
    const settings = { permutations: 3, bootstrap: 3 };
    const {
      values,
      null: chance,
      interval,
    } = await compare([model('m', constant)], settings, directed);
    const expected = [
      [11, 21],
      [12, 22],
    ];
    expect(values['product']).toEqual(expected);
    expect(chance!.mean).toEqual(expected);
    expect(interval!.low).toEqual(expected);
  });

  test('the label of a warning names the model where there are two', async () => {
    const warnings: string[] = [];
    const flat = column(2, 2);
    await compare([model('m', { a }), model('n', { a: flat })], {}, product, {
      warn: (message) => void warnings.push(message),
    });
    expect(warnings).toEqual([expect.stringMatching(/^n a: every unit is constant/)]);
  });
});

describe('more than two sides', () => {
  test('of matrices, everything is sides × sides', async () => {
    const { values, views } = await compare([plain('a', a), plain('b', b), plain('c', c)]);
    expect(values['product']).toEqual([
      [5, 13, 13],
      [13, 34, 32],
      [13, 32, 50],
    ]);
    expect((values['firsts'] as number[][][])[0]![1]).toEqual([1, 3]);
    expect(values).not.toHaveProperty('perLayer');
    expect(views).toMatchObject([
      { kind: 'heatmap', title: 'product of representations', x: { values: ['a', 'b', 'c'] } },
    ]);
  });

  const models = [model('m', { a, b }), model('n', { b, c }), plain('c', c)];

  test('of models, the main value is the mean best match of layers in both directions', async () => {
    const { values } = await compare(models);
    // m's layers with n's: [13, 13] and [34, 32]. Forward (13 + 34)/2, backward (34 + 32)/2.
    const between = (23.5 + 33) / 2;
    // m with itself: [5, 13] and [13, 34].
    const own = (13 + 34) / 2;
    // m with c: [13] and [32]: forward 22.5, backward 32.
    expect(values['product']).toEqual([
      [own, between, (22.5 + 32) / 2],
      [between, (34 + 50) / 2, (41 + 50) / 2],
      [(22.5 + 32) / 2, (41 + 50) / 2, 50],
    ]);
    expect(values).not.toHaveProperty('firsts');
    // At those matches: a–b, b–b forward; b–b, b–c backward.
    expect((values['gap'] as number[][])[0]![1]).toBe((-2 + 0) / 2 / 2 + (0 + 4) / 2 / 2);
  });

  test('a distance is matched by its smallest values', async () => {
    const { values } = await compare(models, {}, { ...product, distance: true });
    // Forward (13 + 32)/2, backward (13 + 13)/2.
    expect((values['product'] as number[][])[0]![1]).toBe((22.5 + 13) / 2);
  });

  test('the layers are beside them', async () => {
    const { values, views } = await compare(models);
    expect(values['layers']).toEqual([
      { model: 'm', layer: 'a' },
      { model: 'm', layer: 'b' },
      { model: 'n', layer: 'b' },
      { model: 'n', layer: 'c' },
      { model: 'c', layer: 'c' },
    ]);
    expect((values['perLayer'] as number[][])[1]).toEqual([13, 34, 34, 32, 32]);
    expect(views.at(-1)).toMatchObject({
      title: 'product of layers',
      y: { values: ['m a', 'm b', 'n b', 'n c', 'c'] },
    });
  });

  test('null and interval are those of the best matches', async () => {
    const sides = ['x', 'y', 'z'].map((name, at) =>
      model(name, { p: gaussianRows(40, 1, 2 * at), q: gaussianRows(40, 1, 2 * at + 1) }),
    );
    const outcome = await compare(sides, { permutations: 200, bootstrap: 10 });
    const { mean, p } = outcome.null as { mean: number[][]; p: number[][] };
    // The best of two of independent data is above their mean, which is zero.
    expect(mean[0]![1]).toBeGreaterThan(1);
    expect(p[0]![1]).toBeGreaterThan(0.02);
    expect(mean[1]![0]).toBe(mean[0]![1]);
    expect((outcome.interval!.low as number[][]).length).toBe(3);
  });
});

describe('views of draws', () => {
  const three = model('m', { a, b, c });

  test('a null over layers has a picture of p, and a table of one half', async () => {
    const { views } = await compare([three], { permutations: 4 });
    expect(views.map(({ kind, title }) => [kind, title])).toEqual([
      ['heatmap', 'product of layers'],
      ['heatmap', 'p of product of layers'],
      ['table', 'product'],
    ]);
    expect(views[1]).toMatchObject({ unit: 'p', range: [0, 1] });
    expect((views[2] as { rows: unknown[] }).rows.length).toBe(6);
  });

  test('of a directed measure the table has both directions', async () => {
    const directed: PairMeasure<Kept> = {
      ...product,
      compare: ({ values: p }, { values: q }) => [{ product: p[0]! }, { product: q[0]! }],
    };
    const { views } = await compare([three], { permutations: 4 }, directed);
    expect((views[2] as { rows: unknown[] }).rows.length).toBe(9);
  });

  test('of many layers there is no table', async () => {
    const many = Object.fromEntries(Array.from({ length: 21 }, (_, at) => [`l${at}`, a]));
    const { views } = await compare([model('m', many)], { permutations: 2 });
    expect(views.map(({ kind }) => kind)).toEqual(['heatmap', 'heatmap']);
  });
});

describe('null and interval', () => {
  const x = gaussianRows(60, 1, 1);
  const y = x.map(([value]) => [value! + 1]);
  const sides = [plain('x', x), plain('y', y)];

  test('are those of the main value', async () => {
    const {
      null: chance,
      interval,
      values,
    } = await compare(sides, {
      permutations: 99,
      bootstrap: 200,
    });
    expect(chance).toMatchObject({ p: 0.01, permutations: 99 });
    expect(interval!.low as number).toBeLessThan(values['product'] as number);
    expect(interval!.high as number).toBeGreaterThan(values['product'] as number);
  });

  test('p of a distance counts draws that are no larger', async () => {
    const outcome = await compare(sides, { permutations: 99 }, { ...product, distance: true });
    expect(outcome.null!.p).toBe(1);
  });

  test('a cheaper score gives the same draws', async () => {
    const scored: PairMeasure<Kept> = {
      ...product,
      score: ({ values: p }, { values: q }) => p.reduce((sum, v, i) => sum + v * q[i]!, 0),
    };
    const settings = { permutations: 20, bootstrap: 20, seed: 3 };
    const [one, other] = [await compare(sides, settings), await compare(sides, settings, scored)];
    expect([other.null, other.interval]).toEqual([one.null, one.interval]);
  });

  test('halves are different samples in order, and every half has the same number', async () => {
    const drawn: number[][] = [];
    const halved: PairMeasure<Kept> = {
      ...product,
      draws: 'halves',
      resample(layer, samples) {
        drawn.push(Array.from(samples));
        return product.resample!(layer, samples, () => Promise.resolve());
      },
    };
    const { interval } = await compare(sides, { bootstrap: 20 }, halved);
    expect(interval!.bootstrap).toBe(20);
    // Both layers of each draw.
    expect(drawn.length).toBe(40);
    for (const samples of drawn) {
      expect(samples.length).toBe(30);
      expect(samples).toEqual([...new Set(samples)].sort((p, q) => p - q));
    }
    expect(drawn[0]).toEqual(drawn[1]);
    expect(drawn[0]).not.toEqual(drawn[2]);
  });

  test('a bounded value has a bounded interval around it', async () => {
    const bounded: PairMeasure<Kept> = { ...product, range: [0, 70] };
    const { values, interval } = await compare(sides, { bootstrap: 500 }, bounded);
    expect(values['product'] as number).toBeLessThan(70);
    expect(interval!.high).toBe(70);
  });

  test('every pair has the same draws, however many layers memory holds', async () => {
    const layers = Object.fromEntries(
      Array.from({ length: 5 }, (_, at) => [`l${at}`, gaussianRows(50, 2, at)]),
    );
    const settings = { permutations: 5, bootstrap: 5 };
    for (const sides of [
      [model('m', layers)],
      [model('m', layers), model('n', { x: gaussianRows(50, 1, 9), y: gaussianRows(50, 1, 8) })],
    ]) {
      let prepared = 0;
      const counting: PairMeasure<Kept> = {
        ...product,
        prepare(rows, layer, step) {
          prepared++;
          return product.prepare(rows, layer, step);
        },
      };
      const whole = await compare(sides, settings, counting);
      const layerCount = sides.length === 1 ? 5 : 7;
      expect(prepared).toBe(layerCount);
      // Two layers of rows and two of columns, each with a copy for draws.
      const tight = { memoryLimit: 8 * 50 * 8 };
      const blocked = await compare(sides, settings, counting, tight);
      expect(blocked).toEqual(whole);
      expect(prepared).toBeGreaterThan(2 * layerCount);
    }
  });

  test('less memory than two layers need is refused with the figure', async () => {
    const refused = await compare(sides, {}, product, { memoryLimit: 900 }).catch(
      (error: unknown) => error as UserError,
    );
    expect(refused).toBeInstanceOf(UserError);
    expect(refused).toMatchObject({ code: 'memory' });
    expect((refused as UserError).message).toMatch(/two layers of 60 samples: need 960 B/);
  });
});

test('progress runs from 0 to 1 and never back', async () => {
  const steps: number[] = [];
  const record = (fraction: number) => {
    steps.push(fraction);
    return Promise.resolve();
  };
  const layers = {
    a: gaussianRows(30, 2, 1),
    b: gaussianRows(30, 2, 2),
    c: gaussianRows(30, 2, 3),
  };
  const settings = { permutations: 3, bootstrap: 3 };
  await compare([model('m', layers)], settings, product, { step: record, memoryLimit: 2000 });
  expect(steps).toEqual(steps.toSorted((p, q) => p - q));
  expect(steps.at(-1)).toBeCloseTo(1, 12);
});

test('a value that is not a number is null', async () => {
  const broken: PairMeasure<Kept> = { ...product, compare: () => ({ product: NaN }) };
  const { values, null: chance } = await compare(
    [plain('a', a), plain('b', b)],
    { permutations: 3 },
    broken,
  );
  expect(values).toEqual({ product: null });
  expect(chance).toMatchObject({ mean: null, p: null });
});
