import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { UserError } from '../errors.ts';
import type { RunnableGraph } from '../models/model.ts';
import { GraphBuilder } from '../onnx/graph-builder.ts';
import { createEngine, listDevices, type Engine } from './device-engine.ts';
import type { DeviceReport } from './engine.ts';

let engine: Engine;
let devices: DeviceReport[];
let folder: string;
beforeAll(async () => {
  devices = await listDevices();
  engine = await createEngine('cpu');
  folder = await mkdtemp(join(tmpdir(), 'repscope-engine-'));
});
afterAll(async () => {
  await engine.dispose();
  await rm(folder, { recursive: true });
});

const failure = async (work: Promise<unknown>) => {
  const error: unknown = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(UserError);
  expect((error as UserError).message).not.toMatch(/\n|onnxruntime_src/);
  return error as UserError;
};

describe('devices', () => {
  test('the processor is always there, measured; the others are there or say why not', () => {
    expect(devices.map(({ name }) => name)).toEqual(['cpu', 'webgpu', 'cuda']);
    expect(devices[0]).toMatchObject({ available: true });
    for (const { available, gflops, reason } of devices) {
      if (available) expect(gflops).toBeGreaterThan(0);
      else expect(reason).toMatch(/^[^\n]{5,300}$/);
    }
  });

  test('a device asked for is used, or refused with its reason and a way out', async () => {
    for (const { name, available, reason } of devices) {
      if (available) {
        expect((await createEngine(name)).device).toBe(name);
        continue;
      }
      const error = await failure(createEngine(name));
      expect(error.code).toBe('device');
      expect(error.what).toBe(reason);
      expect(error.remedy).toMatch(/choose the device cpu or auto/);
    }
  });

  test('auto takes one that is there', async () => {
    const { device } = await createEngine('auto');
    expect(devices.find(({ name }) => name === device)?.available).toBe(true);
  });
});

/** y = x + 1 and, by the side, h = x · w. */
function graph(options: { location?: string } = {}): RunnableGraph {
  const builder = new GraphBuilder('g');
  const x = builder.input('x', 'float32', ['n', 2]);
  const one = builder.constant(Float32Array.of(1), []);
  builder.output(builder.op('Add', [x, one], {}, 'y'), 'float32', ['n', 2]);
  const w = options.location
    ? builder.external('w', 'float32', [2, 2], {
        location: options.location,
        offset: 4,
        length: 16,
      })
    : builder.constant(Float32Array.of(1, 2, 3, 4), [2, 2], 'w');
  const h = builder.op('MatMul', [x, w]);
  builder.output(builder.op('Cast', [h], { to: { to: 'float16' } }, 'h'), 'float16', ['n', 2]);
  return {
    bytes: builder.finish(),
    inputs: [{ name: 'x', dtype: 'float32', shape: ['n', 2] }],
    outputs: ['h'],
    ...(options.location ? { externalFolder: folder } : {}),
  };
}
const x = { dtype: 'float32', dims: [2, 2], data: Float32Array.of(1, 0.5, -2, 0) } as const;

describe('models', () => {
  test('run, give the outputs asked for, and float16 as float32', async () => {
    const session = await engine.openModel(graph());
    expect([session.inputs, session.outputs]).toEqual([['x'], ['y', 'h']]);
    const named = await session.run({ x }, ['y']);
    expect(Object.keys(named)).toEqual(['y']);
    expect(Array.from(named['y']!.data)).toEqual([2, 1.5, -1, 1]);
    // Where the call names none, those that the graph was made for.
    const some = await session.run({ x });
    expect(Object.keys(some)).toEqual(['h']);
    expect(some['h']!.dims).toEqual([2, 2]);
    expect(some['h']!.data).toBeInstanceOf(Float32Array);
    expect(Array.from(some['h']!.data)).toEqual([2.5, 4, -2, -4]);
    await session.release();
  });

  test('find weights in a file beside them', async () => {
    const weights = Float32Array.of(NaN, 1, 2, 3, 4);
    await writeFile(join(folder, 'weights.bin'), new Uint8Array(weights.buffer));
    const session = await engine.openModel(graph({ location: 'weights.bin' }));
    expect(Array.from((await session.run({ x }))['h']!.data)).toEqual([2.5, 4, -2, -4]);
    await session.release();
  });

  test('without their weights are refused by name, on one line', async () => {
    const error = await failure(engine.openModel(graph({ location: 'absent.bin' }), 'm.onnx'));
    expect(error.code).toBe('unsupported');
    expect(error.where).toBe('m.onnx');
    expect(error.message).toMatch(/absent\.bin/);
  });

  test('that are none are refused', async () => {
    const bytes = new TextEncoder().encode('not a model');
    const error = await failure(engine.openModel({ bytes, inputs: [], outputs: [] }));
    expect(error.code).toBe('unsupported');
  });

  test('fed the wrong shape fail with the runtime’s reason, and still serve', async () => {
    const session = await engine.openModel(graph(), 'm.onnx');
    const wrong = { dtype: 'float32', dims: [1, 3], data: new Float32Array(3) } as const;
    const error = await failure(session.run({ x: wrong }));
    expect(error.code).toBe('failed');
    expect(error.message).toMatch(/^m\.onnx: the run failed: /);
    expect(Array.from((await session.run({ x }, ['y']))['y']!.data)).toEqual([2, 1.5, -1, 1]);
    await session.release();
  });
});

test('generated graphs run again after dispose', async () => {
  const other = await createEngine('cpu');
  const { bytes } = graph();
  for (let round = 0; round < 2; round++) {
    const { y } = await other.run(bytes, { x });
    expect(Array.from(y!.data as Float32Array)).toEqual([2, 1.5, -1, 1]);
    await other.dispose();
  }
});
