import { cp, mkdtemp, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createEngine, type Engine, type ModelOutput } from '../../engine/device-engine.ts';
import { openMatrix } from '../../tensor/matrix-file.ts';
import { openTfjs } from '../../tensor/tfjs.ts';
import { openModel } from '../open.ts';

// Models by the rules of the format and values by numpy: make.py beside them.
const fixtures = fileURLToPath(new URL('../../../test/fixtures/tfjs/', import.meta.url));
const onnx = fileURLToPath(
  new URL('../../../examples/digits/models/cnn-seed0.onnx', import.meta.url),
);
interface Value {
  shape: number[];
  norm: number;
  every97: number[];
}
const expected = JSON.parse(await readFile(join(fixtures, 'expected.json'), 'utf8')) as {
  layers: Record<string, Value>;
  quantised: Record<string, Value>;
  weights: Record<string, number[]>;
};
const at = (name: string) => join(fixtures, name, 'model.json');
const pixels = Float32Array.from({ length: 2 * 784 }, (_, i) => ((i * 37) % 101) / 101);

let folder = '';
let engine: Engine;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tfjs-'));
  engine = await createEngine('cpu');
});
afterAll(async () => {
  await engine.dispose();
  await rm(folder, { recursive: true });
});

async function run(path: string, layers: string[], dims = [2, 28, 28, 1]) {
  const model = await openModel(path);
  const session = await engine.openModel(await model.graph(layers), model.outline.name);
  try {
    return await session.run({
      [model.outline.inputs[0]!.name]: { dtype: 'float32', dims, data: pixels },
    });
  } finally {
    await session.release();
  }
}

/** Largest deviation from numpy. */
function deviation({ data }: ModelOutput, { norm, every97 }: Value): number {
  const found = data.filter((_, i) => i % 97 === 0);
  const sum = data.reduce((total, value) => total + Math.abs(value), 0);
  const differences = every97.map((value, i) => Math.abs(value - found[i]!));
  return Math.max(Math.abs(sum - norm) / norm, ...differences);
}

const nodes: Record<string, string> = {
  conv1: 'digits/conv1/BiasAdd',
  conv1_relu: 'digits/conv1/Relu',
  pool1: 'digits/pool1/MaxPool',
  pool2: 'digits/pool2/MaxPool',
  flatten: 'digits/flatten/Reshape',
  dense1: 'digits/dense1/BiasAdd',
  dense1_relu: 'digits/dense1/Relu',
  logits: 'digits/logits/BiasAdd',
  probabilities: 'Identity',
};

describe('values equal to those of numpy', () => {
  test.each([
    ['layers', (name: string) => name, 'layers', 1e-5],
    ['graph', (name: string) => nodes[name]!, 'layers', 1e-5],
    ['quantised', (name: string) => name, 'quantised', 1e-5],
  ] as const)('%s model', async (folder, valueName, key, tolerance) => {
    const names = Object.keys(expected[key]);
    const values = await run(at(folder), names.map(valueName));
    for (const name of names) {
      const value = values[valueName(name)]!;
      expect([name, value.dims]).toEqual([name, expected[key][name]!.shape]);
      expect([name, deviation(value, expected[key][name]!)]).toEqual([
        name,
        expect.toSatisfy((x: number) => x < tolerance),
      ]);
    }
  });

  test('the ONNX twin agrees', async () => {
    const names = ['dense1', 'dense1_relu', 'logits', 'probabilities'];
    const [ours, twin] = [await run(at('layers'), names), await run(onnx, names, [2, 1, 28, 28])];
    for (const name of names) {
      const values = ours[name]!.data;
      const [worst, largest] = values.reduce(
        ([worst, largest], value, i) => [
          Math.max(worst, Math.abs(value - twin[name]!.data[i]!)),
          Math.max(largest, Math.abs(value)),
        ],
        [0, 0],
      );
      expect(worst / largest).toBeLessThan(1e-5);
    }
  });
});

test.each(['layers', 'graph'])('a %s model leaves no tensors behind', async (name) => {
  const model = await openModel(at(name));
  const before = tf.memory().numTensors;
  const session = await engine.openModel(await model.graph([model.outline.layers[1]!.name]));
  expect(session.runtime).toBe('tfjs wasm');
  const feeds = { image: { dtype: 'float32', dims: [2, 28, 28, 1], data: pixels } } as const;
  await session.run(feeds);
  const loaded = tf.memory().numTensors;
  for (let i = 0; i < 3; i++) await session.run(feeds);
  expect(tf.memory().numTensors).toBe(loaded);
  await session.release();
  expect(tf.memory().numTensors).toBe(before);
});

test('a graph with values of no fixed size', async () => {
  const target = join(folder, 'dynamic');
  await cp(join(fixtures, 'graph'), target, { recursive: true });
  const path = join(target, 'model.json');
  const json = JSON.parse(await readFile(path, 'utf8')) as {
    modelTopology: { node: object[] };
  };
  json.modelTopology.node.push(
    { name: 'below', op: 'Greater', input: ['digits/dense1/Relu', 'digits/dense1/BiasAdd'] },
    { name: 'where', op: 'Where', input: ['below'] },
    { name: 'picked', op: 'GatherNd', input: ['digits/dense1/BiasAdd', 'where'] },
  );
  await writeFile(path, JSON.stringify(json));
  const before = tf.memory().numTensors;
  const values = await run(path, ['digits/dense1/BiasAdd', 'picked']);
  expect(Array.from(values['picked']!.data)).toEqual(
    Array.from(values['digits/dense1/BiasAdd']!.data).filter((value) => value < 0),
  );
  expect(tf.memory().numTensors).toBe(before);
});

test('a graph with an operator that WebAssembly lacks runs without it', async () => {
  const target = join(folder, 'einsum');
  await cp(join(fixtures, 'graph'), target, { recursive: true });
  const path = join(target, 'model.json');
  const json = JSON.parse(await readFile(path, 'utf8')) as {
    modelTopology: { node: object[] };
  };
  json.modelTopology.node.push({
    name: 'product',
    op: 'Einsum',
    input: ['digits/dense1/Relu', 'digits/logits/kernel'],
    attr: { N: { i: '2' }, equation: { s: Buffer.from('ij,jk->ik').toString('base64') } },
  });
  await writeFile(path, JSON.stringify(json));
  const model = await openModel(path);
  const names = ['product', 'digits/logits/MatMul'];
  const session = await engine.openModel(await model.graph(names));
  expect(session.runtime).toBe('tfjs cpu');
  const values = await session.run({
    image: { dtype: 'float32', dims: [2, 28, 28, 1], data: pixels },
  });
  const [product, expectedProduct] = names.map((name) => Array.from(values[name]!.data));
  product!.forEach((value, i) => expect(value).toBeCloseTo(expectedProduct![i]!, 3));
  await session.release();
});

describe('outline', () => {
  test('layers model', async () => {
    const { outline } = await openModel(join(fixtures, 'layers'));
    expect(outline).toMatchObject({
      name: 'layers',
      format: 'tfjs',
      architecture: 'digits',
      // 3·3·8 + 8 + 3·3·8·16 + 16 + 784·32 + 32 + 32·10 + 10
      parameters: 26_698,
      dtypes: { float32: 26_698 },
      inputs: [{ name: 'image', dtype: 'float32', shape: [null, 28, 28, 1] }],
      outputs: [{ name: 'probabilities', shape: [null, 10] }],
      findings: [],
      runnable: true,
    });
    // Shapes as the numpy values have them, but for the batch.
    const shapes = outline.layers.map(({ name, shape }) => [name, shape]);
    expect(shapes.filter(([name]) => name !== 'conv2' && name !== 'conv2_relu')).toEqual(
      Object.entries(expected.layers).map(([name, { shape }]) => [name, [null, ...shape.slice(1)]]),
    );
    expect(outline.layers.filter((layer) => layer.default).map(({ name }) => name)).toEqual([
      'conv1_relu',
      'conv2_relu',
      'dense1_relu',
      'probabilities',
    ]);
    expect(outline.layers.find(({ name }) => name === 'dense1')).toMatchObject({
      kind: 'Dense',
      axes: 'features',
      parameters: 784 * 32 + 32,
    });
  });

  test('graph model', async () => {
    const { outline } = await openModel(at('graph'));
    expect(outline).toMatchObject({
      parameters: 26_698,
      inputs: [{ name: 'image', dtype: 'float32', shape: [null, 28, 28, 1] }],
      outputs: [{ name: 'Identity', shape: [null, 10] }],
    });
    expect(outline.layers.filter((layer) => layer.default).map(({ name }) => name)).toEqual([
      'digits/conv1/Relu',
      'digits/conv2/Relu',
      'digits/dense1/Relu',
      'digits/logits/BiasAdd',
      'Identity',
    ]);
  });

  test('quantised weights are named', async () => {
    const { outline } = await openModel(at('quantised'));
    expect(outline.dtypes).toMatchObject({ uint8: 784 * 32, uint16: 9 * 8 * 16, float16: 320 });
    expect(outline.metadata['quantised dense1/kernel']).toMatch(/^uint8 × 0\.00\d+ \+ -0\.\d+$/);
    expect(outline.inputs[0]!.name).toBe('conv1_input');
    expect(outline.findings).toMatchObject([{ severity: 'info', code: 'quantised' }]);
  });
});

describe('weights by range', () => {
  test('across files, and with quantisation undone', async () => {
    for (const [folder, rename] of [
      ['quantised', 'probabilities'],
      ['layers', 'logits'],
    ] as const) {
      const file = await openTfjs(at(folder));
      for (const [name, values] of Object.entries(expected.weights)) {
        const weight = file.tensors.get(name.replace('logits', rename))!;
        const count = weight.shape.reduce((a, b) => a * b);
        const found = Array.from(await weight.elements(0, count));
        // Without quantisation the values differ by what it lost.
        const digits = folder === 'quantised' ? 6 : 2;
        values.forEach((value, i) => expect(found[97 * i]).toBeCloseTo(value, digits));
        expect(Array.from(await weight.elements(3, count - 2))).toEqual(found.slice(3, count - 2));
      }
      await file.close();
    }
  });

  test('a weight is a matrix for analyses', async () => {
    const matrix = await openMatrix('layers/model.json#dense1/kernel', fixtures);
    expect([matrix.n, matrix.d]).toEqual([784, 32]);
    await matrix.close();
  });
});

describe('bad input', () => {
  const copy = async (name: string, change: (json: Record<string, unknown>) => void) => {
    const target = join(folder, name);
    await cp(join(fixtures, 'layers'), target, { recursive: true });
    const path = join(target, 'model.json');
    const json = JSON.parse(await readFile(path, 'utf8')) as Record<string, unknown>;
    change(json);
    await writeFile(path, JSON.stringify(json));
    return path;
  };
  const same = () => undefined;

  test('a missing file of weights', async () => {
    const path = await copy('missing', same);
    await rm(join(folder, 'missing', 'group1-shard2of3.bin'));
    const model = await openModel(path);
    expect(model.outline).toMatchObject({
      runnable: false,
      notRunnableBecause: 'group1-shard2of3.bin is missing',
      findings: [{ severity: 'error', code: 'missing-weights' }],
    });
    await expect(model.graph(['conv1'])).rejects.toMatchObject({ code: 'unsupported' });
  });

  test('a short file of weights', async () => {
    const path = await copy('short', same);
    await truncate(join(folder, 'short', 'group1-shard3of3.bin'), 100);
    const { outline } = await openModel(path);
    expect(outline.notRunnableBecause).toMatch(
      /group1-shard3of3\.bin: the weights need 106792 bytes, \d+ are there/,
    );
  });

  test.each(['../layers/group1-shard1of3.bin', '/etc/passwd', 'C:\\x.bin', 'https://a.b/c.bin'])(
    'a path out of the folder: %s',
    async (name) => {
      const path = await copy(`escape-${name.length}`, (json) => {
        (json['weightsManifest'] as { paths: string[] }[])[0]!.paths[0] = name;
      });
      await expect(openModel(path)).rejects.toMatchObject({
        code: 'not-a-model',
        what: `names ${name}, outside its folder`,
      });
    },
  );

  test('a layer that TensorFlow.js does not know', async () => {
    const path = await copy('unknown', (json) => {
      const text = JSON.stringify(json['modelTopology']).replaceAll('"ReLU"', '"Custom"');
      json['modelTopology'] = JSON.parse(text);
    });
    const graph = await (await openModel(path)).graph(['conv1']);
    await expect(engine.openModel(graph, 'm')).rejects.toMatchObject({
      code: 'unsupported',
      message: expect.stringMatching(
        /^m: TensorFlow.js cannot load it: Unknown layer: Custom/,
      ) as string,
    });
  });

  test.each([
    ['list', '[1, 2]'],
    ['cut', '{"modelTopology": {"node": ['],
    ['numbers', '{"data": [[1, 2], [3, 4]]}'],
    ['neither', '{"modelTopology": {}}'],
  ])('%s', async (name, text) => {
    const path = join(folder, `${name}.json`);
    await writeFile(path, text);
    await expect(openModel(path)).rejects.toMatchObject({ code: 'not-a-model' });
  });
});
