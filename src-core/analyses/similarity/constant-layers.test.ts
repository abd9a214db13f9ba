import { expect, test } from 'vitest';
import { gaussianRows, matrixOf, model, plain, run } from '../test-support.ts';

const x = gaussianRows(40, 6, 1);
const flat = matrixOf(40, 6, (_, j) => j + 0.5);

// Ties by the lower index would make neighbours, and one direction a cosine, of nothing at all.
test.each([
  ['mutual-knn', ['overlap']],
  ['cknna', ['cknna']],
  ['information-imbalance', ['aToB', 'bToA']],
  ['relative', ['cosine', 'jaccard', 'mrr']],
] as const)('%s with samples that are all one is null, and so are its draws', async (id, keys) => {
  const params = id === 'information-imbalance' ? { bootstrap: 4 } : { permutations: 4 };
  for (const sides of [
    [plain('x', x), plain('flat', flat)],
    [plain('flat', flat), plain('x', x)],
  ]) {
    const { values, warnings, null: chance, interval } = await run(id, sides, params);
    for (const key of keys) expect(values[key], key).toBeNull();
    expect(chance ? chance.mean : interval!.low).toBeNull();
    expect(warnings.join()).toMatch(/flat: every unit is constant/);
  }
  const { values } = await run(id, [model('m', { x, flat })]);
  const [[own, off], [, flatAlone]] = values[keys[0]] as [number[], number[]];
  expect(own).not.toBeNull();
  expect([off, flatAlone]).toEqual([null, null]);
});

test.each(['linear', 'ridge', 'orthogonal'])(
  'stitching (%s) from samples that are all one predicts the mean, to them nothing',
  async (map) => {
    const from = await run('stitching', [plain('flat', flat), plain('x', x)], { map });
    const to = await run('stitching', [plain('x', x), plain('flat', flat)], { map });
    expect(Math.abs(from.values['r2'] as number)).toBeLessThan(0.3);
    expect(from.values).toMatchObject({ top1: null, mrr: null });
    expect(to.values).toMatchObject({ r2: null, top1: null, mrr: null });
  },
);

test('a representation that is all one predicts the mean of outside responses', async () => {
  const { values, warnings } = await run('outside', [plain('flat', flat), plain('responses', x)]);
  expect(Math.abs(values['encodingR2'] as number)).toBeLessThan(0.2);
  expect(warnings).toEqual([expect.stringMatching(/^flat: every unit is constant/)]);
});
