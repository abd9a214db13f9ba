import fc from 'fast-check';
import { expect, test } from 'vitest';
import { countCopies } from './copies.ts';
import { gaussianRows, matrixOf, plain, run, shuffled } from './test-support.ts';

const pause = () => Promise.resolve();
const count = (rows: readonly (readonly number[])[]) =>
  countCopies(Float64Array.from(rows.flat()), rows[0]!.length, pause);

test('rows that equal another one are counted, wherever they are', () =>
  fc.assert(
    fc.asyncProperty(
      fc.array(fc.array(fc.integer({ min: 0, max: 2 }), { minLength: 2, maxLength: 2 }), {
        minLength: 1,
        maxLength: 12,
      }),
      async (rows) => {
        const same = (a: number[], b: number[]) => a.every((value, j) => value === b[j]);
        const expected = rows.filter(
          (row, i) => row.some((v) => v !== 0) && rows.some((b, j) => i !== j && same(row, b)),
        );
        expect(await count(rows)).toBe(expected.length);
      },
    ),
    { numRuns: 60 },
  ));

test('rows in another order, with swapped values or of zeros are no copies', async () => {
  const rows = gaussianRows(50, 6, 1);
  expect(await count(rows)).toBe(0);
  expect(await count([...rows, rows[3]!.toReversed()])).toBe(0);
  expect(await count(matrixOf(5, 4, () => 0))).toBe(0);
  expect(await count(shuffled([...rows, rows[3]!, rows[3]!, rows[9]!], 2))).toBe(5);
});

test.each(['mutual-knn', 'cknna', 'information-imbalance'])('%s tells them', async (id) => {
  const rows = gaussianRows(40, 6, 1);
  const copied = rows.map((row, i) => (i < 4 ? rows[10 + i]! : row));
  const { warnings } = await run(id, [plain('x', rows), plain('copied', copied)]);
  expect(warnings).toEqual([
    'copied: 8 of 40 samples equal another one, and ties among their neighbours go by index',
  ]);
});
