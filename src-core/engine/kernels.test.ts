import { beforeAll, describe, expect, test } from 'vitest';
import { createEngine, listDevices, type Engine } from './device-engine.ts';
import {
  cross,
  CrossSum,
  distances,
  dots,
  gram,
  gramInto,
  lengthsInto,
  nearest,
  radialInto,
  squaredNorms,
  weightedForms,
} from './kernels.ts';

// Every device there is must give what the definitions give.
const devices = (await listDevices()).filter(({ available }) => available);

/** rows × columns numbers of no pattern; multiples of 1/8, so that float32 sums are exact. */
const matrix = (rows: number, columns: number, phase: number) =>
  Array.from({ length: rows * columns }, (_, at) => Math.round(16 * Math.sin(at * 7 + phase)) / 8);
const close = (actual: Float32Array | Float64Array, expected: number[]) => {
  expect(actual).toHaveLength(expected.length);
  expected.forEach((value, at) => expect(actual[at]).toBeCloseTo(value, 10));
};
const table = (rows: number, columns: number, value: (i: number, j: number) => number) =>
  Array.from({ length: rows * columns }, (_, at) => value(Math.floor(at / columns), at % columns));
const sum = (n: number, value: (k: number) => number) =>
  Array.from({ length: n }, (_, k) => value(k)).reduce((a, b) => a + b, 0);

describe.each(devices)('$name', ({ name }) => {
  let engine: Engine;
  beforeAll(async () => {
    engine = await createEngine(name);
  });

  describe.each([
    ['float32', Float32Array],
    ['float64', Float64Array],
  ] as const)('%s', (_, type) => {
    const a = matrix(5, 3, 1);
    const b = matrix(4, 3, 2);
    const squared = (i: number, j: number) => sum(3, (k) => (a[i * 3 + k]! - b[j * 3 + k]!) ** 2);

    test('cross is AᵀB', async () => {
      const c = matrix(5, 2, 3);
      const product = await cross(engine, 5, type.from(a), type.from(c));
      close(
        product,
        table(3, 2, (i, j) => sum(5, (k) => a[k * 3 + i]! * c[k * 2 + j]!)),
      );
    });

    test('gram is ABᵀ', async () => {
      const product = await gram(engine, 3, type.from(a), type.from(b));
      close(
        product,
        table(5, 4, (i, j) => sum(3, (k) => a[i * 3 + k]! * b[j * 3 + k]!)),
      );
    });

    test('distances are squared and never negative', async () => {
      close(await distances(engine, 3, type.from(a), type.from(b)), table(5, 4, squared));
      const far = type.from(a.map((value) => value + 1000.1));
      for (const value of await distances(engine, 3, far, far))
        expect(value).toBeGreaterThanOrEqual(0);
    });

    test('kernels written to an array of ours are what they say, in its type', async () => {
      const [x, y] = [type.from(a), type.from(b)];
      for (const Target of [Float32Array, Float64Array]) {
        const target = new Target(20);
        await gramInto(engine, 3, x, y, target);
        close(target, Array.from(await gram(engine, 3, x, y)));
        await lengthsInto(engine, 3, x, y, target);
        table(5, 4, squared).forEach((value, at) => {
          expect(target[at]).toBeCloseTo(Math.sqrt(value), 5);
        });
        await radialInto(engine, 3, 0.05, x, y, target);
        table(5, 4, squared).forEach((value, at) => {
          expect(target[at]).toBeCloseTo(Math.exp(-0.05 * value), 6);
        });
      }
    });

    test('squared norms of rows', async () => {
      close(
        await squaredNorms(engine, 3, type.from(a)),
        table(5, 1, (i) => sum(3, (k) => a[i * 3 + k]! ** 2)),
      );
    });

    test('an uploaded matrix serves several kernels, until it is disposed of', async () => {
      const uploaded = await engine.upload(type.from(a), 3);
      expect([uploaded.rows, uploaded.columns]).toEqual([5, 3]);
      close(await distances(engine, 3, uploaded, type.from(b)), table(5, 4, squared));
      const itself = await gram(engine, 3, uploaded, uploaded);
      close(itself, Array.from(await gram(engine, 3, type.from(a), type.from(a))));
      uploaded.dispose();
      await expect(gram(engine, 3, uploaded, uploaded)).rejects.toThrow(/disposed/);
    });

    test.each([
      ['in one panel', 7],
      ['in panels, the last of them narrower', 530],
    ])('sums of products over blocks of rows, %s', async (_, p) => {
      const [x, y] = [type.from(matrix(11, p, 3)), type.from(matrix(11, 4, 4))];
      const itself = new CrossSum(engine, p);
      const both = new CrossSum(engine, p, 4);
      for (const [start, end] of [
        [0, 6],
        [6, 11],
      ] as const) {
        await itself.add(end - start, x.slice(start * p, end * p));
        const block = await engine.upload(x.slice(start * p, end * p), p);
        await both.add(end - start, block, y.slice(start * 4, end * 4));
      }
      const norm = (values: Float64Array) => values.reduce((total, value) => total + value ** 2, 0);
      const wide = Float64Array.from(x);
      const expected = norm(await cross(engine, 11, wide, wide));
      expect(itself.squaredNorm() / expected).toBeCloseTo(1, 12);
      const expectedBoth = norm(await cross(engine, 11, wide, Float64Array.from(y)));
      expect(both.squaredNorm() / expectedBoth).toBeCloseTo(1, 12);
    });

    test('nearest lists the k smallest in order', async () => {
      const found = await nearest(engine, 3, type.from(a), type.from(b), 3);
      for (let i = 0; i < 5; i++) {
        const order = [0, 1, 2, 3]
          .sort((p, q) => squared(i, p) - squared(i, q) || p - q)
          .slice(0, 3);
        expect(Array.from(found.indices.subarray(3 * i, 3 * i + 3), Number)).toEqual(order);
        close(
          found.distances.slice(3 * i, 3 * i + 3),
          order.map((j) => squared(i, j)),
        );
      }
    });
  });

  test('cross of two types is as good as the wider one', async () => {
    const wide = Float64Array.of(1 + 1e-12, 0, 0, 1);
    const product = await cross(engine, 2, wide, Float32Array.of(1, 0, 0, 1));
    expect(Array.from(product)).toEqual([1 + 1e-12, 0, 0, 1]);
  });

  test('dots of p with q vectors', async () => {
    const [a, b] = [matrix(2, 6, 4), matrix(3, 6, 5)];
    const products = await dots(engine, 6, Float64Array.from(a), Float64Array.from(b));
    close(
      products,
      table(2, 3, (i, j) => sum(6, (k) => a[i * 6 + k]! * b[j * 6 + k]!)),
    );
  });

  test('weighted forms', async () => {
    const [m, n] = [Float64Array.from(matrix(3, 4, 6)), Float64Array.from(matrix(3, 4, 7))];
    const [a, b] = [Float64Array.from(matrix(3, 2, 8)), Float64Array.from(matrix(4, 2, 9))];
    const { down, up } = await weightedForms.products(engine, 2, m, a, b);
    close(
      down,
      table(3, 2, (i, k) => sum(4, (j) => m[i * 4 + j]! * b[j * 2 + k]!)),
    );
    close(
      up,
      table(4, 2, (j, k) => sum(3, (i) => m[i * 4 + j]! * a[i * 2 + k]!)),
    );
    const forms = await weightedForms.pair(engine, 2, m, n, a, b);
    const form = (p: number, q: number) =>
      [0, 1].map((k) =>
        sum(12, (at) => {
          const [i, j] = [Math.floor(at / 4), at % 4];
          return a[i * 2 + k]! ** p * m[at]! * n[at]! * b[j * 2 + k]! ** q;
        }),
      );
    close(forms.plain, form(1, 1));
    close(
      forms.mixed,
      form(1, 2).map((value, k) => value + form(2, 1)[k]!),
    );
    close(forms.squared, form(2, 2));
  });
});
