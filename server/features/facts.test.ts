import type { LayerInfo, ModelOutline } from '@repscope/core/models/model.ts';
import { expect, test } from 'vitest';
import { factsLine, foldLayers, shapeText } from './facts.ts';

const layer = (name: string, parameters?: number, isDefault = true): LayerInfo => ({
  name,
  kind: 'hidden state',
  axes: 'tokens',
  shape: ['batch', 384],
  default: isDefault,
  ...(parameters === undefined ? {} : { parameters }),
});

const outline = (given: Partial<ModelOutline>): ModelOutline => ({
  path: '/m',
  name: 'm',
  format: 'onnx',
  bytes: 0,
  parameters: 0,
  dtypes: {},
  inputs: [],
  outputs: [],
  layers: [],
  tensors: [],
  metadata: {},
  findings: [],
  runnable: true,
  ...given,
});

test('facts count declared blocks, else the default layers, and name the main types', () => {
  const parameters = 1000;
  const layers = [layer('a'), layer('b'), layer('c', 0, false)];
  const mixed = outline({ parameters, layers, dtypes: { int8: 850, float32: 150 } });
  expect(factsLine(mixed)).toBe('1K params · 2 layers · int8+float32');
  const declared = outline({
    parameters,
    layers,
    dtypes: { float16: 990, int64: 10 },
    metadata: { num_hidden_layers: '1' },
  });
  expect(factsLine(declared)).toBe('1K params · 1 layer · float16');
  // GPT-2's spelling.
  expect(factsLine(outline({ parameters, metadata: { n_layer: '12' } }))).toContain('12 layers');
  expect(factsLine(outline({}))).toBe('0 params');
});

test('layers that differ in numbers only are one group', () => {
  const layers = [layer('embeddings', 10), layer('layers.0.out', 5), layer('layers.11.out', 7)];
  expect(
    foldLayers(layers).map(({ name, count, parameters }) => [name, count, parameters]),
  ).toEqual([
    ['embeddings', 1, 10],
    ['layers.*.out', 2, 12],
  ]);
});

test('unknown dimensions are shown as such', () => {
  expect(shapeText(['batch', 3, null])).toBe('[batch, 3, ?]');
});
