import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ranks } from './ranks.ts';
import { fixtureMatrix } from './test-support.ts';

/** By definition: how many are smaller, and half of the others that are equal. */
const expected = (values: Float64Array) =>
  values.map(
    (value) =>
      1 +
      values.filter((other) => other < value).length +
      (values.filter((other) => other === value).length - 1) / 2,
  );

test('by hand', () => {
  expect(Array.from(ranks(Float64Array.of(3, 1, 3, -2, 3)))).toEqual([4, 2, 4, 1, 4]);
  expect(ranks(new Float64Array(0))).toEqual(new Float64Array(0));
  expect(Array.from(ranks(Float64Array.of(0, -0)))).toEqual([1.5, 1.5]);
});

test('few values and many, of every size and sign, with ties', () => {
  const value = fc.oneof(
    fc.constantFrom(0, -0, 1, -1, 1e-308, -1e308, 5e-324, Infinity, -Infinity),
    fc.double({ noNaN: true }),
    fc.integer({ min: -3, max: 3 }),
  );
  const list = fc.array(value, { minLength: 1, maxLength: 40 });
  fc.assert(
    fc.property(list, fc.constantFrom(1, 30), (values, times) => {
      const all = Float64Array.from({ length: values.length * times }, (_, at) => {
        return values[(at * 7) % values.length]!;
      });
      expect(ranks(all)).toEqual(expected(all));
    }),
    { numRuns: 40 },
  );
});

test('values that differ in their last digits only', () => {
  const values = fixtureMatrix(30, 30, 9).map((value) => 1 + value * 1e-12);
  expect(ranks(values)).toEqual(expected(values));
});

test('many different values', () => {
  const values = fixtureMatrix(50, 50, 9);
  expect(ranks(values)).toEqual(expected(values));
});
