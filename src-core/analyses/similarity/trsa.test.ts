import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { gaussianRows, matrixOf, plain, run } from '../test-support.ts';
import { reference } from './rdm-test-support.ts';
import { rsa } from './rsa.ts';
import { geotopological, quantilesOf, shortestPaths } from './trsa-transform.ts';
import { trsa } from './trsa.ts';

const { x, y } = reference;
const sides = [plain('x', x), plain('y', y)];
const step = () => Promise.resolve();
const similarity = async (params: Record<string, unknown>) =>
  (await run(trsa, sides, params)).values['similarity'] as number;

describe('values', () => {
  test.each(reference.trsa)(
    'those of NumPy for %o',
    async ({ similarity: expected, ...params }) => {
      expect(await similarity(params)).toBeCloseTo(expected as number, 10);
    },
  );

  test('of all quantiles are those of the dissimilarities', async () => {
    const all = await similarity({ lower: 0, upper: 1 });
    const { values } = await run(rsa, sides, { rdm: 'euclidean', compare: 'pearson' });
    expect(all).toBeCloseTo(values['similarity'] as number, 12);
  });

  test('lower above upper is refused, unless it has no part', async () => {
    expect(await similarity({ geodesic: true, lower: 0.9, upper: 0.6 })).toBe(
      await similarity({ geodesic: true, lower: 0.2, upper: 0.6 }),
    );
    await expect(similarity({ lower: 0.9, upper: 0.1 })).rejects.toThrow(
      /lower=0.9, upper=0.1: the lower quantile is above/,
    );
  });
});

describe('the transformation', () => {
  test('rises from 0 to 1 between the quantiles, once', async () => {
    // The values at which rsatoolbox's own jumps from 0.33 to 1.
    const found = Float64Array.from({ length: 11 }, (_, i) => i / 20);
    const [low, high] = await quantilesOf(found, [0.2, 0.8], step);
    expect([low, high]).toEqual([0.1, 0.4]);
    const expected = found.map((d) => Math.min(1, Math.max(0, (d - 0.1) / 0.3)));
    geotopological(found, low!, high!).forEach((value, at) =>
      expect(value).toBeCloseTo(expected[at]!, 12),
    );
  });

  test('of equal quantiles knows no monotone change', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 0, max: 1000 }), async (seed) => {
        const binary = async (values: Float64Array) => {
          const [low, high] = await quantilesOf(values, [0.3, 0.3], step);
          return Array.from(geotopological(values, low!, high!));
        };
        const values = Float64Array.from(gaussianRows(1, 31, seed)[0]!);
        expect(await binary(values.map(Math.exp))).toEqual(await binary(values));
      }),
      { numRuns: 20 },
    );
  });
});

describe('geodesics', () => {
  const ring = (n: number) =>
    matrixOf(n, 2, (i, j) =>
      j === 0 ? Math.cos((2 * Math.PI * i) / n) : Math.sin((2 * Math.PI * i) / n),
    );
  const chord = (n: number, steps: number) => 2 * Math.sin((Math.PI * steps) / n);
  const distances = (rows: number[][]) =>
    Float64Array.from(
      rows.flatMap((a, i) =>
        rows.slice(i + 1).map((b) => Math.hypot(a[0]! - b[0]!, a[1]! - b[1]!)),
      ),
    );

  test('go round a ring rather than across', async () => {
    // Edges of up to three steps: half way round is four of them, against a chord of 2.
    const found = distances(ring(24));
    const { lengths, parts } = await shortestPaths(found, 24, chord(24, 3.5), step);
    expect(parts).toBe(1);
    expect(Math.max(...found)).toBeCloseTo(2, 12);
    expect(Math.max(...lengths)).toBeCloseTo(4 * chord(24, 3), 12);
  });

  test('between parts have no length', async () => {
    const two = [...ring(5), ...ring(5).map(([a, b]) => [a! + 100, b!])];
    const { lengths, parts } = await shortestPaths(distances(two), 10, 50, step);
    expect(parts).toBe(2);
    expect(lengths.filter((length) => length === Infinity)).toHaveLength(25);
    const outcome = await run(trsa, [plain('two', two), plain('other', gaussianRows(10, 3, 1))], {
      geodesic: true,
      upper: 0.3,
      compare: 'spearman',
    });
    expect(outcome.values['similarity']).toBeNull();
    expect(outcome.warnings).toEqual([
      expect.stringMatching(/^two: the graph of pairs below the quantile 0.3 falls into 2 parts/),
      ...outcome.warnings.slice(1),
    ]);
  });
});

test('null and interval are those of the transformed dissimilarities', async () => {
  const outcome = await run(trsa, sides, { permutations: 99, bootstrap: 50 });
  expect(outcome.null!.p).toBe(0.01);
  expect(outcome.interval!.low as number).toBeLessThan(outcome.values['similarity'] as number);
});
