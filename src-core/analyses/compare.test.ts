import { describe, expect, test } from 'vitest';
import { compare } from './compare.ts';
import { gaussianRows, model, plain, run, type Rows } from './test-support.ts';

const x = gaussianRows(12, 3, 1);
const y = gaussianRows(12, 3, 2);
const halved: Rows = x.map((row) => row.map((value) => 0.9 * value));

describe('layers that correspond', () => {
  test('by name, whatever their order', async () => {
    const { values } = await run(compare, [
      model('m', { a: x, b: y }),
      model('n', { b: y, a: halved }),
    ]);
    expect(values['pairs']).toEqual([
      ['a', 'a'],
      ['b', 'b'],
    ]);
    expect((values['cka'] as number[][])[0]![1]).toBeCloseTo(1, 12);
    expect((values['cka'] as number[][])[1]![0]).toBeCloseTo(1, 12);
  });

  test('by order where no names agree', async () => {
    const { values } = await run(compare, [model('m', { a: x, b: y }), model('n', { p: x, q: y })]);
    expect(values['pairs']).toEqual([
      ['a', 'p'],
      ['b', 'q'],
    ]);
  });

  test('none, where neither says', async () => {
    const outcome = await run(compare, [model('m', { a: x, b: y }), model('n', { p: x })]);
    expect(outcome.values).toMatchObject({ pairs: [], cosine: [], sqnr: [] });
    expect(outcome.warnings).toEqual([
      expect.stringMatching(/^m and n have no layers of the same/),
    ]);
    expect(outcome.views.map(({ kind }) => kind)).toEqual(['line']);
  });
});

describe('cosine and signal to difference ratio', () => {
  const between = async (a: Rows, b: Rows) => {
    const outcome = await run(compare, [model('m', { a }), model('n', { a: b })]);
    const { cosine, sqnr } = outcome.values as { cosine: number[]; sqnr: number[] };
    return { ...outcome, cosine: cosine[0], sqnr: sqnr[0] };
  };

  test('of a tenth less everywhere', async () => {
    const { cosine, sqnr, views } = await between(x, halved);
    expect(cosine).toBeCloseTo(1, 12);
    // Σx²/Σ(x/10)² = 100.
    expect(sqnr).toBeCloseTo(20, 10);
    expect(views.map(({ title }) => title)).toContain('Cosine of corresponding layers');
  });

  test('by hand', async () => {
    const { cosine, sqnr } = await between(
      [
        [1, 0],
        [0, 2],
        [3, 3],
        [1, 1],
      ],
      [
        [0, 1],
        [0, 1],
        [3, 3],
        [1, 1],
      ],
    );
    expect(cosine).toBeCloseTo((0 + 1 + 1 + 1) / 4, 12);
    expect(sqnr).toBeCloseTo(10 * Math.log10((1 + 4 + 18 + 2) / (2 + 1)), 10);
  });

  test('of identical layers is infinite', async () => {
    const { cosine, sqnr, warnings } = await between(x, x);
    expect(cosine).toBeCloseTo(1, 12);
    expect(sqnr).toBeNull();
    expect(warnings).toEqual([expect.stringMatching(/^layers a and a are identical/)]);
  });

  test('leaves out rows of zeros', async () => {
    const dead = x.map((row, i) => (i < 6 ? row.map(() => 0) : row));
    const { cosine, sqnr } = await between(x, dead);
    expect(cosine).toBeCloseTo(1, 12);
    expect(sqnr).toBeGreaterThan(0);
    const silent = await between(
      x.map((row) => row.map(() => 0)),
      x,
    );
    expect([silent.cosine, silent.sqnr]).toEqual([null, null]);
    expect(silent.warnings.join()).toMatch(/their cosine is null.*their sqnr is null/);
  });

  test('of different widths is null', async () => {
    const { cosine, sqnr, warnings } = await between(x, gaussianRows(12, 5, 3));
    expect([cosine, sqnr]).toEqual([null, null]);
    expect(warnings).toEqual(['layers of different widths have no cosine and sqnr: a']);
  });
});

test('progress runs from 0 to 1 and never back', async () => {
  const { steps } = await run(compare, [model('m', { a: x, b: y }), model('n', { a: y, b: x })]);
  expect(steps).toEqual(steps.toSorted((p, q) => p - q));
  expect(steps.at(-1)).toBeCloseTo(1, 12);
});

test('matrices are refused', async () => {
  await expect(run(compare, [plain('x', x), plain('y', y)])).rejects.toThrow(/takes two models/);
});
