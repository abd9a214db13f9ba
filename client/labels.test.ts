import { describe, expect, it } from 'vitest';
import {
  baseName,
  formatBytes,
  formatCount,
  formatShape,
  formatValue,
  mainDtype,
  runLabel,
} from './labels.ts';

describe('labels', () => {
  it.each([
    [0, '0'],
    [999, '999'],
    [1000, '1K'],
    [1499, '1.5K'],
    [22_713_216, '22.7M'],
    [109_482_240, '109M'],
    [999_960, '1M'],
    [7_000_000_000, '7B'],
  ])('writes the count %d as %s', (count, text) => {
    expect(formatCount(count)).toBe(text);
  });

  it.each([
    [10, '10 B'],
    [1536, '1.5 KiB'],
    [90_888_945, '86.7 MiB'],
    [2 * 1024 ** 3, '2 GiB'],
  ])('writes %d bytes as %s', (bytes, text) => {
    expect(formatBytes(bytes)).toBe(text);
  });

  it('names the element type of most parameters', () => {
    expect(mainDtype({ dtypes: { float32: 10, int8: 90 } })).toBe('int8');
    expect(mainDtype({ dtypes: {} })).toBeUndefined();
  });

  it('writes unknown dimensions as question marks', () => {
    expect(formatShape([1, 'tokens', null])).toBe('1 × tokens × ?');
  });

  it('writes values as a person would type them', () => {
    expect([formatValue('rbf'), formatValue(0.5), formatValue(true), formatValue(null)]).toEqual([
      'rbf',
      '0.5',
      'true',
      '',
    ]);
  });

  it('takes the last part of a path of either kind', () => {
    expect(baseName('/models/a.onnx')).toBe('a.onnx');
    expect(baseName('C:\\models\\minilm\\')).toBe('minilm');
    expect(baseName('a.onnx')).toBe('a.onnx');
  });

  it('labels a run with its analysis and files', () => {
    expect(runLabel({ analysis: 'cka', uris: ['/m/a.onnx', '/m/b.onnx'] })).toBe(
      'cka · a.onnx, b.onnx',
    );
  });
});
