import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ascending, meanRanks } from './ranks.ts';
import { gaussianRows } from './test-support.ts';

const sorted = (values: readonly number[]) =>
  values.map((_, index) => index).sort((a, b) => values[a]! - values[b]! || a - b);

test('orders any numbers as a comparing sort does, equal ones by index', async () => {
  const number = fc.oneof(
    fc.double({ noNaN: true, noDefaultInfinity: true }),
    fc.integer({ min: -3, max: 3 }),
    fc.float({ noNaN: true, noDefaultInfinity: true }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(number, { maxLength: 60 }), async (values) => {
      expect(Array.from(await ascending(Float64Array.from(values)))).toEqual(sorted(values));
    }),
    { numRuns: 200 },
  );
});

test('orders numbers that float32 does not tell apart', async () => {
  const values = Array.from({ length: 500 }, (_, i) => 1e6 + ((i * 37) % 100) * 1e-6);
  values.push(1e300, -1e300, 2e300, -2e300);
  expect(Array.from(await ascending(Float64Array.from(values)))).toEqual(sorted(values));
});

test('zeros of both signs are equal', async () => {
  expect(Array.from(await ascending(Float64Array.of(0, -0, -1, 0)))).toEqual([2, 0, 1, 3]);
});

test('equal values share the mean of their ranks', async () => {
  const values = Float64Array.of(30, 10, 20, 10, 30, 30);
  const ranks = meanRanks(values, await ascending(values));
  expect(Array.from(ranks)).toEqual([5, 1.5, 3, 1.5, 5, 5]);
});

/** By definition: how many are smaller, and half of the others that are equal. */
const expected = (values: Float64Array) =>
  values.map(
    (value) =>
      1 +
      values.filter((other) => other < value).length +
      (values.filter((other) => other === value).length - 1) / 2,
  );

const ranksOf = async (values: Float64Array) => meanRanks(values, await ascending(values));

test('ranks by hand', async () => {
  expect(Array.from(await ranksOf(Float64Array.of(3, 1, 3, -2, 3)))).toEqual([4, 2, 4, 1, 4]);
  expect(await ranksOf(new Float64Array(0))).toEqual(new Float64Array(0));
  expect(Array.from(await ranksOf(Float64Array.of(0, -0)))).toEqual([1.5, 1.5]);
});

test('ranks of few values and many, of every size and sign, with ties', async () => {
  const value = fc.oneof(
    fc.constantFrom(0, -0, 1, -1, 1e-308, -1e308, 5e-324, Infinity, -Infinity),
    fc.double({ noNaN: true }),
    fc.integer({ min: -3, max: 3 }),
  );
  const list = fc.array(value, { minLength: 1, maxLength: 40 });
  await fc.assert(
    fc.asyncProperty(list, fc.constantFrom(1, 30), async (values, times) => {
      const all = Float64Array.from({ length: values.length * times }, (_, at) => {
        return values[(at * 7) % values.length]!;
      });
      expect(await ranksOf(all)).toEqual(expected(all));
    }),
    { numRuns: 40 },
  );
});

test.each([
  ['values that differ in their last digits only', 30, 1e-12],
  ['many different values', 50, 1],
])('ranks of %s', async (_, size, scale) => {
  const values = Float64Array.from(
    gaussianRows(size, size, 9).flat(),
    (value) => (scale < 1 ? 1 : 0) + value * scale,
  );
  expect(await ranksOf(values)).toEqual(expected(values));
});
