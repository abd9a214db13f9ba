import { describe, expect, test } from 'vitest';
import { analyses } from './registry.ts';
import { gaussianRows, plain, run, type Rows } from './test-support.ts';

const rows = gaussianRows(40, 6, 1);
const with_ = (value: number): Rows => rows.map((row, i) => (i === 3 ? row.with(2, value) : row));
const labels = rows.map((_, i) => 'abc'[i % 3]!);

const ofMatrices = analyses.filter(
  ({ input, relation }) => input !== 'weights' && input !== 'attention' && relation !== 'reference',
);

// Their squares are infinite, so that whatever is computed of them is wrong or fails.
describe.each(ofMatrices.map((definition) => [definition.id, definition] as const))(
  '%s',
  (_, definition) => {
    test.each([
      ['float32', 1e30, Float32Array],
      ['float64', -1e200, Float64Array],
    ] as const)('refuses a number too large for %s', async (__, value, type) => {
      const sides = [plain('x', with_(value), type), plain('y', rows, type)].map((side) => ({
        ...side,
        labels,
        sequences: Uint32Array.of(0, 20, 40),
      }));
      const work = run(definition, definition.arity === 1 ? sides.slice(0, 1) : sides);
      await expect(work).rejects.toMatchObject({ code: 'non-finite' });
      await expect(work).rejects.toThrow(/^x: .* holds .*e\+\d+ in column 2, too large/);
    });
  },
);

test.each([
  ['float32', 1e-30, Float32Array],
  ['float64', 1e-200, Float64Array],
] as const)('numbers whose squares vanish in %s are told', async (_, size, type) => {
  const tiny = rows.map((row) => row.map((value) => size * value));
  const pair = [plain('tiny', tiny, type), plain('y', rows, type)];
  for (const id of ['cka', 'procrustes', 'mutual-knn']) {
    expect((await run(id, pair)).warnings.join()).toMatch(/^tiny: no value is above .*too small/);
  }
  for (const id of ['spectrum', 'intrinsic-dim']) {
    expect((await run(id, pair.slice(0, 1))).warnings.join()).toMatch(/too small to be squared/);
  }
  const classes = await run('neural-collapse', [{ ...pair[0]!, labels }]);
  expect(classes.warnings.join()).toMatch(/^tiny: no value is above .*too small/);
  const { warnings } = await run('cka', [plain('x', rows), plain('y', rows)]);
  expect(warnings).toEqual([]);
});
