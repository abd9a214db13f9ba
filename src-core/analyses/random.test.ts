import { describe, expect, test } from 'vitest';
import { Random } from './random.ts';

// First outputs of sfc32 with these seeds, from a second implementation in Python.
test.each([
  [0, [2297102522, 4242804496, 2805528058]],
  [42, [2993059876, 2683266877, 3613609488]],
  [2 ** 32 + 7, [3659613271, 1406801105, 2839758710]],
])('seed %d', (seed, expected) => {
  const random = new Random(seed);
  expect(expected.map(() => random.uniform() * 2 ** 32)).toEqual(expected);
});

describe('draws', () => {
  const random = new Random(1);

  test('permutations hold every number once, each order as often', () => {
    const orders = new Map<string, number>();
    for (let draw = 0; draw < 6000; draw++) {
      const order = Array.from(random.permutation(3));
      expect([...order].sort()).toEqual([0, 1, 2]);
      orders.set(order.join(), (orders.get(order.join()) ?? 0) + 1);
    }
    // 1000 each, standard deviation 29.
    expect([...orders.values()].every((count) => Math.abs(count - 1000) < 145)).toBe(true);
    expect(orders.size).toBe(6);
  });

  test('multiplicities add up to n and leave out a share of 1/e', () => {
    const counts = random.multiplicities(10_000);
    expect(counts.reduce((a, b) => a + b, 0)).toBe(10_000);
    expect(counts.filter((count) => count === 0).length / 10_000).toBeCloseTo(1 / Math.E, 1);
  });
});
