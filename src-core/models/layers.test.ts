import { expect, test } from 'vitest';
import { selectLayers } from './layers.ts';
import type { LayerInfo } from './model.ts';

const layer = (name: string, chosen: boolean): LayerInfo => ({
  name,
  kind: 'Relu',
  axes: 'features',
  default: chosen,
});
const outline = {
  path: 'm.onnx',
  layers: [
    layer('layers.0.act', true),
    layer('layers.0.out', false),
    layer('layers.1.act', true),
    layer('layers.10.act', true),
    layer('/block/Relu[0]', false),
  ],
};
const names = (globs?: string[]) => selectLayers(outline, globs).map(({ name }) => name);

test('without globs the default layers', () => {
  expect(names()).toEqual(['layers.0.act', 'layers.1.act', 'layers.10.act']);
  expect(names([])).toEqual(names());
});

test('a model without default layers gives its last', () => {
  const plain = { path: 'm', layers: [layer('a', false), layer('b', false)] };
  expect(selectLayers(plain).map(({ name }) => name)).toEqual(['b']);
});

test.each<[string[], string[]]>([
  [['*.act'], ['layers.0.act', 'layers.1.act', 'layers.10.act']],
  [['layers.?.act'], ['layers.0.act', 'layers.1.act']],
  [['**'], outline.layers.map(({ name }) => name)],
  [
    ['layers.1.act', 'layers.0.*'],
    ['layers.0.act', 'layers.0.out', 'layers.1.act'],
  ],
  [['/block/Relu[0]'], ['/block/Relu[0]']],
  [['/*'], ['/block/Relu[0]']],
])('%j in forward order, once each', (globs, wanted) => {
  expect(names(globs)).toEqual(wanted);
});

test('a dot is a dot, and a glob covers the whole name', () => {
  expect(() => names(['layersx0xact'])).toThrow();
  expect(() => names(['act'])).toThrow();
});

test('a glob that matches nothing names similar layers', () => {
  expect(() => names(['*.act', 'layer.0.act'])).toThrow(
    expect.objectContaining({
      code: 'unknown-layer',
      message: expect.stringMatching(
        /^m\.onnx: no layer matches layer\.0\.act; .*layers\.0\.act/,
      ) as string,
    }) as Error,
  );
});
