import { describe, expect, it } from 'vitest';
import { UserError } from '../errors.ts';
import { poolRows } from './pooling.ts';

// Two samples of three tokens with two units; the second sample has two real tokens.
const value = {
  data: Float32Array.from([1, 2, 3, 4, 5, 6, 10, 20, 30, 40, 99, 99]),
  dims: [2, 3, 2],
};
const tokens = { mask: BigInt64Array.from([1n, 1n, 1n, 1n, 1n, 0n]), tokens: 3 };

describe('poolRows', () => {
  it.each([
    ['mean', [3, 4, 20, 30]],
    ['cls', [1, 2, 10, 20]],
    ['last', [5, 6, 30, 40]],
    ['none', [1, 2, 3, 4, 5, 6, 10, 20, 30, 40]],
  ] as const)('%s ignores padding', (pool, expected) => {
    const pooled = poolRows('h', value, 2, pool, tokens);
    expect([...pooled.data]).toEqual(expected);
    expect(pooled.d).toBe(2);
    expect(pooled.rows).toBe(expected.length / 2);
  });

  it('averages the tokens of each word, special ones left out', () => {
    const words = Int32Array.from([-1, 0, 0, 0, 1, -1]);
    const pooled = poolRows('h', value, 2, 'word', { ...tokens, words });
    expect(pooled).toEqual({
      perPart: true,
      rows: 3,
      d: 2,
      data: Float32Array.from([4, 5, 10, 20, 30, 40]),
    });
  });

  it('flattens what is not a token sequence', () => {
    const image = { data: Float32Array.from({ length: 16 }, (_, i) => i), dims: [2, 2, 2, 2] };
    expect(poolRows('conv', image, 2, 'mean', undefined)).toEqual({
      perPart: false,
      rows: 2,
      d: 8,
      data: image.data,
    });
  });

  it('refuses attention maps and values without a batch axis', () => {
    const attention = { data: new Float32Array(2 * 4 * 3 * 3), dims: [2, 4, 3, 3] };
    expect(() => poolRows('probs', attention, 2, 'mean', tokens)).toThrow(UserError);
    const bias = { data: new Float32Array(3), dims: [3] };
    expect(() => poolRows('bias', bias, 2, 'mean', tokens)).toThrow(/first axis/);
  });
});
