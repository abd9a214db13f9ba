import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createEngine, type Engine } from '../../engine/device-engine.ts';
import { openOnnx } from './onnx.ts';

// Models of many kinds and what onnx.reference computes: make.py beside them.
const fixtures = fileURLToPath(new URL('../../../test/fixtures/onnx-breadth/', import.meta.url));
interface Values {
  shape: number[];
  data: number[];
}
const { x, ...models } = JSON.parse(await readFile(join(fixtures, 'expected.json'), 'utf8')) as {
  x: Values;
} & Record<string, Record<string, Values>>;

let engine: Engine;
beforeAll(async () => {
  engine = await createEngine('cpu');
});
afterAll(() => engine.dispose());

const open = (name: string) => openOnnx(join(fixtures, `${name}.onnx`));
const layerNames = async (name: string) =>
  (await open(name)).outline.layers.map((layer) => layer.name);

test.each(Object.keys(models))('%s: tapped values are those of the specification', async (name) => {
  const model = await open(name);
  const expected = models[name]!;
  const taps = Object.keys(expected);
  const graph = await model.graph(taps);
  const session = await engine.openModel(graph, name);
  const feeds = {
    x: { dtype: 'float32', dims: x.shape, data: Float32Array.from(x.data) } as const,
  };
  const values = await session.run(feeds);
  await session.release();
  for (const [index, tap] of taps.entries()) {
    const { dims, data } = values[graph.outputs[index]!]!;
    expect(dims).toEqual(expected[tap]!.shape);
    const errors = expected[tap]!.data.map((wanted, at) => Math.abs(wanted - data[at]!));
    expect(Math.max(...errors)).toBeLessThan(1e-5);
  }
});

test('weights in several files count once each', async () => {
  const { outline } = await open('two-files');
  expect(outline).toMatchObject({ runnable: true, findings: [], parameters: 128 });
  const own = (await readFile(join(fixtures, 'two-files.onnx'))).length;
  expect(outline.bytes).toBe(own + 256 + 320);
});

describe('bodies of control flow', () => {
  test.each([
    ['loop', ['before', 'looped', 'y'], '3 values', 'turned, next, go_on'],
    ['scan', ['before', 'last', 'sums', 'y'], '2 values', 'added, shown'],
  ])(
    '%s: outer values are layers, inner ones are named as not',
    async (name, layers, count, inner) => {
      const { outline } = await open(name);
      expect(await layerNames(name)).toEqual(layers);
      const message = `${count} inside its If, Loop and Scan bodies cannot be captured: ${inner}`;
      expect(outline.findings).toEqual([{ severity: 'info', code: 'control-flow', message }]);
    },
  );

  test('a scan stacks what its body gives', async () => {
    const { layers } = (await open('scan')).outline;
    const shapes = Object.fromEntries(layers.map(({ name, shape }) => [name, shape]));
    expect(shapes).toMatchObject({ last: [4], sums: [null, 4] });
  });
});

test('a function of the model is not taken for the operator of that name', async () => {
  const { outline } = await open('function');
  expect(outline).toMatchObject({ runnable: true, findings: [] });
  const wide = outline.layers.find(({ name }) => name === 'wide');
  expect(wide).toMatchObject({ kind: 'org.example.Add' });
  expect(wide).not.toHaveProperty('shape');
});

test('integer operators: only real values are layers', async () => {
  expect(await layerNames('integer')).not.toContain('product');
  expect((await open('integer')).outline).toMatchObject({ parameters: 16, dtypes: { int8: 16 } });
});

test('opsets 7 to 24 give one outline', async () => {
  const reference = await open('opset17');
  for (let opset = 7; opset <= 24; opset++) {
    const { outline } = await open(`opset${opset}`);
    expect(outline.layers, String(opset)).toEqual(reference.outline.layers);
    expect(outline.metadata['opset']).toBe(String(opset));
  }
});
