import { describe, expect, it } from 'vitest';
import { formatValue, mainDtype, runLabel } from './labels.ts';

describe('labels', () => {
  it('names the element type of most parameters', () => {
    expect(mainDtype({ dtypes: { float32: 10, int8: 90 } })).toBe('int8');
    expect(mainDtype({ dtypes: {} })).toBeUndefined();
  });

  it('writes values as a person would type them', () => {
    expect([formatValue('rbf'), formatValue(0.5), formatValue(true), formatValue(null)]).toEqual([
      'rbf',
      '0.5',
      'true',
      '',
    ]);
  });

  it('labels a run with its analysis and files', () => {
    expect(runLabel({ analysis: 'cka', uris: ['/m/a.onnx', '/m/b.onnx'] })).toBe(
      'cka · a.onnx, b.onnx',
    );
  });
});
