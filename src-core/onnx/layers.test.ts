import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { describe, expect, test } from 'vitest';
import { memoryBytes } from '../bytes/byte-source.ts';
import { openOnnx } from '../models/formats/onnx.ts';
import { GraphBuilder, type Value } from './graph-builder.ts';
import { inferValues } from './inference.ts';
import { describeLayers, findParameters } from './layers.ts';
import { readOutline } from './outline.ts';

const fixtures = fileURLToPath(new URL('../../test/fixtures/onnx/', import.meta.url));

// Exported by torch.onnx, with hidden states by transformers: make_torch.py beside them.
const torch = JSON.parse(await readFile(`${fixtures}expected-torch.json`, 'utf8')) as {
  input_ids: number[][];
  attention_mask: number[][];
  states: Record<string, { shape: number[]; data: number[] }[]>;
  parameters: Record<string, number>;
};
const ints = (rows: number[][]) =>
  new Tensor('int64', BigInt64Array.from(rows.flat(), BigInt), [rows.length, rows[0]!.length]);

describe('graphs that torch.onnx exports', () => {
  const norm = 'LayerNorm/LayerNormalization_output_0';
  const encoder = (layer: number) => `/model/encoder/layer.${layer}`;
  test.each([
    [
      'bert-torch',
      [
        `/model/embeddings/${norm}`,
        `${encoder(0)}/attention/output/${norm}`,
        `${encoder(0)}/intermediate/intermediate_act_fn/Mul_1_output_0`,
        `${encoder(0)}/output/${norm}`,
        `${encoder(1)}/attention/output/${norm}`,
        `${encoder(1)}/intermediate/intermediate_act_fn/Mul_1_output_0`,
        'hidden',
      ],
      [0, 3, 6],
    ],
    [
      'gpt2-torch',
      [
        '/model/Add_output_0',
        '/model/h.0/Add_output_0',
        '/model/h.0/mlp/act/Mul_3_output_0',
        '/model/h.0/Add_1_output_0',
        '/model/h.1/Add_output_0',
        '/model/h.1/mlp/act/Mul_3_output_0',
        '/model/ln_f/LayerNormalization_output_0',
        'hidden',
      ],
      [0, 3, 7],
    ],
  ])('%s: default layers, sizes, hidden states', async (name, defaults, hidden) => {
    const model = await openOnnx(`${fixtures}${name}.onnx`);
    const layers = model.outline.layers.filter((layer) => layer.default);
    expect(layers.map((layer) => layer.name)).toEqual(defaults);
    expect(new Set(layers.map(({ axes }) => axes))).toEqual(new Set(['tokens']));
    expect(layers[0]!.shape).toEqual(['batch', 'tokens', 8]);
    expect(model.outline.parameters).toBe(torch.parameters[name]);
    const attention = model.outline.layers.filter(({ axes }) => axes === 'attention');
    expect(attention.map(({ shape }) => shape?.slice(2))).toEqual([
      ['tokens', 'tokens'],
      ['tokens', 'tokens'],
    ]);
    const graph = await model.graph(defaults);
    const session = await InferenceSession.create(graph.bytes, {
      extra: { session: { model_external_initializers_file_folder_path: graph.externalFolder } },
    });
    const results = await session.run({
      input_ids: ints(torch.input_ids),
      attention_mask: ints(torch.attention_mask),
    });
    hidden.forEach((layer, i) => {
      const { shape, data } = torch.states[name]![i]!;
      const captured = results[defaults[layer]!]!;
      expect(captured.dims).toEqual(shape);
      (captured.data as Float32Array).forEach((value, j) => expect(value).toBeCloseTo(data[j]!, 5));
    });
    await session.release();
  });
});

/** Layers of a graph that `build` makes from an image or token input. */
async function layersOf(
  shape: (number | string)[],
  build: (b: GraphBuilder, x: Value, weights: (...shape: number[]) => Value) => Value,
) {
  const b = new GraphBuilder('g');
  const weights = (...size: number[]) =>
    b.constant(new Float32Array(size.reduce((n, d) => n * d, 1)), size);
  b.output(build(b, b.input('x', 'float32', shape), weights), 'float32', []);
  const { graph } = await readOutline(memoryBytes('g.onnx', b.finish()));
  // The declared rank of the output is not what is tested.
  for (const output of graph.outputs) output.shape = undefined;
  return describeLayers(graph, inferValues(graph), findParameters(graph));
}
const chosen = (layers: Awaited<ReturnType<typeof layersOf>>) =>
  layers.filter((layer) => layer.default).map(({ name, kind }) => [name, kind]);

test('a residual convolution block ends at its activation', async () => {
  const layers = await layersOf(['N', 4, 8, 8], (b, x, w) => {
    const first = b.op('Conv', [x, w(4, 4, 3, 3)], { pads: [1, 1, 1, 1] }, 'conv1');
    const active = b.op('Relu', [first], {}, 'relu1');
    const second = b.op('Conv', [active, w(4, 4, 3, 3)], { pads: [1, 1, 1, 1] }, 'conv2');
    const normed = b.op('BatchNormalization', [second, w(4), w(4), w(4), w(4)], {}, 'bn');
    const sum = b.op('Add', [normed, x], {}, 'sum');
    const last = b.op('Relu', [sum], {}, 'relu2');
    const pooled = b.op('ReduceMean', [last, b.ints(2, 3)], { keepdims: 0 }, 'mean');
    return b.op('Gemm', [pooled, w(10, 4)], { transB: 1 }, 'logits');
  });
  expect(chosen(layers)).toEqual([
    ['relu1', 'Relu'],
    ['relu2', 'Relu'],
    ['mean', 'ReduceMean'],
    ['logits', 'Gemm'],
  ]);
  const shapes = new Map(layers.map(({ name, shape, axes }) => [name, [shape, axes]]));
  expect(shapes.get('relu2')).toEqual([['N', 4, 8, 8], 'image']);
  expect(shapes.get('mean')).toEqual([['N', 4], 'features']);
});

test('strides, dilations, padding and pooling give the sizes of the ONNX specification', async () => {
  const layers = await layersOf(['N', 1, 20, 30], (b, x, w) => {
    // floor((20 + 2 − 2·(3−1) − 1) / 2) + 1 = 9 and floor((30 + 2 − 4 − 1) / 2) + 1 = 14
    const conv = b.op(
      'Conv',
      [x, w(6, 1, 3, 3)],
      { pads: [1, 1, 1, 1], strides: [2, 2], dilations: [2, 2] },
      'conv',
    );
    // ceil((9 − 2) / 2) + 1 = 5 and ceil((14 − 2) / 2) + 1 = 7
    const pool = b.op(
      'MaxPool',
      [conv],
      { kernel_shape: [2, 2], strides: [2, 2], ceil_mode: 1 },
      'pool',
    );
    const same = b.op(
      'Conv',
      [pool, w(2, 6, 3, 3)],
      { auto_pad: 'SAME_UPPER', strides: [2, 2] },
      'same',
    );
    return b.op('Flatten', [same], {}, 'flat');
  });
  expect(layers.map(({ name, shape }) => [name, shape])).toEqual([
    ['conv', ['N', 6, 9, 14]],
    ['pool', ['N', 6, 5, 7]],
    ['same', ['N', 2, 3, 4]],
    ['flat', ['N', 24]],
  ]);
});

test('a weight that two layers share belongs to neither', async () => {
  const layers = await layersOf(['N', 4], (b, x, w) => {
    const shared = w(4, 4);
    const first = b.op('MatMul', [x, shared], {}, 'first');
    const second = b.op('MatMul', [b.op('Tanh', [first], {}, 'act'), shared], {}, 'second');
    return b.op('Add', [second, w(4)], {}, 'out');
  });
  expect(layers.map(({ name, parameters }) => [name, parameters])).toEqual([
    ['first', undefined],
    ['act', undefined],
    ['second', undefined],
    ['out', 4],
  ]);
  expect(chosen(layers)).toEqual([
    ['act', 'Tanh'],
    ['out', 'MatMul'],
  ]);
});

test('masks, casts, shapes and constants are not layers', async () => {
  const layers = await layersOf(['N', 'T'], (b, x, w) => {
    const ids = b.op('Cast', [x], { to: 7 }, 'ids');
    const rows = b.op('Gather', [w(10, 4), ids], {}, 'rows');
    const count = b.op('Cast', [b.op('Shape', [x])], { to: 1 }, 'count');
    const copied = b.op('Identity', [rows], {}, 'copied');
    return b.op('Add', [copied, b.op('ReduceMax', [count], { keepdims: 0 }, 'longest')], {}, 'out');
  });
  expect(layers.map(({ name }) => name)).toEqual(['rows', 'out']);
});
