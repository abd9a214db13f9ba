import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  gaussianRows,
  matrixOf,
  model,
  multiply,
  orthogonal,
  plain,
  run,
} from '../test-support.ts';
import { expected, near, onModel, synthetic, tokens } from '../token-test-support.ts';
import { entropy } from './entropy.ts';

type Rows = readonly (readonly number[])[];
const ofPrompts = (sequences: readonly Rows[], params = {}) =>
  run(entropy, [tokens('x', sequences)], { scope: 'prompt', ...params });
const entropyOf = async (rows: Rows, params = {}) =>
  (await ofPrompts([rows], params)).values['entropy'] as number;

describe('closed forms', () => {
  test('equal tokens have none', async () => {
    expect(await entropyOf(matrixOf(9, 4, (_, j) => j + 0.5))).toBeCloseTo(0, 9);
  });

  test.each([
    [16, 2.7726],
    [64, 4.1589],
  ])('%i orthonormal tokens have log %i', async (n, value) => {
    const rows = orthogonal(n, 3);
    expect(await entropyOf(rows)).toBeCloseTo(value, 4);
    const { values } = await ofPrompts([rows], { alpha: 2 });
    // exp(S_2) is the participation ratio.
    expect(values['effectiveRank']).toBeCloseTo(n, 6);
  });

  test.each([
    [64, 256, 4.034],
    [128, 128, Math.log(128) - 1 / 2],
    [256, 256, 5.045],
  ])('Gaussian tokens, %i of %i units, have log m − m/2M', async (n, d, value) => {
    expect(Math.abs((await entropyOf(gaussianRows(n, d, 5))) - value)).toBeLessThan(0.01);
  });
});

test.each(Object.keys(synthetic.entropy))('NumPy’s values: %s', async (name) => {
  const [alpha, normalize] = name.split(' ');
  const { values } = await ofPrompts(synthetic.sequences, { alpha: Number(alpha), normalize });
  near(values['entropy'], synthetic.entropy[name]!['entropy'], 1e-9);
  near(values['effectiveRank'], synthetic.entropy[name]!['effectiveRank'], 1e-9);
});

test.each(Object.keys(expected.models))('hidden states of %s', async (name) => {
  const params = { scope: 'prompt' };
  const { values } = await onModel(entropy, 'tokens', name, ['layers.0.resid_post'], params);
  near(values['entropy'], [expected.models[name]!.entropy['entropy']], 1e-4);
  near(values['effectiveRank'], [expected.models[name]!.entropy['effectiveRank']], 1e-4);
});

test('of a data set it is that of the pooled samples as one prompt', async () => {
  const rows = gaussianRows(12, 5, 8);
  const dataset = await run(entropy, [plain('x', rows)]);
  expect(dataset.values['entropy']).toBeCloseTo(await entropyOf(rows), 12);
  const scaled = await run(entropy, [plain('x', rows)], { normalize: 'logmin' });
  expect(scaled.values['entropy']).toBeCloseTo((await entropyOf(rows)) / Math.log(5), 12);
  expect(scaled.values['effectiveRank']).toBe(dataset.values['effectiveRank']);
});

test('of an array of samples × tokens × units it is that of the means over tokens', async () => {
  const sequences = [4, 5, 6, 7].map((seed) => gaussianRows(3, 5, seed));
  const means = sequences.map((rows) =>
    Array.from({ length: 5 }, (_, j) => rows.reduce((sum, row) => sum + row[j]! / 3, 0)),
  );
  const flat = sequences.map((rows) => rows.flat());
  const side = plain('x', flat);
  const array = { ...side, layers: [Object.assign(side.layers[0]!, { sample: [3, 5] })] };
  const { values } = await run(entropy, [array]);
  near(values['entropy'], (await run(entropy, [plain('x', means)])).values['entropy'], 1e-12);
  const deeper = Object.assign(plain('x', flat).layers[0]!, { sample: [3, 5, 1] });
  await expect(run(entropy, [{ ...side, layers: [deeper] }])).rejects.toThrow(/has 4 axes/);
});

test('asks for tokens or samples as its scope says', () => {
  const { input } = entropy;
  if (typeof input !== 'function') throw new Error('not a function');
  expect(input({ scope: 'prompt', alpha: 1, normalize: 'none' })).toBe('tokens');
  expect(input({ scope: 'dataset', alpha: 1, normalize: 'none' })).toBe('repeats');
});

test('zeros and single tokens are left out where they have no value', async () => {
  const rows = gaussianRows(5, 4, 1);
  const outcome = await ofPrompts([rows, matrixOf(3, 4, () => 0), [[1, 2, 3, 4]]], {
    normalize: 'logn',
  });
  expect(outcome.values['entropy']).toBeCloseTo(await entropyOf(rows, { normalize: 'logn' }), 12);
  expect(outcome.warnings.join()).toMatch(/2 of 3 samples are zero or have one token/);
  const nothing = await run(entropy, [
    plain(
      'x',
      matrixOf(5, 4, () => 0),
    ),
  ]);
  expect(nothing.values).toEqual({ entropy: null, effectiveRank: null });
  expect(nothing.warnings.join()).toMatch(/all values are 0/);
});

test('a model has a profile of each', async () => {
  const outcome = await run(entropy, [
    model('m', { a: gaussianRows(8, 3, 1), b: gaussianRows(8, 3, 2) }),
  ]);
  expect(outcome.values['entropy']).toHaveLength(2);
  expect(outcome.views.map(({ kind }) => kind)).toEqual(['line', 'line', 'table']);
});

test('rotation, scaling and the order of tokens change nothing', async () => {
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: 1e6 }), async (seed) => {
      const rows = gaussianRows(6, 4, seed);
      const moved = multiply(rows, orthogonal(4, seed)).map((row) => row.map((v) => 3 * v));
      expect(await entropyOf(moved.toReversed(), { alpha: 3 })).toBeCloseTo(
        await entropyOf(rows, { alpha: 3 }),
        9,
      );
    }),
    { numRuns: 8 },
  );
});
