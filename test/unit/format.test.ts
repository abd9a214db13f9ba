import { expect, it } from 'vitest';
import {
  baseName,
  formatBytes,
  formatCount,
  formatShape,
  shortNumber,
} from '@repscope/core/results/format.ts';

it.each([
  [0, '0'],
  [950, '950'],
  [999, '999'],
  [1499, '1.5K'],
  [999_600, '1M'],
  [109_386, '109K'],
  [22_713_216, '22.7M'],
  [1_500_000_000, '1.5B'],
])('counts %s as %s', (count, expected) => {
  expect(formatCount(count)).toBe(expected);
});

it.each([
  [1023, '1023 B'],
  [1536, '1.5 KiB'],
  [438_116, '428 KiB'],
  [90_888_945, '86.7 MiB'],
  [5 * 1024 ** 4, '5 TiB'],
])('writes %s bytes as %s', (bytes, expected) => {
  expect(formatBytes(bytes)).toBe(expected);
});

it.each([
  [0.513456, '0.513'],
  [null, 'n/a'],
  [0.00001, '1.0e-5'],
  [1234.5, '1235'],
  [12, '12'],
])('writes %s as %s', (value, expected) => {
  expect(shortNumber(value)).toBe(expected);
});

it('writes shapes and the ends of paths', () => {
  expect(formatShape([1, 'tokens', null])).toBe('1 × tokens × ?');
  expect(formatShape(undefined)).toBe('');
  expect(baseName('a/b/c.onnx')).toBe('c.onnx');
  expect(baseName('C:\\models\\bert\\')).toBe('bert');
});
