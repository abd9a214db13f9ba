import fc from 'fast-check';
import { expect, test } from 'vitest';
import { assignment } from './assignment.ts';
import { fixtureMatrix, reference, shapeOf } from './test-support.ts';
import { transport } from './transport.ts';

function weights(n: number, seed: number): Float64Array {
  const values = fixtureMatrix(1, n, seed).map((value) => value + 0.5);
  const sum = values.reduce((total, value) => total + value, 0);
  return values.map((value) => value / sum);
}
const even = (n: number) => new Float64Array(n).fill(1 / n);

test.each(Object.keys(reference.transport))('as POT has it: %s', (shape) => {
  const [p, q] = shapeOf(shape);
  const cost = fixtureMatrix(p, q, 6).map((value) => value + 0.5);
  expect(transport(weights(p, 4), weights(q, 5), cost)).toBeCloseTo(
    reference.transport[shape]!,
    13,
  );
});

test('on a line the sorted order is best', () => {
  const n = 50;
  const [x, y] = [fixtureMatrix(1, n, 7), fixtureMatrix(1, n, 8)];
  const cost = Float64Array.from({ length: n * n }, (_, at) =>
    Math.abs(x[Math.floor(at / n)]! - y[at % n]!),
  );
  expect(transport(even(n), even(n), cost)).toBeCloseTo(reference.line, 14);
});

test('even weights: the cheapest assignment, ties and all', () => {
  const squares = fc
    .integer({ min: 1, max: 12 })
    .chain((n) =>
      fc.tuple(
        fc.constant(n),
        fc.array(fc.integer({ min: 0, max: 4 }), { minLength: n * n, maxLength: n * n }),
      ),
    );
  fc.assert(
    fc.property(squares, ([n, entries]) => {
      const cost = Float64Array.from(entries);
      const matched = assignment(cost, n, n);
      const least = matched.reduce((sum, column, row) => sum + cost[row * n + column]!, 0);
      expect(transport(even(n), even(n), cost)).toBeCloseTo(least / n, 12);
    }),
  );
});

test('turning the problem around and scaling it changes nothing', () => {
  const problem = fc.record({
    p: fc.integer({ min: 1, max: 15 }),
    q: fc.integer({ min: 1, max: 15 }),
    seed: fc.integer({ min: 1, max: 40 }),
  });
  fc.assert(
    fc.property(problem, ({ p, q, seed }) => {
      const [a, b] = [weights(p, seed), weights(q, seed + 50)];
      const cost = fixtureMatrix(p, q, seed + 100).map((value) => value + 0.5);
      const turned = Float64Array.from(
        { length: p * q },
        (_, at) => cost[(at % p) * q + Math.floor(at / p)]!,
      );
      const found = transport(a, b, cost);
      expect(transport(b, a, turned)).toBeCloseTo(found, 12);
      const triple = (values: Float64Array) => values.map((value) => 3 * value);
      expect(transport(triple(a), triple(b), triple(cost))).toBeCloseTo(9 * found, 11);
    }),
    { numRuns: 60 },
  );
});

test('weights of zero, one place, no weight at all', () => {
  const of = (...values: number[]) => Float64Array.from(values);
  expect(transport(of(0.5, 0, 0.5), of(0, 1), of(9, 1, 9, 9, 9, 3))).toBe(2);
  expect(transport(of(1), of(1), of(7))).toBe(7);
  expect(transport(of(0, 0), of(0), of(1, 1))).toBe(0);
});

test('refuses weights that do not match, negative ones and costs', () => {
  const of = (...values: number[]) => Float64Array.from(values);
  expect(() => transport(of(1), of(2), of(1))).toThrow(/differ in sum: 1 and 2/);
  expect(() => transport(of(-1, 2), of(1), of(1, 1))).toThrow(RangeError);
  expect(() => transport(of(1), of(1), of(NaN))).toThrow(RangeError);
});
