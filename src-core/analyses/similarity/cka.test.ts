import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Cancelled, UserError } from '../../errors.ts';
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

const { X, Y } = formulaFixture('kornblith_seed1337_100x10.json') as { X: Rows; Y: Rows };
const reference = (formulaFixture('reference.json') as { cka: Record<string, number> }).cka;

const ckaOf = (outcome: Ran) => outcome.values['cka'] as number;
const compare = async (x: Rows, y: Rows, params: Record<string, unknown> = {}) =>
  ckaOf(await run('cka', [plain('x', x), plain('y', y)], params));

const relative = (actual: number, expected: number) => Math.abs(actual / expected - 1);

describe('the Kornblith demo', () => {
  // Printed by the demo notebook of Kornblith et al. for these matrices.
  const printed: [string, Record<string, unknown>, number][] = [
    ['linear.biased', { estimator: 'biased' }, 0.5576132566],
    ['linear.debiased', {}, 0.5134564895],
    ['rbf.biased', { kernel: 'rbf', estimator: 'biased' }, 0.6548311823],
  ];
  test.each(printed)('%s as printed', async (_, params, value) => {
    expect(await compare(X, Y, params)).toBeCloseTo(value, 9);
  });

  const cases: [string, Record<string, unknown>][] = [
    ['linear.biased', { estimator: 'biased' }],
    ['linear.debiased', {}],
    ['rbf.biased', { kernel: 'rbf', estimator: 'biased' }],
    ['rbf.debiased', { kernel: 'rbf' }],
    ['rbf1.biased', { kernel: 'rbf', bandwidth: 1, estimator: 'biased' }],
    ['linear.debiased.batch20', { batch: 20 }],
    ['linear.biased.batch30', { batch: 30, estimator: 'biased' }],
    ['rbf.debiased.batch25', { batch: 25, kernel: 'rbf' }],
  ];
  test.each(cases)('%s agrees with NumPy to 1e-9 in float64', async (name, params) => {
    expect(relative(await compare(X, Y, params), reference[name]!)).toBeLessThan(1e-9);
  });

  test.each(cases)('%s agrees with NumPy to 1e-4 in float32', async (name, params) => {
    const sides = [plain('x', X, Float32Array), plain('y', Y, Float32Array)];
    const value = ckaOf(await run('cka', sides, params));
    expect(relative(value, reference[name]!)).toBeLessThan(1e-4);
  });

  test('mixed precisions are compared in the wider one', async () => {
    const sides = [plain('x', X, Float32Array), plain('y', Y, Float64Array)];
    expect(ckaOf(await run('cka', sides))).toBeCloseTo(reference['linear.debiased']!, 5);
  });
});

describe('bias', () => {
  test('debiased CKA of independent data is near zero where the biased one is near one', async () => {
    const [x, y] = [gaussianRows(100, 1000, 1), gaussianRows(100, 1000, 2)];
    expect(Math.abs(await compare(x, y))).toBeLessThan(0.02);
    // p/(p + n) = 0.909.
    const outcome = await run('cka', [plain('x', x), plain('y', y)], { estimator: 'biased' });
    expect(ckaOf(outcome)).toBeCloseTo(1000 / 1100, 2);
    expect(outcome.warnings.join()).toMatch(/independent data would be about 0\.91/);
  });

  test('no warning where samples are many', async () => {
    const outcome = await run('cka', [plain('x', X), plain('y', Y)], { estimator: 'biased' });
    expect(outcome.warnings).toEqual([]);
  });

  test('debiased values below zero stay below zero', async () => {
    const seeds = Array.from({ length: 8 }, (_, seed) => seed);
    const values = await Promise.all(
      seeds.map((seed) => compare(gaussianRows(20, 30, seed), gaussianRows(20, 30, 100 + seed))),
    );
    expect(Math.min(...values)).toBeLessThan(0);
  });
});

describe('an offset of 1000', () => {
  const offset = (rows: Rows) =>
    rows.map((row) => row.map((value) => Math.fround(Math.fround(value) + 1000)));
  test.each(['linear', 'rbf'])('costs the %s kernel in float32 nothing', async (kernel) => {
    const [x, y] = [offset(X), offset(Y)];
    const narrow = [plain('x', x, Float32Array), plain('y', y, Float32Array)];
    const value = ckaOf(await run('cka', narrow, { kernel }));
    expect(Math.abs(value - (await compare(x, y, { kernel })))).toBeLessThan(1e-5);
  });
});

describe('invariances', () => {
  const shape = fc.record({
    n: fc.integer({ min: 6, max: 24 }),
    p: fc.integer({ min: 2, max: 6 }),
    q: fc.integer({ min: 2, max: 6 }),
    seed: fc.nat(1e6),
    kernel: fc.constantFrom('linear', 'rbf'),
    estimator: fc.constantFrom('debiased', 'biased'),
  });
  const check = (
    change: (x: Rows, y: Rows, seed: number) => [Rows, Rows],
    verdict: (before: number, after: number) => void,
  ) =>
    fc.assert(
      fc.asyncProperty(shape, async ({ n, p, q, seed, kernel, estimator }) => {
        const x = gaussianRows(n, p, seed);
        const y = matrixOf(
          n,
          q,
          (i, j) => x[i]![j % p]! ** 2 + gaussianRows(n, q, seed + 1)[i]![j]!,
        );
        const params = { kernel, estimator };
        verdict(await compare(x, y, params), await compare(...change(x, y, seed), params));
      }),
      { numRuns: 20, seed: 1 },
    );
  const same = (before: number, after: number) => expect(after).toBeCloseTo(before, 8);

  test('orthogonal transformation', () =>
    check((x, y, seed) => [multiply(x, orthogonal(x[0]!.length, seed)), y], same));
  test('isotropic scaling', () =>
    check((x, y) => [x, y.map((row) => row.map((value) => -7.5 * value))], same));
  test('translation', () =>
    check((x, y) => [x.map((row) => row.map((value, j) => value + 40 * (j + 1))), y], same));
  test('one permutation of both sides’ samples', () =>
    check((x, y, seed) => [shuffled(x, seed), shuffled(y, seed)], same));
  test('exchange of sides', () => check((x, y) => [y, x], same));

  test('but not an invertible linear map', async () => {
    const scaled = X.map((row) => row.map((value, j) => (j === 0 ? 20 * value : value)));
    expect(await compare(X, scaled)).toBeLessThan(0.6);
  });
  test('nor a permutation of one side’s samples', async () => {
    expect(Math.abs(await compare(X, shuffled(Y, 3)))).toBeLessThan(0.1);
  });
});

describe('layers', () => {
  const layers = { a: X, b: Y, c: gaussianRows(100, 4, 5) };

  test('one model is compared with itself', async () => {
    const outcome = await run('cka', [model('m', layers)]);
    const matrix = outcome.values['cka'] as number[][];
    expect(matrix.map((row, i) => row[i])).toEqual([1, 1, 1]);
    expect(matrix[0]![1]).toBeCloseTo(reference['linear.debiased']!, 12);
    expect(matrix).toEqual(matrix[0]!.map((_, j) => matrix.map((row) => row[j])));
    expect(outcome.views[0]).toMatchObject({
      kind: 'heatmap',
      x: { values: ['a', 'b', 'c'] },
      z: matrix,
      range: [0, 1],
    });
  });

  test('two models give rows of the first by columns of the second', async () => {
    const { a, b, c } = layers;
    const outcome = await run('cka', [model('m', { a, c }), model('n', { b, a, c })]);
    const matrix = outcome.values['cka'] as number[][];
    expect(matrix.map((row) => row.length)).toEqual([3, 3]);
    expect(matrix[0]![0]).toBeCloseTo(reference['linear.debiased']!, 12);
    expect(matrix[0]![1]).toBeCloseTo(1, 12);
    expect(matrix[1]![2]).toBeCloseTo(1, 12);
    expect(matrix[1]![0]).toBeCloseTo(await compare(c, b), 12);
  });

  test('a model and a matrix give a matrix and a profile', async () => {
    const outcome = await run('cka', [model('m', layers), plain('y', Y)]);
    expect((outcome.values['cka'] as number[][]).map((row) => row.length)).toEqual([1, 1, 1]);
    expect(outcome.views[0]).toMatchObject({ kind: 'line', x: { values: ['a', 'b', 'c'] } });
  });
});

describe('more than two inputs', () => {
  const variant = (at: number) =>
    X.map((row, i) => row.map((value, j) => value + at * Y[i]![j]! * ((at * j) % 3)));
  const [a, b, c, d, e] = [variant(0), variant(1), variant(2), variant(3), variant(4)];

  test('matrices give each with each', async () => {
    const outcome = await run('cka', [plain('a', a), plain('b', b), plain('c', c)]);
    const matrix = outcome.values['cka'] as number[][];
    expect(matrix[0]![1]).toBeCloseTo(await compare(a, b), 12);
    expect(matrix[2]![0]).toBeCloseTo(await compare(a, c), 12);
    expect(matrix[1]![2]).toBeCloseTo(await compare(b, c), 12);
    expect(matrix.map((row, i) => row[i])).toEqual([1, 1, 1]);
    expect(outcome.values).not.toHaveProperty('perLayer');
  });

  test('models give mean best matches, and every layer with every other', async () => {
    const sides = [model('m', { a, b }), model('n', { c, d }), plain('e', e)];
    const outcome = await run('cka', sides, { permutations: 19, bootstrap: 20 });
    const perLayer = outcome.values['perLayer'] as number[][];
    const all = [a, b, c, d, e];
    for (const [i, x] of all.entries()) {
      for (const [j, y] of all.entries()) {
        expect(perLayer[i]![j]).toBeCloseTo(i === j ? 1 : await compare(x, y), 10);
      }
    }
    const of = (i: number, j: number) => perLayer[i]![j]!;
    const forward = (Math.max(of(0, 2), of(0, 3)) + Math.max(of(1, 2), of(1, 3))) / 2;
    const backward = (Math.max(of(0, 2), of(1, 2)) + Math.max(of(0, 3), of(1, 3))) / 2;
    const matrix = outcome.values['cka'] as number[][];
    expect(matrix[0]![1]).toBeCloseTo((forward + backward) / 2, 12);
    expect(matrix[1]![0]).toBe(matrix[0]![1]);
    expect(matrix.map((row, i) => row[i])).toEqual([1, 1, 1]);
    for (const found of [outcome.null!.p, outcome.interval!.low] as number[][][]) {
      expect(found.map((row) => row.length)).toEqual([3, 3, 3]);
    }
    expect(outcome.views.map(({ title }) => title)).toEqual([
      'CKA of representations',
      'p of CKA of representations',
      'CKA',
      'CKA of layers',
    ]);
  });
});

describe('null and interval', () => {
  test('independent data are inside the null, alike data outside', async () => {
    const params = { permutations: 99, seed: 4 };
    const alike = await run('cka', [plain('x', X), plain('y', Y)], params);
    expect(alike.null).toMatchObject({ p: 0.01, permutations: 99 });
    expect(Math.abs(alike.null!.mean as number)).toBeLessThan(0.02);
    const other = await run('cka', [plain('x', X), plain('y', gaussianRows(100, 10, 9))], params);
    expect(other.null!.p as number).toBeGreaterThan(0.05);
  });

  test('the interval lies around the estimate and narrows with samples', async () => {
    const width = async (n: number) => {
      const x = gaussianRows(n, 5, 1);
      const noise = gaussianRows(n, 5, 2);
      const y = x.map((row, i) => row.map((value, j) => value + noise[i]![j]!));
      const outcome = await run('cka', [plain('x', x), plain('y', y)], { bootstrap: 300 });
      const [low, high] = [outcome.interval!.low as number, outcome.interval!.high as number];
      expect(low).toBeLessThan(ckaOf(outcome));
      expect(high).toBeGreaterThan(ckaOf(outcome));
      return high - low;
    };
    // Four times the samples, half the width.
    const ratio = (await width(200)) / (await width(800));
    expect(ratio).toBeGreaterThan(1.6);
    expect(ratio).toBeLessThan(2.5);
  });

  test('the same seed gives the same draws, another seed others', async () => {
    const once = (seed: number) =>
      run('cka', [plain('x', X), plain('y', Y)], { permutations: 20, bootstrap: 20, seed });
    const [a, b, c] = [await once(1), await once(1), await once(2)];
    expect([a.null, a.interval]).toEqual([b.null, b.interval]);
    expect(a.null).not.toEqual(c.null);
    expect(a.interval).not.toEqual(c.interval);
  });

  test('of layers are matrices', async () => {
    const layers = { a: X, b: Y };
    const params = { permutations: 19, bootstrap: 20, batch: 25 };
    const outcome = await run('cka', [model('m', layers)], params);
    expect(outcome.null!.p).toEqual([
      [0.05, 0.05],
      [0.05, 0.05],
    ]);
    expect((outcome.interval!.low as number[][])[0]![0]).toBe(1);
    expect(outcome.views.at(-1)).toMatchObject({ kind: 'table' });
  });
});

describe('what cannot be measured', () => {
  const fails = async (work: Promise<unknown>) => {
    const error: unknown = await work.then(
      () => undefined,
      (reason: unknown) => reason,
    );
    expect(error).toBeInstanceOf(UserError);
    return error as UserError;
  };

  test('fewer than four samples', async () => {
    const error = await fails(compare(X.slice(0, 3), Y.slice(0, 3)));
    expect(error.code).toBe('too-few-samples');
    expect(error.message).toMatch(/^x: has 3 samples, and at least 4/);
  });

  test('different numbers of samples', async () => {
    const error = await fails(compare(X, Y.slice(1)));
    expect(error.code).toBe('wrong-shape');
    expect(error.message).toMatch(/x and y: have 100 and 99 rows/);
  });

  test.each([NaN, Infinity])('%s, with layer and row', async (bad) => {
    const broken = X.map((row, i) => (i === 41 ? row.with(3, bad) : row));
    const error = await fails(compare(broken, Y));
    expect(error.code).toBe('non-finite');
    expect(error.message).toMatch(`x: row 41 holds ${bad} in column 3`);
  });

  test('a matrix without a partner', async () => {
    expect((await fails(run('cka', [plain('x', X)]))).code).toBe('usage');
  });

  test('a constant representation is null with a warning', async () => {
    const constant = matrixOf(100, 3, (_, j) => j + 0.1);
    for (const kernel of ['linear', 'rbf']) {
      const outcome = await run('cka', [plain('x', X), plain('flat', constant)], { kernel });
      expect(outcome.values['cka']).toBeNull();
      expect(outcome.warnings).toEqual([expect.stringMatching(/^flat: every unit is constant/)]);
    }
  });

  test('an RBF kernel where most samples are copies is null with a warning', async () => {
    const copies = matrixOf(100, 2, (i) => (i < 90 ? 1 : i));
    const outcome = await run('cka', [plain('x', X), plain('copies', copies)], { kernel: 'rbf' });
    expect(outcome.values['cka']).toBeNull();
    expect(outcome.warnings.join()).toMatch(/^copies: its HSIC with itself/);
  });

  test('permutations over the memory bound', async () => {
    const tall = plain(
      'tall',
      matrixOf(12_000, 1, (i) => i % 7),
    );
    const error = await fails(run('cka', [tall, tall], { permutations: 1 }));
    expect(error.code).toBe('memory');
    expect(error.message).toMatch(
      /2 kernel matrices of 12000 × 12000: need 2\.15 GiB, and the bound is 1 GiB/,
    );
  });
});

test('cancelling stops it, and the engine still serves', async () => {
  let calls = 0;
  const stop = () => {
    calls++;
    return calls === 4 ? Promise.reject(new Cancelled()) : Promise.resolve();
  };
  const sides = [plain('x', X), plain('y', Y)];
  await expect(run('cka', sides, { kernel: 'rbf' }, stop)).rejects.toBeInstanceOf(Cancelled);
  expect(calls).toBe(4);
  expect(await compare(X, Y)).toBeCloseTo(reference['linear.debiased']!, 9);
});

test('progress runs from 0 to 1 and never back', async () => {
  const { steps } = await run('cka', [plain('x', X), plain('y', Y)], {
    kernel: 'rbf',
    batch: 25,
    permutations: 10,
  });
  expect(steps).toEqual([...steps].sort((a, b) => a - b));
  expect(steps.at(-1)).toBeCloseTo(1, 6);
});
