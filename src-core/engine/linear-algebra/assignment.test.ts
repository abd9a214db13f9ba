import fc from 'fast-check';
import { expect, test } from 'vitest';
import { assignment } from './assignment.ts';
import { fixtureMatrix, reference, shapeOf } from './test-support.ts';

const total = (cost: Float64Array, columns: number, matched: Int32Array) =>
  matched.reduce((sum, column, row) => (column < 0 ? sum : sum + cost[row * columns + column]!), 0);

test.each(Object.keys(reference.assignment))('as SciPy has it: %s', (shape) => {
  const [m, n] = shapeOf(shape);
  const { rows, columns, cost } = reference.assignment[shape]!;
  const matched = assignment(fixtureMatrix(m, n, 3), m, n);
  const expected = new Int32Array(m).fill(-1);
  rows.forEach((row, at) => (expected[row] = columns[at]!));
  expect(matched).toEqual(expected);
  expect(total(fixtureMatrix(m, n, 3), n, matched)).toBeCloseTo(cost, 12);
});

/** The least cost over all ways, row by row. */
function least(cost: Float64Array, m: number, n: number, row = 0, used = 0): number {
  if (row === m) return 0;
  let best = Infinity;
  for (let column = 0; column < n; column++) {
    if ((used & (1 << column)) !== 0) continue;
    const rest = least(cost, m, n, row + 1, used | (1 << column));
    best = Math.min(best, cost[row * n + column]! + rest);
  }
  return best;
}

test('no other matching is cheaper, with ties and negative costs', () => {
  const sizes = fc
    .tuple(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 0, max: 1 }))
    .chain(([m, more]) =>
      fc.tuple(
        fc.constant([m, m + more] as const),
        fc.array(fc.integer({ min: -3, max: 3 }), {
          minLength: m * (m + more),
          maxLength: m * (m + more),
        }),
      ),
    );
  fc.assert(
    fc.property(sizes, ([[m, n], entries]) => {
      const cost = Float64Array.from(entries);
      const matched = assignment(cost, m, n);
      expect(new Set(matched).size).toBe(m);
      expect(total(cost, n, matched)).toBe(least(cost, m, n));
    }),
  );
});

test('equal costs, one row, and none', () => {
  expect(Array.from(assignment(new Float64Array(9), 3, 3)).sort()).toEqual([0, 1, 2]);
  expect(Array.from(assignment(Float64Array.of(3, 1, 2), 1, 3))).toEqual([1]);
  expect(Array.from(assignment(Float64Array.of(3, 1, 2), 3, 1))).toEqual([-1, 0, -1]);
  expect(Array.from(assignment(new Float64Array(0), 0, 0))).toEqual([]);
});

test('refuses costs that are not finite', () => {
  expect(() => assignment(Float64Array.of(1, NaN, 1, 1), 2, 2)).toThrow(RangeError);
});
