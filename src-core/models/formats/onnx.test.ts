import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { createHash } from 'node:crypto';
import {
  copyFile,
  mkdir,
  mkdtemp,
  readFile,
  rm,
  symlink,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { GraphBuilder } from '../../onnx/graph-builder.ts';
import type { Model, RunnableGraph } from '../model.ts';
import { openOnnx } from './onnx.ts';

// Models and the values of their inner layers, computed by NumPy: make.py beside them.
const fixtures = fileURLToPath(new URL('../../../test/fixtures/onnx/', import.meta.url));
interface Array_ {
  shape: number[];
  data: number[];
}
const expected = JSON.parse(await readFile(join(fixtures, 'expected.json'), 'utf8')) as Record<
  'cnn' | 'half' | 'block' | 'means',
  Record<string, Array_>
>;

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'onnx model ü-'));
});
afterAll(() => rm(folder, { recursive: true }));

const feed = ({ shape, data }: Array_) => new Tensor('float32', Float32Array.from(data), shape);

/** The session options under which weights stay mapped in their files. */
const options = (externalFolder?: string): InferenceSession.SessionOptions => ({
  executionProviders: ['cpu'],
  extra: {
    session: {
      disable_prepacking: '1',
      ...(externalFolder !== undefined && {
        model_external_initializers_file_folder_path: externalFolder,
      }),
    },
  },
});

async function run(graph: RunnableGraph, feeds: Record<string, Tensor>) {
  const session = await InferenceSession.create(graph.bytes, options(graph.externalFolder));
  try {
    return await session.run(feeds);
  } finally {
    await session.release();
  }
}

/** The unchanged model with plain extra outputs, all weights inside. */
async function runPlain(path: string, layers: readonly string[], feeds: Record<string, Tensor>) {
  const field = (number: number, bytes: Uint8Array) =>
    new BinaryWriter().tag(number, WireType.LengthDelimited).bytes(bytes).finish();
  const outputs = layers.map((name) => field(7, field(12, field(1, Buffer.from(name)))));
  const bytes = Buffer.concat([await readFile(path), ...outputs]);
  const session = await InferenceSession.create(new Uint8Array(bytes), options());
  try {
    return await session.run(feeds);
  } finally {
    await session.release();
  }
}

function expectClose(actual: Tensor | undefined, wanted: Array_): void {
  expect(actual?.dims).toEqual(wanted.shape);
  const values = Array.from(actual!.data as Float32Array);
  const error = Math.max(...values.map((value, i) => Math.abs(value - wanted.data[i]!)));
  expect(error).toBeLessThan(1e-5);
}

const open = (name: string) => openOnnx(join(fixtures, `${name}.onnx`));
const defaults = (model: Model) =>
  model.outline.layers.filter((layer) => layer.default).map(({ name }) => name);

describe('a classifier without declared shapes', () => {
  test('is outlined from its operators', async () => {
    const { outline } = await open('cnn');
    expect(outline).toMatchObject({
      name: 'cnn',
      format: 'onnx',
      architecture: 'repscope-fixture',
      runnable: true,
      parameters: 40 + 24 * 64 + 24 + 24 * 10 + 10,
      dtypes: { float32: 1850 },
      inputs: [{ name: 'image', dtype: 'float32', shape: ['N', 1, 8, 8] }],
      outputs: [{ name: 'logits', dtype: 'float32', shape: ['N', 10] }],
      findings: [],
    });
    const rows = outline.layers.map(({ name, kind, axes, shape, parameters }) => [
      ...[name, kind, axes, shape, parameters],
    ]);
    expect(rows).toEqual([
      ['conv', 'Conv', 'image', ['N', 4, 8, 8], 40],
      ['conv.relu', 'Relu', 'image', ['N', 4, 8, 8], undefined],
      ['pool', 'MaxPool', 'image', ['N', 4, 4, 4], undefined],
      ['flatten', 'Reshape', 'features', ['N', 64], undefined],
      ['fc1', 'Gemm', 'features', ['N', 24], 1560],
      ['fc1.relu', 'Relu', 'features', ['N', 24], undefined],
      ['fc2.product', 'MatMul', 'features', ['N', 10], 240],
      ['logits', 'MatMul', 'features', ['N', 10], 10],
    ]);
  });

  test('has one default layer a block', async () => {
    expect(defaults(await open('cnn'))).toEqual(['conv.relu', 'pool', 'fc1.relu', 'logits']);
  });

  test('captured layers equal those NumPy computes', async () => {
    const { image, ...layers } = expected.cnn;
    const model = await open('cnn');
    const graph = await model.graph(Object.keys(layers));
    expect(graph.outputs).toEqual(Object.keys(layers));
    const results = await run(graph, { image: feed(image!) });
    for (const [name, values] of Object.entries(layers)) expectClose(results[name], values);
  });
});

describe('a transformer block', () => {
  test('is outlined with its residual stream and attention', async () => {
    const model = await open('block');
    expect(defaults(model)).toEqual(['ln1', 'resid_mid', 'mlp.act', 'resid_post']);
    const layers = new Map(model.outline.layers.map((layer) => [layer.name, layer]));
    expect(layers.get('attn.probs')).toMatchObject({
      axes: 'attention',
      shape: ['N', 2, 'T', 'T'],
    });
    expect(layers.get('mlp.act')).toMatchObject({
      kind: 'Gelu',
      axes: 'tokens',
      shape: ['N', 'T', 320],
    });
    expect(layers.get('attn.q')).toMatchObject({ parameters: 64 });
  });

  test.each(['block', 'external'])('%s: layers equal those NumPy computes', async (name) => {
    const { x, ...layers } = expected.block;
    const model = await open(name);
    const graph = await model.graph([...Object.keys(layers), 'mlp.act']);
    const results = await run(graph, { x: feed(x!) });
    for (const [layer, values] of Object.entries(layers)) expectClose(results[layer], values);
    const act = results['mlp.act']!.data as Float32Array;
    const means = expected.means['mlp.act']!.data;
    means.forEach((mean, i) => {
      const row = act.subarray(i * 320, (i + 1) * 320);
      expect(row.reduce((sum, value) => sum + value, 0) / 320).toBeCloseTo(mean, 5);
    });
  });
});

describe('the light copy', () => {
  test('leaves weights in the file', async () => {
    const model = await open('block');
    const { bytes, externalFolder } = await model.graph(['resid_mid']);
    expect(externalFolder).toBe(fixtures.replace(/\/$/, ''));
    expect(bytes.length).toBeLessThan(model.outline.bytes - 2 * 2560 * 4 + 500);
  });

  test.each([
    ['cnn', 'image'],
    ['block', 'x'],
  ] as const)('%s: values equal those of the unchanged model', async (name, input) => {
    const model = await open(name);
    const names = model.outline.layers.map((layer) => layer.name);
    const inner = names.filter((layer) => layer !== model.outline.outputs[0]!.name);
    const feeds = { [input]: feed(expected[name][input]!) };
    const copied = await run(await model.graph(names), feeds);
    const plain = await runPlain(model.outline.path, inner, feeds);
    for (const layer of names) {
      expect([layer, copied[layer]!.data]).toEqual([layer, plain[layer]!.data]);
    }
  });

  test('tapping default layers leaves the final output bit-identical', async () => {
    const model = await open('cnn');
    const feeds = { image: feed(expected.cnn['image']!) };
    const tapped = await run(await model.graph(defaults(model)), feeds);
    const untouched = await runPlain(model.outline.path, [], feeds);
    expect(tapped['logits']!.data).toEqual(untouched['logits']!.data);
  });

  test('does not repeat outputs, and keeps the order asked for', async () => {
    const model = await open('cnn');
    const graph = await model.graph(['logits', 'conv', 'conv']);
    expect(graph.outputs).toEqual(['logits', 'conv', 'conv']);
    const session = await InferenceSession.create(graph.bytes, options(graph.externalFolder));
    expect(session.outputNames).toEqual(['logits', 'conv']);
    await session.release();
  });

  test('an unknown layer is answered with similar names', async () => {
    const model = await open('cnn');
    await expect(model.graph(['conv.rellu'])).rejects.toMatchObject({
      code: 'unknown-layer',
      remedy: expect.stringContaining('conv.relu') as string,
    });
  });
});

test('an int8 model lists the names of its float twin', async () => {
  const { outline } = await open('int8');
  expect(outline.layers.map(({ name, kind, default: chosen }) => [name, kind, chosen])).toEqual([
    ['fc1', 'Gemm', false],
    ['fc1.relu', 'Relu', true],
    ['logits', 'MatMul', true],
  ]);
  expect(outline.dtypes).toEqual({ int8: 24 * 64 + 24 * 10, float32: 24 });
});

test('16-bit layers are given out as float32', async () => {
  const { features, ...layers } = expected.half;
  const model = await open('half');
  const graph = await model.graph(Object.keys(layers));
  const results = await run(graph, { features: feed(features!) });
  Object.values(layers).forEach(({ shape, data }, i) => {
    const { type, dims, data: values } = results[graph.outputs[i]!]!;
    expect([type, dims]).toEqual(['float32', shape]);
    // Half precision has 11 significant bits; a handful of roundings.
    (values as Float32Array).forEach((value, j) => expect(value).toBeCloseTo(data[j]!, 1));
  });
  expect(results['logits']!.type).toBe('float16');
});

test('a float16 input is said to be beyond reach', async () => {
  const builder = new GraphBuilder('g');
  const x = builder.input('x', 'float16', ['N', 2]);
  builder.output(builder.op('Relu', [x], {}, 'y'), 'float16', ['N', 2]);
  const path = join(folder, 'half-input.onnx');
  await writeFile(path, builder.finish());
  expect((await openOnnx(path)).outline).toMatchObject({
    runnable: false,
    findings: [{ severity: 'error', code: 'half-input' }],
  });
});

test('control flow, custom operators and non-finite weights are found', async () => {
  const branch = await open('branch');
  expect(branch.outline.findings.map(({ code }) => code)).toEqual(['control-flow']);
  expect(branch.outline.layers.find(({ name }) => name === 'silu')).toMatchObject({
    kind: 'Silu',
    default: true,
  });
  expect(await branch.nonFiniteTensors()).toEqual(['shared']);
  expect(await (await open('block')).nonFiniteTensors()).toEqual([]);
  const custom = await open('custom');
  expect(custom.outline).toMatchObject({
    runnable: false,
    findings: [{ code: 'custom-operator' }],
  });
  await expect(custom.graph([])).rejects.toMatchObject({ code: 'unsupported' });
});

const model = await readFile(join(fixtures, 'external.onnx'));
const weights = await readFile(join(fixtures, 'external.bin'));

describe('external data', () => {
  async function place(name: string, content: Uint8Array, data?: Uint8Array): Promise<string> {
    const target = join(folder, name);
    await mkdir(target, { recursive: true });
    await writeFile(join(target, 'external.onnx'), content);
    if (data) await writeFile(join(target, 'external.bin'), data);
    return join(target, 'external.onnx');
  }

  test.each([
    ['missing', model, undefined, /external\.bin is missing/],
    ['cut', model, weights.subarray(0, 5000), /external\.bin is cut short/],
    [
      'elsewhere',
      Buffer.from(model.toString('latin1').replaceAll('external.bin', '../ernal.bin'), 'latin1'),
      weights,
      /outside the model's folder/,
    ],
  ])('%s: found, and not run', async (name, content, data, message) => {
    const opened = await openOnnx(await place(name, content, data));
    expect(opened.outline).toMatchObject({
      runnable: false,
      notRunnableBecause: expect.stringMatching(message) as string,
      findings: [{ severity: 'error', code: 'external-data' }],
    });
    await expect(opened.graph([])).rejects.toMatchObject({ code: 'unsupported' });
  });

  test('is part of the fingerprint', async () => {
    const first = await openOnnx(await place('one', model, weights));
    const hash = createHash('sha256').update(model).update(weights).digest('hex');
    expect(await first.fingerprint()).toBe(hash);
    const other = await openOnnx(await place('two', model, weights.with(100, 255)));
    expect(await other.fingerprint()).not.toBe(hash);
  });

  test('is found through the links of a Hugging Face cache', async () => {
    const blobs = join(folder, 'blobs');
    const snapshot = join(folder, 'snapshots', 'main');
    await mkdir(blobs);
    await mkdir(snapshot, { recursive: true });
    await copyFile(join(fixtures, 'external.onnx'), join(blobs, 'aaaa'));
    await copyFile(join(fixtures, 'external.bin'), join(blobs, 'bbbb'));
    await symlink('../../blobs/aaaa', join(snapshot, 'external.onnx'));
    await symlink('../../blobs/bbbb', join(snapshot, 'external.bin'));
    const opened = await openOnnx(join(snapshot, 'external.onnx'));
    const { x, resid_post: last } = expected.block;
    const results = await run(await opened.graph(['resid_mid']), { x: feed(x!) });
    expectClose(results['resid_post'], last!);
  });
});

test('a path with spaces and letters beyond ASCII runs', async () => {
  const path = join(folder, 'mein modell ä.onnx');
  await copyFile(join(fixtures, 'cnn.onnx'), path);
  const model = await openOnnx(path);
  const { image, logits } = expected.cnn;
  const results = await run(await model.graph(['conv']), { image: feed(image!) });
  expectClose(results['logits'], logits!);
});

test('a model cut anywhere is refused', async () => {
  const sound = await readFile(join(fixtures, 'cnn.onnx'));
  const path = join(folder, 'cut.onnx');
  for (const share of [0.1, 0.5, 0.9, 0.99]) {
    await writeFile(path, sound.subarray(0, Math.floor(sound.length * share)));
    await expect(openOnnx(path)).rejects.toMatchObject({ code: 'truncated' });
  }
});

test('a model rewritten since it was opened is not run with old offsets', async () => {
  const path = join(folder, 'rewritten.onnx');
  await copyFile(join(fixtures, 'cnn.onnx'), path);
  const opened = await openOnnx(path);
  await copyFile(join(fixtures, 'block.onnx'), path);
  await utimes(path, 1000, 1000);
  await expect(opened.graph(['conv'])).rejects.toMatchObject({ code: 'failed', where: path });
});
