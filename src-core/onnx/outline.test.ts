import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { memoryBytes, type ByteSource } from '../bytes/byte-source.ts';
import { damaged, succeeds } from '../bytes/mutate.ts';
import { GraphBuilder } from './graph-builder.ts';
import { inferValues } from './inference.ts';
import { describeLayers, findParameters } from './layers.ts';
import { lightCopy } from './light-copy.ts';
import { readOutline } from './outline.ts';

const fixtures = fileURLToPath(new URL('../../test/fixtures/onnx/', import.meta.url));
const outlineOf = (bytes: Uint8Array) => readOutline(memoryBytes('m.onnx', bytes));
const message = (number: number, content: Uint8Array) =>
  new BinaryWriter().tag(number, WireType.LengthDelimited).bytes(content).finish();

/** A source that counts what is read of it. */
function counting(bytes: Uint8Array): ByteSource & { total: number } {
  const inner = memoryBytes('m.onnx', bytes);
  return {
    ...inner,
    total: 0,
    read(offset, length) {
      this.total += length;
      return inner.read(offset, length);
    },
  };
}

test('nodes, weights, inputs and outputs as the exporter wrote them', async () => {
  const { graph, opset, producer, domains } = await outlineOf(
    await readFile(`${fixtures}cnn.onnx`),
  );
  expect({ opset, producer, domains }).toEqual({
    opset: 17,
    producer: 'repscope-fixture',
    domains: [''],
  });
  expect(graph.nodes.map(({ op }) => op)).toEqual([
    ...['Conv', 'Relu', 'MaxPool', 'Reshape', 'Gemm', 'Relu', 'MatMul', 'Add'],
  ]);
  expect(graph.nodes[0]!.ints.get('pads')).toEqual([1, 1, 1, 1]);
  expect(graph.inputs).toEqual([{ name: 'image', dtype: 'float32', shape: ['N', 1, 8, 8] }]);
  expect(graph.outputs).toEqual([{ name: 'logits', dtype: 'float32', shape: ['N', 10] }]);
  const flat = graph.initializers.find(({ name }) => name === 'flat')!;
  expect([flat.dtype, flat.shape, flat.ints]).toEqual(['int64', [2], [0, -1]]);
  const fc1 = graph.initializers.find(({ name }) => name === 'fc1.weight')!;
  expect([fc1.dtype, fc1.shape, fc1.bytes]).toEqual(['float32', [24, 64], 6144]);
});

test('external data are places, not bytes', async () => {
  const { graph } = await outlineOf(await readFile(`${fixtures}external.onnx`));
  const up = graph.initializers.find(({ name }) => name === 'up')!;
  expect(up.data).toMatchObject({ kind: 'external', location: 'external.bin', length: 10240 });
});

test('large weights are not read', async () => {
  const builder = new GraphBuilder('g');
  const x = builder.input('x', 'float32', ['N', 4096]);
  const weights = builder.constant(new Float32Array(4096 * 2048), [4096, 2048], 'w');
  builder.output(builder.op('MatMul', [x, weights], {}, 'y'), 'float32', ['N', 2048]);
  const source = counting(builder.finish());
  const { graph } = await readOutline(source);
  expect(graph.initializers[0]).toMatchObject({ name: 'w', shape: [4096, 2048] });
  expect(source.size).toBeGreaterThan(32 << 20);
  expect(source.total).toBeLessThan(1 << 20);
});

test('repeated graph fields merge, as protobuf demands', async () => {
  const node = message(4, new TextEncoder().encode('Relu'));
  const bytes = Buffer.concat([message(7, message(1, node)), message(7, message(1, node))]);
  expect((await outlineOf(bytes)).graph.nodes).toHaveLength(2);
});

test('unknown fields are passed over', async () => {
  const sound = await readFile(`${fixtures}cnn.onnx`);
  const unknown = new BinaryWriter()
    .tag(900, WireType.Varint)
    .int64(-5)
    .tag(901, WireType.Bit64)
    .fixed64(7)
    .tag(902, WireType.LengthDelimited)
    .string('x')
    .finish();
  const { graph } = await outlineOf(Buffer.concat([unknown, sound, unknown]));
  expect(graph.nodes).toHaveLength(8);
});

test.each([
  [
    'negative dimensions',
    message(7, message(5, new BinaryWriter().tag(1, WireType.Varint).int64(-3).finish())),
  ],
  [
    'a field longer than its message',
    Buffer.concat([message(7, Uint8Array.of(0x0a, 0x7f, 0x00)), message(14, new Uint8Array(0))]),
  ],
  ['a length of eleven bytes', Uint8Array.of(0x3a, ...new Array<number>(10).fill(0xff), 0x7f)],
  ['no graph', new BinaryWriter().tag(1, WireType.Varint).int64(8).finish()],
])('%s: refused', async (_, bytes) => {
  await expect(outlineOf(bytes)).rejects.toMatchObject({ code: 'not-a-model' });
});

test('graphs nested without end are refused', async () => {
  let graph: Uint8Array = new Uint8Array(0);
  for (let depth = 0; depth < 200; depth++) graph = message(1, message(5, message(6, graph)));
  await expect(outlineOf(message(7, graph))).rejects.toThrow(/nested more than 32 deep/);
});

test('millions of empty nodes are refused before memory runs out', async () => {
  const nodes = new Uint8Array(2 * 1_000_001);
  for (let i = 0; i < nodes.length; i += 2) nodes[i] = 0x0a;
  await expect(outlineOf(message(7, nodes))).rejects.toThrow(/more than 1000000 nodes/);
});

test('shape arithmetic that doubles at every step stays bounded', async () => {
  const builder = new GraphBuilder('g');
  let value = builder.op('Shape', [builder.input('x', 'float32', ['N', 4])]);
  for (let i = 0; i < 60; i++) value = builder.op('Concat', [value, value], { axis: 0 });
  const reshaped = builder.op('Expand', [builder.input('y', 'float32', [1]), value], {}, 'out');
  builder.output(reshaped, 'float32', []);
  const { graph } = await outlineOf(builder.finish());
  expect(inferValues(graph).get('out')!.dtype).toBe('float32');
});

test('a damaged model is outlined or refused with a reason', async () => {
  for (const [name, numRuns] of [
    ['cnn', 1200],
    ['branch', 1200],
    ['int8', 600],
    ['external', 600],
  ] as const) {
    const sound = await readFile(`${fixtures}${name}.onnx`);
    const outcomes = new Set<boolean>();
    await fc.assert(
      fc.asyncProperty(damaged(sound), async (bytes) => {
        const use = async () => {
          const source = memoryBytes('m.onnx', bytes);
          const outline = await readOutline(source);
          const { graph } = outline;
          describeLayers(graph, inferValues(graph), findParameters(graph));
          await lightCopy(
            source,
            outline,
            ({ data }) =>
              data.kind === 'raw'
                ? { location: 'm.onnx', offset: data.offset, length: data.length }
                : undefined,
            [{ name: 'conv' }, { name: 'c', from: 'conv' }],
          );
        };
        outcomes.add(await succeeds(use));
      }),
      { numRuns, seed: 3 },
    );
    expect([name, outcomes]).toEqual([name, new Set([true, false])]);
  }
});
