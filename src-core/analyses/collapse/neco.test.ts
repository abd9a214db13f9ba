import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Random } from '../random.ts';
import {
  gaussianRows,
  matrixOf,
  model,
  multiply,
  orthogonal,
  plain,
  run,
  shuffled,
  type Ran,
  type Rows,
} from '../test-support.ts';
import { neco } from './neco.ts';
import { auroc, falsePositives } from './neco-scores.ts';

const url = new URL('../../../test/fixtures/collapse/reference.json', import.meta.url);
const reference = JSON.parse(readFileSync(url, 'utf8')) as {
  neco: { x: Rows; y: number[]; out: Rows } & Record<string, Record<string, number>>;
};
const { x, y, out } = reference.neco;
const labelled = (rows: Rows, labels: readonly (string | number)[]) => ({
  ...plain('in', rows),
  labels: labels.map(String),
});
const scored = (params: Record<string, unknown> = {}) =>
  run(neco, [labelled(x, y), plain('out', out)], params);
const valueOf = ({ values }: Ran, key: string) => values[key] as number;

describe.each(['raw', 'centred', 'standardized'])('%s features', (features) => {
  test.each([
    [0, 2],
    [3, 3],
  ])('with dims=%d have NumPy’s values', async (dims, axes) => {
    const outcome = await scored({ features, dims });
    for (const [key, value] of Object.entries(reference.neco[`${features}.${axes}`]!)) {
      expect(valueOf(outcome, key), key).toBeCloseTo(value, 10);
    }
  });
});

test('ten collapsed classes and samples orthogonal to them are told apart', async () => {
  const random = new Random(6);
  const [classes, d] = [10, 128];
  const noise = () => 0.06 * random.gaussian();
  const labels = Array.from({ length: 300 }, (_, i) => i % classes);
  const inside = labels.map((c) =>
    Array.from({ length: d }, (_, j) => (j === c ? 1 : 0) - (j < classes ? 0.1 : 0) + noise()),
  );
  const outside = matrixOf(200, d, (i, j) => (j === classes + (i % 20) ? 1 : 0) + noise());
  const outcome = await run(neco, [labelled(inside, labels), plain('out', outside)]);
  expect(valueOf(outcome, 'auroc')).toBe(1);
  expect(valueOf(outcome, 'fpr95')).toBe(0);
  expect(valueOf(outcome, 'inScore')).toBeGreaterThan(0.7);
  expect(valueOf(outcome, 'outScore')).toBeLessThan(0.3);
  expect(valueOf(outcome, 'nc5')).toBeLessThan(0.1);
  expect(outcome.warnings.join()).toMatch(/300 in-distribution samples for 128 units/);
});

test('fewer samples than units give the axes that their transpose gives', async () => {
  // Units of zeros add nothing, and send the first through the samples' Gram matrix.
  const rows = gaussianRows(12, 6, 3);
  const others = gaussianRows(9, 6, 4);
  const wide = (some: Rows) => some.map((row) => [...row, ...Array<number>(20).fill(0)]);
  const labels = rows.map((_, i) => i % 3);
  const few = await run(neco, [labelled(wide(rows), labels), plain('out', wide(others))]);
  const many = await run(neco, [labelled(rows, labels), plain('out', others)]);
  for (const key of ['auroc', 'fpr95', 'inScore', 'outScore', 'nc5']) {
    expect(valueOf(few, key), key).toBeCloseTo(valueOf(many, key), 9);
  }
});

describe('rates', () => {
  const of = (...values: number[]) => Float64Array.from(values);
  test('ties count half', () => {
    expect(auroc(of(1, 2, 3), of(0, 2, 4))).toBeCloseTo((1 + 1.5 + 2) / 9, 12);
    expect(auroc(of(5, 5), of(5))).toBe(0.5);
    expect(auroc(of(2), of(1))).toBe(1);
  });

  test('the threshold is the highest that enough of the first kind reach', () => {
    const first = Float64Array.from({ length: 20 }, (_, i) => i);
    // 19 of 20 reach 1.
    expect(falsePositives(first, of(0, 0.5, 1, 7), 0.95)).toBe(0.5);
    expect(falsePositives(of(1, 2), of(0.5, 1, 3), 0.95)).toBeCloseTo(2 / 3, 12);
  });
});

describe('edges', () => {
  test('no labels and no dims, sets of other widths, unmatched layers are refused', async () => {
    await expect(run(neco, [plain('in', x), plain('out', out)])).rejects.toThrow(/set dims/);
    const narrow = out.map((row) => row.slice(0, 2));
    await expect(run(neco, [labelled(x, y), plain('out', narrow)])).rejects.toThrow(
      /in and out: have 5 and 2 units/,
    );
    const two = model('out', { a: out, b: out });
    await expect(run(neco, [labelled(x, y), two])).rejects.toThrow(/no layers that correspond/);
  });

  test('axes that span every unit, or none, give null', async () => {
    const all = await scored({ dims: 5 });
    expect(all.values['auroc']).toBeNull();
    expect(all.warnings.join()).toMatch(/5 axes span all 5 units/);
    const same = x.map(() => [1, 2, 3, 4, 5]);
    const none = await run(neco, [labelled(same, y), plain('out', out)]);
    expect(none.values['auroc']).toBeNull();
    expect(none.warnings.join()).toMatch(/all alike/);
  });

  test('rows of zeros are left out, labels are optional', async () => {
    const zeros = await run(neco, [plain('in', x), plain('out', [[0, 0, 0, 0, 0], ...out])], {
      dims: 2,
    });
    expect(zeros.warnings.join()).toMatch(/out: 1 rows of zeros have no score/);
    expect(zeros.values['nc5']).toBeNull();
    expect(valueOf(zeros, 'auroc')).toBe(valueOf(await scored(), 'auroc'));
  });

  test('models give arrays over layers', async () => {
    const inside = { ...model('in', { a: x, b: x }), labels: y.map(String) };
    const outcome = await run(neco, [inside, model('out', { b: out, a: out })]);
    expect(outcome.values['auroc']).toEqual(
      Array<unknown>(2).fill((await scored()).values['auroc']),
    );
    expect(outcome.views.map(({ kind }) => kind)).toEqual(['line', 'line', 'scatter', 'table']);
  });
});

describe('invariances', () => {
  const check = (features: string, change: (rows: Rows, seed: number) => Rows) =>
    fc.assert(
      fc.asyncProperty(fc.integer({ min: 12, max: 24 }), fc.nat(1e6), async (n, seed) => {
        const [first, second] = [gaussianRows(n, 5, seed), gaussianRows(n + 3, 5, seed + 1)];
        const labels = first.map((_, i) => i % 3);
        const score = (a: Rows, b: Rows) =>
          run(neco, [labelled(a, labels), plain('out', b)], { features });
        const before = await score(first, second);
        const after = await score(change(first, seed), change(second, seed));
        for (const key of ['auroc', 'fpr95', 'inScore', 'outScore']) {
          expect(valueOf(after, key), key).toBeCloseTo(valueOf(before, key), 9);
        }
      }),
      { numRuns: 10, seed: 5 },
    );

  test('rotation and scaling', () =>
    check('raw', (rows, seed) =>
      multiply(rows, orthogonal(5, seed + 2)).map((row) => row.map((v) => 3 * v)),
    ));
  test('translation of centred features', () =>
    check('centred', (rows) => rows.map((row) => row.map((v, j) => v + 10 * j))));
  test('scaling of single units of standardized ones', () =>
    check('standardized', (rows) => rows.map((row) => row.map((v, j) => v * (1 + j) + j))));

  test('order of samples', async () => {
    const outcome = await run(neco, [plain('in', shuffled(x, 1)), plain('out', shuffled(out, 2))], {
      dims: 2,
    });
    expect(valueOf(outcome, 'auroc')).toBe(valueOf(await scored(), 'auroc'));
  });
});
