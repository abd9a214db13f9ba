import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ascending, meanRanks } from './ranks.ts';

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
