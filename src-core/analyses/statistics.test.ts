import { describe, expect, test } from 'vitest';
import { deviation, mean, nullSummary, percentileInterval, quantile } from './statistics.ts';

test('mean and population deviation', () => {
  expect(mean([2, 4, 4, 4, 5, 5, 7, 9])).toBe(5);
  expect(deviation([2, 4, 4, 4, 5, 5, 7, 9])).toBe(2);
});

test.each([
  [0, 1],
  [0.25, 1.75],
  [0.5, 2.5],
  [0.9, 7.9],
  [1, 10],
])('quantile %f of 1, 2, 3, 10 as NumPy has it', (share, expected) => {
  expect(quantile([1, 2, 3, 10], share)).toBeCloseTo(expected, 12);
});

test('percentile bounds, without draws that have no value', () => {
  const draws = Array.from({ length: 101 }, (_, i) => i);
  const { low, high } = percentileInterval([...draws, NaN, Infinity]);
  expect(low).toBeCloseTo(2.5, 12);
  expect(high).toBeCloseTo(97.5, 12);
  expect(percentileInterval([NaN])).toEqual({ low: null, high: null });
});

describe('null', () => {
  test('p counts the observation itself', () => {
    expect(nullSummary([1, 2, 3], 2)).toMatchObject({ mean: 2, p: 3 / 4 });
    expect(nullSummary([1, 2, 3], 9).p).toBe(1 / 4);
    expect(nullSummary([1, 2, 3], 0).p).toBe(1);
  });
  test('nothing observed', () => {
    expect(nullSummary([NaN], null)).toEqual({ mean: null, sd: null, p: null });
  });
});
