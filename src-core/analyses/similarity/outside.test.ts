import { describe, expect, test } from 'vitest';
import { viewSchema } from '../../results/schema.ts';
import { Matrix } from '../../tensor/matrix.ts';
import type { Side } from '../definition.ts';
import { gaussianRows, matrixOf, model, multiply, plain, run, type Rows } from '../test-support.ts';
import { reference as aligned } from './alignment-test-support.ts';
import { outside } from './outside.ts';
import { comparisonKinds } from './rdm-compare.ts';
import { reference, repeated } from './rdm-test-support.ts';

const { x, y, few } = reference;
const n = x.length;

const squareOf = (count: number, of: (i: number, j: number) => number) =>
  matrixOf(count, count, (i, j) => (i === j ? 0 : of(Math.min(i, j), Math.max(i, j))));
const euclidean = (rows: Rows) =>
  squareOf(rows.length, (i, j) => Math.hypot(...rows[i]!.map((v, at) => v - rows[j]![at]!)));

/** An array of judges × n × n, or n × repeats × responses. */
const stacked = (name: string, all: readonly Rows[]): Side => {
  const shape = [all[0]!.length, all[0]![0]!.length];
  const data = Float64Array.from(all.flat(2));
  const matrix = new Matrix(all.length, shape[0]! * shape[1]!, data);
  return { name, layered: false, layers: [Object.assign(matrix, { label: name, sample: shape })] };
};

const against = async (rows: Rows, file: Side, params: Record<string, unknown> = {}) => {
  const outcome = await run(outside, [plain('x', rows), file], params);
  for (const view of outcome.views) expect(() => viewSchema.parse(view)).not.toThrow();
  return outcome;
};

describe('dissimilarities', () => {
  test.each(comparisonKinds)('%s: as of SciPy and rsatoolbox', async (compare) => {
    const { values, views, estimator } = await against(x, plain('d', euclidean(few)), {
      rdm: 'euclidean',
      compare,
    });
    expect(values['similarity']).toBeCloseTo(reference.compareTied[compare]!, 6);
    expect(values['noiseCeiling']).toBeNull();
    expect(estimator).toBe(`outside.rdm.euclidean.${compare}`);
    expect(views.map(({ kind }) => kind)).toEqual(['table', 'heatmap', 'heatmap']);
  });

  test('of several judges have the noise ceiling of rsatoolbox', async () => {
    const judges = [0, 1, 2].map((at) => {
      const rows = reference.repeats.map((sample) => sample[at]!);
      const unit = rows.map((row) => {
        const mean = row.reduce((sum, value) => sum + value, 0) / row.length;
        const length = Math.hypot(...row.map((value) => value - mean));
        return row.map((value) => (value - mean) / length);
      });
      return squareOf(8, (i, j) => 1 - unit[i]!.reduce((sum, v, k) => sum + v * unit[j]![k]!, 0));
    });
    const { values } = await against(x.slice(0, 8), stacked('judges', judges));
    const { noiseCeiling, repeatSimilarity } = reference.repeated;
    expect(values['similarity']).toBeCloseTo(repeatSimilarity, 10);
    const [low, high] = values['noiseCeiling'] as [number, number];
    expect(low).toBeCloseTo(noiseCeiling['spearman']![0], 10);
    expect(high).toBeCloseTo(noiseCeiling['spearman']![1], 10);
  });

  test('null and interval', async () => {
    const file = plain('d', euclidean(y));
    const { values, interval, ...near } = await against(x, file, {
      rdm: 'euclidean',
      permutations: 99,
      bootstrap: 50,
    });
    expect(near.null).toMatchObject({ p: 0.01, permutations: 99 });
    expect(interval!.low as number).toBeLessThan(values['similarity'] as number);
    expect(interval!.high as number).toBeGreaterThan(values['similarity'] as number);
  });

  test('that are not symmetric, or of other samples, are refused', async () => {
    const skew = matrixOf(n, n, (i, j) => i - 2 * j);
    await expect(against(x, plain('d', skew), { kind: 'rdm' })).rejects.toThrow(
      /^d: is not symmetric/,
    );
    await expect(against(x, plain('d', euclidean(y.slice(1))), { kind: 'rdm' })).rejects.toThrow(
      /^d: has shape \[11, 11\], and dissimilarities of 12 samples are 12 × 12/,
    );
    await expect(against(x, plain('d', y.slice(1)))).rejects.toThrow(/which is neither 12 × 12/);
  });
});

describe('responses', () => {
  test('R² is that of ridge regression in NumPy, each sample held out in turn', async () => {
    const { values, estimator, views } = await against(aligned.x, plain('y', aligned.y), {
      folds: 60,
    });
    expect(values['encodingR2']).toBeCloseTo(aligned.encoding, 9);
    expect(estimator).toBe('outside.responses.ridge.60-fold');
    expect(views.map(({ kind }) => kind)).toEqual(['table', 'histogram']);
  });

  test('that are linear in the representation are predicted, noise is not', async () => {
    const rows = gaussianRows(100, 6, 1);
    const linear = plain('linear', multiply(rows, gaussianRows(6, 3, 2)));
    const params = { permutations: 19, bootstrap: 20 };
    const near = await against(rows, linear, params);
    expect(near.values['encodingR2']).toBeCloseTo(1, 6);
    expect(near.null!.p).toBe(0.05);
    const far = await against(rows, plain('noise', gaussianRows(100, 3, 3)), params);
    expect(far.values['encodingR2']).toBeLessThan(0.1);
    expect(far.null!.p).toBeGreaterThan(0.04);
    expect(far.interval!.low as number).toBeLessThan(far.values['encodingR2'] as number);
  });

  test('with repeats have a noise ceiling', async () => {
    // Signal of variance 1, noise of variance 4 over 4 repeats: half of the means' variance.
    const signal = gaussianRows(2000, 1, 1);
    const noise = gaussianRows(2000, 4, 2);
    const samples = signal.map(([value], i) => noise[i]!.map((own) => [value! + 2 * own]));
    const { values } = await against(signal, repeated('r', samples));
    expect(Math.abs((values['noiseCeiling'] as number) - 0.5)).toBeLessThan(0.05);
    expect(Math.abs((values['encodingR2'] as number) - 0.5)).toBeLessThan(0.05);
  });

  test('that never vary are counted and left out', async () => {
    const responses = aligned.y.map((row) => [...row, 3]);
    const { values, warnings } = await against(aligned.x, plain('y', responses), { folds: 60 });
    expect(values['encodingR2']).toBeCloseTo(aligned.encoding, 9);
    expect(warnings).toEqual(['y: 1 of 6 responses never vary and are left out']);
    const flat = matrixOf(60, 2, () => 1);
    await expect(against(aligned.x, plain('y', flat))).rejects.toThrow(/^y: has no response/);
  });

  test('groups are held out together', async () => {
    const rows = gaussianRows(20, 30, 1).flatMap((row) => [row, row, row, row]);
    const responses = gaussianRows(20, 2, 2).flatMap((row) => [row, row, row, row]);
    const groups = rows.map((_, i) => String(Math.floor(i / 4)));
    const side = plain('x', rows);
    const alone = await run(outside, [side, plain('y', responses)]);
    expect(alone.values['encodingR2'] as number).toBeGreaterThan(0.9);
    const grouped = await run(outside, [{ ...side, groups }, plain('y', responses)]);
    expect(grouped.values['encodingR2'] as number).toBeLessThan(0.3);
  });
});

describe('triplets', () => {
  // On a line: 0, 1, 3, 7, 20.
  const line = [[0], [1], [3], [7], [20]];
  const params = { rdm: 'euclidean' };

  test('of the odd one out count where the pair is the nearest of three', async () => {
    const choices = [
      [0, 1, 2],
      [1, 2, 0],
      [2, 3, 4],
      [0, 2, 1],
    ];
    const { values, estimator } = await against(line, plain('t', choices), params);
    expect(values).toEqual({ tripletAccuracy: 0.5, noiseCeiling: [0, 1 / 3] });
    expect(estimator).toBe('outside.triplets.odd.euclidean');
  });

  test('of an anchor count where the second is nearer than the third', async () => {
    const choices = [
      [2, 0, 3],
      [2, 3, 0],
      [1, 0, 4],
    ];
    const { values } = await against(line, plain('t', choices), { ...params, triplets: 'anchor' });
    expect(values).toEqual({ tripletAccuracy: 2 / 3, noiseCeiling: [0, 0.5] });
  });

  test('ties count a share', async () => {
    const even = [[0], [1], [2], [3]];
    const { values } = await against(even, plain('t', [[0, 1, 2]]), params);
    expect(values).toEqual({ tripletAccuracy: 0.5, noiseCeiling: null });
  });

  test('questions asked repeatedly give a noise ceiling', async () => {
    // Three of four say that 2 is odd.
    const choices = [
      [0, 1, 2],
      [0, 1, 2],
      [1, 0, 2],
      [0, 2, 1],
    ];
    const { values } = await against(line, plain('t', choices), params);
    expect(values['noiseCeiling']).toEqual([0.75, 0.75]);
  });

  test('chance is a third', async () => {
    const rows = gaussianRows(30, 5, 1);
    const choices = matrixOf(900, 3, (at, k) => (at + [0, 1 + (at % 7), 11 + (at % 13)][k]!) % 30);
    const { values, null: chance } = await against(rows, plain('t', choices), { permutations: 50 });
    expect(Math.abs((values['tripletAccuracy'] as number) - 1 / 3)).toBeLessThan(0.08);
    expect(Math.abs((chance!.mean as number) - 1 / 3)).toBeLessThan(0.03);
  });

  test('that are none are refused', async () => {
    await expect(against(line, plain('t', [[0, 1, 9]]), { kind: 'triplets' })).rejects.toThrow(
      /^t: does not hold rows of three different indices from 0 to 4/,
    );
  });
});

test('a model gives profiles over its layers', async () => {
  const { values, views, ...outcome } = await run(
    outside,
    [model('m', { a: y, b: x }), plain('d', euclidean(x))],
    { rdm: 'euclidean', permutations: 9, bootstrap: 9 },
  );
  const similarity = values['similarity'] as number[];
  expect(similarity[1]).toBeCloseTo(1, 12);
  expect(similarity[0]).toBeLessThan(0.9);
  expect(outcome.null!.p).toHaveLength(2);
  expect(outcome.interval!.low).toHaveLength(2);
  expect(views.map(({ kind, title }) => [kind, title])).toEqual([['line', 'RSA over layers']]);
  for (const view of views) expect(() => viewSchema.parse(view)).not.toThrow();
});

test('a model in place of the file is refused', async () => {
  const sides = [plain('x', x), model('m', { a: x, b: y })];
  await expect(run(outside, sides)).rejects.toThrow(/^m: is a model, and the second input is/);
});
