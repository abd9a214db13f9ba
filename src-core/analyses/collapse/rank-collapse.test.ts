import { describe, expect, test } from 'vitest';
import { Random } from '../random.ts';
import {
  gaussianRows,
  matrixOf,
  model,
  multiply,
  plain,
  run,
  shuffled,
  type Rows,
} from '../test-support.ts';
import { expected, near, onModel, synthetic, tokens } from '../token-test-support.ts';
import { rankCollapse } from './rank-collapse.ts';

const measures = ['residual', 'residualWithoutFirst', 'entropy', 'codingRate'] as const;

test('NumPy’s values, each sequence of a matrix file a layer', async () => {
  const files = [
    [synthetic.sequences, synthetic.collapse],
    [synthetic.wide, synthetic.wideCollapse],
  ] as const;
  for (const [rows, wanted] of files) {
    const { values } = await run(rankCollapse, [tokens('x', rows)]);
    for (const key of measures) {
      near(
        values[key],
        wanted.map((layer) => layer[key]),
        1e-9,
      );
    }
  }
});

test.each(Object.keys(expected.models))('hidden states of %s', async (name) => {
  const { values } = await onModel(rankCollapse, 'tokens', name, ['layers.0.resid_post']);
  for (const key of measures) near(values[key], [expected.models[name]!.collapse[key]], 1e-4);
});

describe('closed forms', () => {
  test('tokens that are all equal leave nothing', async () => {
    const { values } = await run(rankCollapse, [
      plain(
        'x',
        matrixOf(7, 3, (_, j) => j + 0.1),
      ),
    ]);
    expect(values['residual']).toEqual([0]);
    near(values['entropy'], [0], 1e-9);
  });

  test('equal unit tokens have the coding rate ½ log(1 + d/ε²)', async () => {
    const rows = matrixOf(9, 16, () => 0.25);
    const rate = async (epsilon: number) =>
      (await run(rankCollapse, [plain('x', rows)], { epsilon })).values['codingRate'];
    near(await rate(0.5), [0.5 * Math.log(1 + 16 / 0.25)], 1e-12);
    near(await rate(2), [0.5 * Math.log(1 + 16 / 4)], 1e-12);
  });

  test('zeros have no residual, rather than 0', async () => {
    const { values, warnings } = await run(rankCollapse, [
      plain(
        'x',
        matrixOf(4, 3, () => 0),
      ),
    ]);
    expect(values).toEqual({
      residual: [null],
      residualWithoutFirst: [null],
      entropy: [null],
      codingRate: [0],
    });
    expect(warnings.join()).toMatch(/no residual where all values are 0/);
  });

  test('64 Gaussian tokens have an entropy of about 4.09', async () => {
    const { values } = await run(rankCollapse, [plain('x', gaussianRows(64, 512, 2))]);
    expect((values['entropy'] as number[])[0]).toBeCloseTo(4.09, 1);
  });
});

/** Pure attention with random weights: each layer replaces the tokens by heads' averages of them. */
function attentionStack(tokensCount: number, d: number, heads: number, depth: number): Rows[] {
  const random = new Random(3);
  const weights = (m: number, n: number) => matrixOf(m, n, () => random.gaussian() / Math.sqrt(m));
  const states: Rows[] = [matrixOf(tokensCount, d, () => random.gaussian())];
  for (let layer = 0; layer < depth; layer++) {
    const x = states.at(-1)!;
    const out = matrixOf(tokensCount, d, () => 0);
    for (let head = 0; head < heads; head++) {
      const width = d / heads;
      const [q, k] = [multiply(x, weights(d, width)), multiply(x, weights(d, width))];
      const v = multiply(multiply(x, weights(d, width)), weights(width, d));
      const probs = q.map((query) => {
        const scores = k.map((key) =>
          Math.exp(query.reduce((sum, value, j) => sum + value * key[j]!, 0) / Math.sqrt(width)),
        );
        const total = scores.reduce((sum, score) => sum + score, 0);
        return scores.map((score) => score / total);
      });
      multiply(probs, v).forEach((row, i) => row.forEach((value, j) => (out[i]![j]! += value)));
    }
    states.push(out);
  }
  return states;
}

test('pure attention loses rank doubly exponentially', async () => {
  const [start, ...rest] = attentionStack(32, 64, 4, 3);
  const { values } = await run(rankCollapse, [tokens('x', [start!, ...rest])]);
  const residual = values['residual'] as number[];
  expect(residual[0]).toBeGreaterThan(0.9);
  expect(residual[2]).toBeLessThan(0.1);
  expect(residual[3]).toBeLessThan(residual[2]! ** 2);
});

test('neither the order of tokens nor that of units counts, nor, for all but the rate, scale', async () => {
  const rows = synthetic.sequences[0]!;
  const moved = shuffled(rows, 4).map((row) => shuffled(row, 5).map((value) => 3 * value));
  const { values } = await run(rankCollapse, [tokens('x', [moved])]);
  for (const key of ['residual', 'entropy']) near(values[key], [synthetic.collapse[0]![key]], 1e-9);
});

test('one massive token hides that the others are equal', async () => {
  const rows = matrixOf(8, 4, (i, j) => (i === 0 ? 1000 * (j + 1) : 1));
  const { values } = await run(rankCollapse, [plain('x', rows)]);
  expect((values['residual'] as number[])[0]).toBeGreaterThan(0.5);
  expect(values['residualWithoutFirst']).toEqual([0]);
});

test('a model has a value a layer, the mean over its sequences', async () => {
  const [a, b, c] = synthetic.sequences as [Rows, Rows, Rows];
  const side = { ...model('m', { first: [...a, ...b], second: [...b, ...c] }) };
  const outcome = await run(rankCollapse, [{ ...side, sequences: Uint32Array.of(0, 12, 24) }]);
  const residuals = synthetic.collapse.map(({ residual }) => residual!);
  near(
    outcome.values['residual'],
    [(residuals[0]! + residuals[1]!) / 2, (residuals[1]! + residuals[2]!) / 2],
    1e-9,
  );
  expect(outcome.views.map(({ kind }) => kind)).toEqual(['line', 'line', 'line', 'table']);
});

test('sequences of one token are left out', async () => {
  const rows = synthetic.sequences[0]!;
  const side = model('m', { first: [...rows, [1, 2, 3, 4, 5]] });
  const outcome = await run(rankCollapse, [{ ...side, sequences: Uint32Array.of(0, 12, 13) }]);
  near(outcome.values['residual'], [synthetic.collapse[0]!['residual']], 1e-9);
  expect(outcome.warnings.join()).toMatch(/1 of 2 sequences have one token/);
});
