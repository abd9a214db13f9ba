import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openFeed } from '../../capture/feed.ts';
import { openModel } from '../../models/open.ts';
import { GraphBuilder, type Value } from '../../onnx/graph-builder.ts';
import type { Side } from '../definition.ts';
import { Random } from '../random.ts';
import { run, type Ran } from '../test-support.ts';
import { rebasin } from './rebasin.ts';
import { bestMatch } from './rebasin-match.ts';
import { crossEntropy } from './rebasin-run.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rebasin-'));
});
afterAll(() => rm(folder, { recursive: true }));

/** A tensor by name, row-major. */
interface Tensor {
  shape: readonly number[];
  data: Float32Array;
}
type Weights = Record<string, Tensor>;

function gaussianWeights(shapes: Record<string, readonly number[]>, seed: number): Weights {
  const random = new Random(seed);
  return Object.fromEntries(
    Object.entries(shapes).map(([name, shape]) => {
      const size = shape.reduce((product, side) => product * side, 1);
      return [name, { shape, data: Float32Array.from({ length: size }, () => random.gaussian()) }];
    }),
  );
}

/** The tensor whose place i along an axis holds what was at `order[i]`, `inner` places a unit. */
function moved({ shape, data }: Tensor, axis: number, order: readonly number[], inner = 1): Tensor {
  const behind = shape.slice(axis + 1).reduce((product, side) => product * side, 1);
  const size = shape[axis]!;
  return {
    shape,
    data: data.map((_, at) => {
      const place = Math.floor(at / behind) % size;
      const from = order[Math.floor(place / inner)]! * inner + (place % inner);
      return data[at + (from - place) * behind]!;
    }),
  };
}

const orders = (sizes: readonly number[], seed: number) =>
  sizes.map((size, at) => [...new Random(seed + at).permutation(size)]);
const inverse = (order: readonly number[]) => order.map((_, i) => order.indexOf(i));

type Build = (graph: GraphBuilder, weight: (name: string) => Value) => void;

async function onnxFile(name: string, build: Build, weights: Weights, prefix = '') {
  const graph = new GraphBuilder('net');
  const values = new Map<string, Value>();
  build(graph, (key) => {
    const { shape, data } = weights[key]!;
    const value = values.get(key) ?? graph.constant(data, shape, prefix + key);
    values.set(key, value);
    return value;
  });
  const path = join(folder, `${name}.onnx`);
  await writeFile(path, graph.finish());
  return path;
}

async function side(path: string, labels?: readonly string[], probe = 'noise:40'): Promise<Side> {
  const model = await openModel(path);
  return {
    name: path.slice(folder.length + 1),
    layered: true,
    layers: [],
    model,
    feed: async () => ({
      ...(await openFeed(model, probe, folder)),
      ...(labels ? { labels } : {}),
    }),
  };
}

const valueOf = ({ values }: Ran, key: string) => values[key] as number;

const mlpShapes = {
  w1: [12, 6],
  b1: [12],
  w2: [9, 12],
  b2: [9],
  w3: [4, 9],
  b3: [4],
} as const;
const mlp: Build = (graph, weight) => {
  const x = graph.input('x', 'float32', ['n', 6]);
  const dense = (input: Value, at: number) =>
    graph.op('Gemm', [input, weight(`w${at}`), weight(`b${at}`)], { transB: 1 }, `dense${at}`);
  const hidden = graph.op('Relu', [dense(x, 1)]);
  graph.output(dense(graph.op('Tanh', [dense(hidden, 2)]), 3), 'float32', ['n', 4]);
};
const mlpMoved = (weights: Weights, [first, second]: readonly number[][]): Weights => ({
  w1: moved(weights['w1']!, 0, first!),
  b1: moved(weights['b1']!, 0, first!),
  w2: moved(moved(weights['w2']!, 1, first!), 0, second!),
  b2: moved(weights['b2']!, 0, second!),
  w3: moved(weights['w3']!, 1, second!),
  b3: weights['b3']!,
});

/** Planted permutations are found, and what lies between is one model. */
function expectFound(outcome: Ran, planted: readonly (readonly number[])[]) {
  expect(outcome.values['permutations']).toEqual(planted.map(inverse));
  expect(valueOf(outcome, 'barrier')).toBeLessThan(1e-9);
  expect(valueOf(outcome, 'midpoint')).toBeLessThan(1e-5);
  expect(valueOf(outcome, 'cosine')).toBeCloseTo(1, 12);
  expect(valueOf(outcome, 'midpointUnaligned')).toBeGreaterThan(0.1);
  expect(valueOf(outcome, 'barrierUnaligned')).toBeGreaterThan(0.01);
  expect(valueOf(outcome, 'cosineUnaligned')).toBeLessThan(0.9);
}

describe('a planted permutation', () => {
  test('is found whatever the weights and the order of layers', () =>
    fc.assert(
      fc.asyncProperty(fc.nat(1e6), async (seed) => {
        const weights = gaussianWeights(mlpShapes, seed);
        const planted = orders([12, 9], seed + 1);
        const sides = [
          await side(await onnxFile('any-a', mlp, weights), undefined, 'noise:8'),
          await side(
            await onnxFile('any-b', mlp, mlpMoved(weights, planted)),
            undefined,
            'noise:8',
          ),
        ];
        const outcome = await run(rebasin, sides, { seed });
        expect(outcome.values['permutations']).toEqual(planted.map(inverse));
        expect(valueOf(outcome, 'midpoint')).toBeLessThan(1e-5);
      }),
      { numRuns: 8, seed: 7 },
    ));

  test.each(['weights', 'activations'])('of an MLP is found by its %s', async (data) => {
    const weights = gaussianWeights(mlpShapes, 1);
    const planted = orders([12, 9], 5);
    const sides = [
      await side(await onnxFile('mlp-a', mlp, weights)),
      await side(await onnxFile('mlp-b', mlp, mlpMoved(weights, planted), 'other.')),
    ];
    const outcome = await run(rebasin, sides, { data });
    expectFound(outcome, planted);
    expect(outcome.values['layers']).toEqual(['dense1', 'dense2']);
    expect(outcome.warnings).toEqual([]);
    expect(outcome.views.map(({ kind }) => kind)).toEqual(['line', 'bars', 'table']);
    // Two copies of one model: the way back is the inverse.
    const back = await run(rebasin, sides.toReversed(), { data, seed: 3 });
    expect(back.values['permutations']).toEqual(planted);
  });

  test.each(['weights', 'activations'])(
    'of a convolutional network, flattened, is found by its %s',
    async (data) => {
      const net: Build = (graph, weight) => {
        const x = graph.input('x', 'float32', ['n', 2, 8, 8]);
        const conv = (input: Value, key: string, name: string, group = 1) =>
          graph.op(
            'Conv',
            [input, weight(key), weight(`${key}b`)],
            { pads: [1, 1, 1, 1], group },
            name,
          );
        const first = graph.op('Relu', [conv(x, 'c1', 'conv1')]);
        const own = graph.op('Relu', [conv(first, 'dw', 'depthwise', 6)]);
        const pooled = graph.op('MaxPool', [own], { kernel_shape: [2, 2], strides: [2, 2] });
        const normed = graph.op('BatchNormalization', [
          conv(pooled, 'c2', 'conv2'),
          ...['scale', 'shift', 'mean', 'var'].map(weight),
        ]);
        const scaled = graph.op('Mul', [graph.op('Relu', [normed]), weight('gain')]);
        const flat = graph.op('Flatten', [scaled]);
        const dense = graph.op('MatMul', [flat, weight('d')]);
        graph.output(graph.op('Add', [dense, weight('db')]), 'float32', ['n', 3]);
      };
      const weights = gaussianWeights(
        {
          c1: [6, 2, 3, 3],
          c1b: [6],
          dw: [6, 1, 3, 3],
          dwb: [6],
          c2: [5, 6, 3, 3],
          c2b: [5],
          scale: [5],
          shift: [5],
          mean: [5],
          var: [5],
          gain: [5, 1, 1],
          d: [5 * 16, 3],
          db: [3],
        },
        2,
      );
      weights['var']!.data.forEach((value, at, all) => (all[at] = 1 + value * value));
      const planted = orders([6, 5], 8);
      const [p, q] = planted as [number[], number[]];
      const at = (key: string) => weights[key]!;
      const other: Weights = {
        ...weights,
        c1: moved(at('c1'), 0, p),
        c1b: moved(at('c1b'), 0, p),
        dw: moved(at('dw'), 0, p),
        dwb: moved(at('dwb'), 0, p),
        c2: moved(moved(at('c2'), 1, p), 0, q),
        d: moved(at('d'), 0, q, 16),
      };
      for (const key of ['c2b', 'scale', 'shift', 'mean', 'var', 'gain']) {
        other[key] = moved(at(key), 0, q);
      }
      const sides = [
        await side(await onnxFile('cnn-a', net, weights)),
        await side(await onnxFile('cnn-b', net, other)),
      ];
      const outcome = await run(rebasin, sides, { data });
      expectFound(outcome, planted);
      expect(outcome.warnings.join()).toMatch(/running statistics/);
    },
  );

  test('of layers that are added up is one for all of them', async () => {
    const net: Build = (graph, weight) => {
      const x = graph.input('x', 'float32', ['n', 4]);
      const dense = (input: Value, key: string, name: string) =>
        graph.op('Gemm', [input, weight(key)], { transB: 1 }, name);
      const stream = dense(x, 'in', 'stream');
      const inner = graph.op('Relu', [dense(stream, 'up', 'inner')]);
      const sum = graph.op('Add', [stream, dense(inner, 'down', 'back')]);
      const normed = graph.op('LayerNormalization', [sum, weight('scale'), weight('shift')]);
      graph.output(dense(normed, 'out', 'head'), 'float32', ['n', 3]);
    };
    const weights = gaussianWeights(
      { in: [8, 4], up: [10, 8], down: [8, 10], scale: [8], shift: [8], out: [3, 8] },
      3,
    );
    const planted = orders([8, 10], 11);
    const [p, q] = planted as [number[], number[]];
    const at = (key: string) => weights[key]!;
    const other: Weights = {
      in: moved(at('in'), 0, p),
      up: moved(moved(at('up'), 1, p), 0, q),
      down: moved(moved(at('down'), 1, q), 0, p),
      scale: moved(at('scale'), 0, p),
      shift: moved(at('shift'), 0, p),
      out: moved(at('out'), 1, p),
    };
    const sides = [
      await side(await onnxFile('sum-a', net, weights)),
      await side(await onnxFile('sum-b', net, other)),
    ];
    const outcome = await run(rebasin, sides);
    expectFound(outcome, planted);
    expect(outcome.values['layers']).toEqual(['stream', 'inner']);
  });
});

test('labels that are classes make the loss a cross-entropy', async () => {
  const weights = gaussianWeights(mlpShapes, 1);
  const labels = Array.from({ length: 40 }, (_, i) => String(i % 4));
  const path = await onnxFile('labels-a', mlp, weights);
  const other = await onnxFile('labels-b', mlp, gaussianWeights(mlpShapes, 9));
  const outcome = await run(rebasin, [await side(path, labels), await side(other)]);
  expect(outcome.estimator).toBe('rebasin.weights.cross-entropy');
  expect(valueOf(outcome, 'barrier')).toBeGreaterThanOrEqual(0);
  const named = await run(rebasin, [
    await side(
      path,
      labels.map((label) => `class ${label}`),
    ),
    await side(other),
  ]);
  expect(named.values['barrier']).toBe(outcome.values['barrier']);
  const foreign = await run(rebasin, [
    await side(
      path,
      labels.map((_, i) => `sample ${i}`),
    ),
    await side(other),
  ]);
  expect(foreign.estimator).toBe('rebasin.weights.squared-difference');
  expect(foreign.warnings.join()).toMatch(/40 labels, 4 outputs a sample/);
});

test('cross-entropy of logits and of probabilities', () => {
  const logits = Float32Array.of(0, Math.log(3), 1, 1);
  const classes = Int32Array.of(1, 0);
  const expected = (-Math.log(0.75) - Math.log(0.5)) / 2;
  expect(crossEntropy(logits, classes)).toBeCloseTo(expected, 7);
  expect(crossEntropy(Float32Array.of(0.25, 0.75, 0.5, 0.5), classes)).toBeCloseTo(expected, 7);
});

test('the best match has the largest sum', () => {
  expect([...bestMatch(Float64Array.of(1, 5, 2, 4, 6, 1, 0, 2, 3), 3)]).toEqual([1, 0, 2]);
});

describe('what stays in place', () => {
  const weights = gaussianWeights({ w1: [6, 4], w2: [5, 10], w3: [3, 5], w4: [3, 6] }, 4);

  test('units that meet Concat do, others move', async () => {
    const net: Build = (graph, weight) => {
      const x = graph.input('x', 'float32', ['n', 4]);
      const first = graph.op('Gemm', [x, weight('w1')], { transB: 1 }, 'first');
      const joined = graph.op('Concat', [first, x], { axis: 1 });
      const second = graph.op('Gemm', [joined, weight('w2')], { transB: 1 }, 'second');
      const third = graph.op('Gemm', [graph.op('Relu', [second]), weight('w3')], { transB: 1 });
      graph.output(third, 'float32', ['n', 3]);
    };
    const [order] = orders([5], 2);
    const other = {
      ...weights,
      w2: moved(weights['w2']!, 0, order!),
      w3: moved(weights['w3']!, 1, order!),
    };
    const outcome = await run(rebasin, [
      await side(await onnxFile('concat-a', net, weights)),
      await side(await onnxFile('concat-b', net, other)),
    ]);
    expectFound(outcome, [order!]);
    expect(outcome.warnings.join()).toMatch(/units that meet Concat stay in place/);
  });

  test('a network with nothing else is refused', async () => {
    const net: Build = (graph, weight) => {
      const x = graph.input('x', 'float32', ['n', 4]);
      const first = graph.op('Gemm', [x, weight('w1')], { transB: 1 }, 'first');
      const turned = graph.op('Softmax', [
        graph.op('MatMul', [first, graph.op('Transpose', [first], { perm: [1, 0] })]),
      ]);
      const mixedUp = graph.op('MatMul', [turned, first]);
      graph.output(graph.op('Gemm', [mixedUp, weight('w4')], { transB: 1 }), 'float32', ['n', 3]);
    };
    const path = await onnxFile('attention', net, weights);
    await expect(run(rebasin, [await side(path), await side(path)])).rejects.toThrow(
      /no hidden layer whose units can be put in another order: they meet Transpose/,
    );
  });

  test('units that a linear layer hands to nothing but the output do', async () => {
    const net: Build = (graph, weight) => {
      const x = graph.input('x', 'float32', ['n', 4]);
      const first = graph.op('Gemm', [x, weight('w1')], { transB: 1 });
      graph.output(graph.op('Sigmoid', [first]), 'float32', ['n', 6]);
    };
    const path = await onnxFile('single', net, weights);
    await expect(run(rebasin, [await side(path), await side(path)])).rejects.toThrow(
      /no linear layer with float weights hands its units to another/,
    );
  });

  test('models of other architectures are refused', async () => {
    const small = { ...mlpShapes, w1: [8, 6], b1: [8], w2: [9, 8] };
    const sides = [
      await side(await onnxFile('arch-a', mlp, gaussianWeights(mlpShapes, 1))),
      await side(await onnxFile('arch-b', mlp, gaussianWeights(small, 1))),
    ];
    await expect(run(rebasin, sides)).rejects.toThrow(
      /are not of one architecture: w1 is \[12, 6\] and w1 \[8, 6\]/,
    );
  });

  test('a reshape that mixes units with pixels is noticed by running it', async () => {
    const net: Build = (graph, weight) => {
      const x = graph.input('x', 'float32', ['n', 1, 4, 4]);
      const conv = graph.op('Conv', [x, weight('c')], {}, 'conv');
      // Rows of 4 numbers that are pixels, not the 4 channels.
      const rows = graph.op('Reshape', [graph.op('Relu', [conv]), graph.ints(-1, 4)]);
      graph.output(graph.op('MatMul', [rows, weight('d')]), 'float32', ['m', 2]);
    };
    const shapes = { c: [4, 1, 3, 3], d: [4, 2] };
    const sides = [
      await side(await onnxFile('mix-a', net, gaussianWeights(shapes, 1))),
      await side(await onnxFile('mix-b', net, gaussianWeights(shapes, 2))),
    ];
    await expect(run(rebasin, sides)).rejects.toThrow(/computes something else/);
  });
});

describe('without a graph', () => {
  async function checkpoint(name: string, weights: Weights) {
    const header: Record<string, unknown> = {};
    let end = 0;
    for (const [key, { shape, data }] of Object.entries(weights)) {
      header[key] = { dtype: 'F32', shape, data_offsets: [end, end + data.byteLength] };
      end += data.byteLength;
    }
    const text = JSON.stringify(header);
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(text.length));
    const path = join(folder, `${name}.safetensors`);
    const parts = Object.values(weights).map(({ data }) => Buffer.from(data.buffer));
    await writeFile(path, Buffer.concat([length, Buffer.from(text), ...parts]));
    return path;
  }
  const named = (weights: Weights, extra: Weights = {}): Weights => ({
    ...extra,
    // Out of order, as some writers have them.
    'net.10.weight': weights['w3']!,
    'net.10.bias': weights['b3']!,
    'net.2.weight': weights['w2']!,
    'net.2.bias': weights['b2']!,
    'net.0.weight': weights['w1']!,
    'net.0.bias': weights['b1']!,
  });

  test('linear layers in the order of their names have permutations, and no barrier', async () => {
    const weights = gaussianWeights(mlpShapes, 6);
    const planted = orders([12, 9], 21);
    const sides = [
      await side(await checkpoint('a', named(weights))),
      await side(await checkpoint('b', named(mlpMoved(weights, planted)))),
    ];
    const outcome = await run(rebasin, sides);
    expect(outcome.values['permutations']).toEqual(planted.map(inverse));
    expect(outcome.values['layers']).toEqual(['net.0', 'net.2']);
    expect(outcome.values['barrier']).toBeNull();
    expect(outcome.warnings.join()).toMatch(
      /barrier and midpoint are null: a.safetensors has no graph/,
    );
    await expect(run(rebasin, sides, { data: 'activations' })).rejects.toThrow(/use data=weights/);
  });

  test('other tensors, and layers that do not follow, are refused by name', async () => {
    const weights = gaussianWeights({ ...mlpShapes, n: [5], w9: [3, 7] }, 6);
    const normed = await side(
      await checkpoint('c', named(weights, { 'norm.scale': weights['n']! })),
    );
    await expect(run(rebasin, [normed, normed])).rejects.toThrow(
      /norm.scale is not part of a linear layer/,
    );
    const broken = await side(
      await checkpoint('d', named(weights, { 'net.11.weight': weights['w9']! })),
    );
    await expect(run(rebasin, [broken, broken])).rejects.toThrow(
      /net.11 takes 7 units and net.10 gives 4/,
    );
  });
});
