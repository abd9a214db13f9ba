import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { viewSchema } from '../../results/schema.ts';
import type { Side } from '../definition.ts';
import {
  gaussianRows,
  matrixOf,
  model,
  multiply,
  orthogonal,
  plain,
  run,
  type Rows,
} from '../test-support.ts';
import { compatibility } from './compatibility.ts';

const labels = Array.from({ length: 40 }, (_, i) => 'abcd'[i % 4]!);
const compare = (sides: Side[], params: Record<string, unknown> = {}) =>
  run(
    compatibility,
    sides.map((side) => ({ ...side, labels })),
    params,
  );

/** Four classes about axes of their own, the noise that large. */
const clusters = (noise: number, seed: number, d = 6) => {
  const own = gaussianRows(40, d, seed);
  return own.map((row, i) => row.map((value, j) => (i % 4 === j ? 1 : 0) + noise * value));
};

/** 1-NN by cosine, written out. */
function accuracyOf(queries: Rows, gallery: Rows): number {
  const unit = (row: readonly number[]) => row.map((value) => value / Math.hypot(...row));
  const [q, g] = [queries.map(unit), gallery.map(unit)];
  const right = q.filter((row, i) => {
    const likeness = g.map((other, j) =>
      j === i ? -Infinity : row.reduce((sum, value, at) => sum + value * other[at]!, 0),
    );
    return labels[likeness.indexOf(Math.max(...likeness))] === labels[i];
  });
  return right.length / q.length;
}

describe('values', () => {
  const models = [clusters(0.8, 1), clusters(0.6, 2), clusters(0.4, 3)];

  test('the matrix is that of 1-NN, and ac and am follow from it', async () => {
    const { values, views } = await compare(models.map((rows, at) => plain(`v${at}`, rows)));
    const matrix = models.map((queries) => models.map((gallery) => accuracyOf(queries, gallery)));
    expect(values['matrix']).toEqual(matrix);
    const pairs = [
      [1, 0],
      [2, 0],
      [2, 1],
    ] as const;
    const better = pairs.filter(([t, k]) => matrix[t]![k]! > matrix[k]![k]!);
    expect(values['ac']).toBeCloseTo(better.length / 3, 12);
    const lower = [matrix[0]![0]!, ...matrix[1]!.slice(0, 2), ...matrix[2]!];
    expect(values['am']).toBeCloseTo(lower.reduce((sum, v) => sum + v, 0) / 6, 12);
    for (const view of views) expect(() => viewSchema.parse(view)).not.toThrow();
  });

  test('by hand: a model like its forerunner, but better', async () => {
    // One sample of class a lies among those of b, until the update.
    const axis = (j: number) => [j === 0 ? 1 : 0, j === 1 ? 1 : 0];
    const of = (...axes: number[]) => axes.map(axis);
    const two = ['a', 'a', 'b', 'b', 'a'];
    const sides = [plain('old', of(0, 0, 1, 1, 1)), plain('new', of(0, 0, 1, 1, 0))].map(
      (side) => ({ ...side, labels: two }),
    );
    const { values } = await run(compatibility, sides);
    // The stray's nearest is of b; those of b find each other first.
    expect(values['matrix']).toEqual([
      [0.8, 0.8],
      [1, 1],
    ]);
    expect(values).toMatchObject({ ac: 1, am: (0.8 + 1 + 1) / 3 });
  });

  test('a rotation of the newer model is as good, and not compatible', async () => {
    const rotated = matrixOf(40, 6, (i, j) => models[2]![i]![(j + 1) % 6]!);
    const { values } = await compare([plain('old', models[2]!), plain('new', rotated)]);
    const [[own], [cross, other]] = values['matrix'] as [[number], [number, number]];
    expect(other).toBe(own);
    expect(cross).toBeLessThan(0.4);
    expect(values['ac']).toBe(0);
  });

  test('one rotation of all models changes nothing', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 0, max: 1e6 }), async (seed) => {
        const series = [clusters(0.7, seed), clusters(0.5, seed + 1)];
        const turn = orthogonal(6, seed);
        const before = await compare(series.map((rows, at) => plain(`v${at}`, rows)));
        const after = await compare(
          series.map((rows, at) =>
            plain(
              `v${at}`,
              multiply(rows, turn).map((row) => row.map((v) => (at + 2) * v)),
            ),
          ),
        );
        expect(after.values).toEqual(before.values);
      }),
      { numRuns: 4 },
    );
  });

  test('with a part held out, queries never meet their own copies', async () => {
    const noise = gaussianRows(40, 6, 1);
    const groups = labels.map((_, i) => String(Math.floor(i / 8)));
    const sides = [plain('a', noise), plain('b', noise)].map((side) => ({ ...side, groups }));
    const { values, estimator } = await compare(sides, { holdout: 0.4 });
    expect(estimator).toBe('compatibility.1nn.holdout-0.4');
    const [[own], [cross]] = values['matrix'] as [[number], [number]];
    expect(cross).toBe(own);
    expect(own * 16).toBeCloseTo(Math.round(own * 16), 9);
  });
});

describe('edge cases', () => {
  test('models of different width are not compatible', async () => {
    const sides = [plain('old', clusters(0.5, 1)), plain('new', clusters(0.4, 2, 8))];
    const { values, warnings } = await compare(sides);
    const matrix = values['matrix'] as (number | null)[][];
    expect([matrix[0]![1], matrix[1]![0]]).toEqual([null, null]);
    expect(values['ac']).toBe(0);
    expect(values['am']).toBeCloseTo((matrix[0]![0]! + matrix[1]![1]!) / 2, 12);
    expect(warnings).toEqual([expect.stringMatching(/^models of different width/)]);
  });

  test('labels are needed', async () => {
    const sides = [plain('a', clusters(0.5, 1)), plain('b', clusters(0.4, 2))];
    await expect(run(compatibility, sides)).rejects.toThrow(/samples without labels/);
  });

  test('models of other samples are refused', async () => {
    const sides = [plain('a', clusters(0.5, 1)), plain('b', clusters(0.4, 2).slice(1))];
    await expect(compare(sides)).rejects.toThrow(/^b: has 39 rows, and a has 40/);
  });

  test('models give values over the layers that all have', async () => {
    const layers = { first: clusters(0.8, 1), last: clusters(0.4, 2) };
    const { values, views } = await compare([
      model('old', layers),
      model('new', { ...layers, more: clusters(0.1, 3) }),
    ]);
    expect(values['ac']).toHaveLength(2);
    expect(views.map(({ kind, title }) => [kind, title])).toEqual([
      ['line', 'Compatibility over layers'],
      ['heatmap', 'Accuracy of queries on galleries, last'],
    ]);
  });
});
