import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import * as keras from '@tensorflow/tfjs-layers';
import { beforeAll, expect, onTestFinished, test } from 'vitest';
import { createEngine } from '../../engine/device-engine.ts';
import { startBackend } from '../../engine/tfjs/backend.ts';
import { openModel } from '../open.ts';

const { layers: make } = keras;

beforeAll(async () => {
  await startBackend();
});

/** Saved as TensorFlow.js saves it, and opened by us. */
async function saved(model: keras.LayersModel) {
  const folder = await mkdtemp(join(tmpdir(), 'keras-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const saver = tf.io.withSaveHandler(async ({ modelTopology, weightSpecs, weightData }) => {
    await writeFile(join(folder, 'weights.bin'), new Uint8Array(weightData as ArrayBuffer));
    const weightsManifest = [{ paths: ['weights.bin'], weights: weightSpecs }];
    await writeFile(join(folder, 'model.json'), JSON.stringify({ modelTopology, weightsManifest }));
    return { modelArtifactsInfo: { dateSaved: new Date(0), modelTopologyType: 'JSON' } };
  });
  await model.save(saver);
  return openModel(folder);
}

test('shapes and parameters are those of TensorFlow.js', async () => {
  const image = make.input({ shape: [33, 30, 3], name: 'image' });
  type Value = keras.SymbolicTensor;
  interface Layer {
    apply(x: Value | Value[]): unknown;
  }
  const apply = (layer: Layer, x: Value | Value[]) => layer.apply(x) as Value;
  const padded = apply(
    make.zeroPadding2d({
      padding: [
        [1, 2],
        [0, 3],
      ],
    }),
    image,
  );
  const conv = apply(make.conv2d({ filters: 6, kernelSize: [5, 3], strides: [2, 3] }), padded);
  const wide = apply(
    make.conv2d({ filters: 6, kernelSize: 3, dilationRate: 2, padding: 'same' }),
    conv,
  );
  const sum = apply(make.add(), [conv, wide]);
  const deep = apply(make.depthwiseConv2d({ kernelSize: 3, depthMultiplier: 2 }), sum);
  const normal = apply(make.batchNormalization(), deep);
  const active = apply(make.leakyReLU(), normal);
  const separable = apply(
    make.separableConv2d({ filters: 4, kernelSize: 2, padding: 'same' }),
    active,
  );
  const joined = apply(make.concatenate(), [active, separable]);
  const pooled = apply(
    make.averagePooling2d({ poolSize: [3, 2], strides: [2, 1], padding: 'same' }),
    joined,
  );
  const rows = apply(make.reshape({ targetShape: [-1, 8] }), pooled);
  const steps = apply(
    make.gru({ units: 5, returnSequences: true, recurrentInitializer: 'zeros' }),
    rows,
  );
  const last = apply(make.lstm({ units: 7, recurrentInitializer: 'zeros' }), steps);
  const other = apply(make.globalMaxPooling2d({}), joined);
  const both = apply(make.concatenate(), [last, other]);
  const model = keras.model({ inputs: image, outputs: apply(make.dense({ units: 2 }), both) });
  const opened = await saved(model);
  const { layers: found, parameters } = opened.outline;
  const counts = model.layers
    .filter((layer) => layer.getClassName() !== 'InputLayer')
    .map((layer) => [layer.name, layer.countParams()]);
  expect(found.map((layer) => [layer.name, layer.parameters ?? 0])).toEqual(counts);
  expect(parameters).toBe(model.countParams());
  const engine = await createEngine('cpu');
  const session = await engine.openModel(await opened.graph(found.map(({ name }) => name)));
  const data = new Float32Array(2 * 33 * 30 * 3);
  const values = await session.run({ image: { dtype: 'float32', dims: [2, 33, 30, 3], data } });
  const shapes = found.map(({ name }) => [name, [null, ...values[name]!.dims.slice(1)]]);
  expect(found.map(({ name, shape }) => [name, shape])).toEqual(shapes);
  await session.release();
  await engine.dispose();
});

test('a layer that is used twice has two values, a nested model one', async () => {
  const a = make.input({ shape: [4], name: 'a' });
  const b = make.input({ shape: [4], name: 'b' });
  const inner = keras.sequential({
    name: 'inner',
    layers: [make.dense({ units: 3, inputShape: [4], name: 'hidden' })],
  });
  const shared = make.dense({ units: 4, name: 'shared' });
  const first = shared.apply(a) as keras.SymbolicTensor;
  const second = shared.apply(b) as keras.SymbolicTensor;
  const ends = [inner.apply(first), second] as keras.SymbolicTensor[];
  const whole = keras.model({ inputs: [b, a], outputs: ends });
  const model = await saved(whole);
  expect(model.outline.inputs.map(({ name }) => name)).toEqual(['b', 'a']);
  expect(model.outline.layers.map(({ name, parameters }) => [name, parameters])).toEqual([
    ['shared:0', 20],
    ['shared:1', 20],
    ['inner', 15],
  ]);
  const engine = await createEngine('cpu');
  const names = ['inner', 'shared:1', 'shared:0'];
  const session = await engine.openModel(await model.graph(names));
  const feed = (value: number) =>
    ({ dtype: 'float32', dims: [1, 4], data: new Float32Array(4).fill(value) }) as const;
  const values = await session.run({ a: feed(1), b: feed(2) });
  const [out, other] = whole.predict([tf.fill([1, 4], 2), tf.fill([1, 4], 1)]) as tf.Tensor[];
  expect(Array.from(values['inner']!.data)).toEqual(Array.from(out!.dataSync()));
  expect(Array.from(values['shared:1']!.data)).toEqual(Array.from(other!.dataSync()));
  expect(Array.from(values['shared:0']!.data)).not.toEqual(Array.from(other!.dataSync()));
  await session.release();
  await engine.dispose();
});
