import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createEngine, type Engine } from '../engine/device-engine.ts';
import type { TfjsGraph } from '../models/model.ts';
import { openModel } from '../models/open.ts';
import { captureLayers } from './capture.ts';
import { openFeed } from './feed.ts';
import { canReduce, reduced, reduceValues, type Reduction } from './reduction.ts';

const fixtures = fileURLToPath(new URL('../../test/fixtures', import.meta.url));
const roberta = join(fixtures, 'encoders/roberta');
const sequences = [
  [5, 9, 11, 8],
  [7, 3],
  [6, 6, 12, 10, 4, 9, 8],
];

let engine: Engine;
let folder: string;
let probe: string;
beforeAll(async () => {
  engine = await createEngine('cpu');
  folder = await mkdtemp(join(tmpdir(), 'repscope-'));
  probe = join(folder, 'ids.jsonl');
  await writeFile(probe, sequences.map((ids) => JSON.stringify({ ids })).join('\n'));
});
afterAll(async () => {
  await engine.dispose();
  await rm(folder, { recursive: true });
});

/** The sum of real tokens. */
const sum: Reduction = {
  id: 'sum',
  append(graph, value, mask) {
    const weights = graph.op('Reshape', [mask, graph.ints(0, 1, -1)]);
    const total = graph.op('MatMul', [weights, value]);
    return graph.op('Reshape', [total, graph.ints(0, -1)]);
  },
};

async function capture(layers: string[], reduction?: Reduction, cacheFolder?: string) {
  const model = await openModel(roberta);
  const captured = await captureLayers(
    {
      model,
      layers,
      feed: await openFeed(model, probe, folder),
      pool: 'none',
      ...(reduction ? { reduction } : {}),
    },
    {
      engine,
      ...(cacheFolder === undefined ? {} : { cacheFolder }),
      cacheLimit: 2 ** 30,
      memoryLimit: 2 ** 30,
      warn: () => undefined,
      step: () => Promise.resolve(),
    },
  );
  const rows = await Promise.all(
    captured.layers.map(async (layer) => ({
      n: layer.n,
      d: layer.d,
      data: Array.from(await layer.rows(0, layer.n)),
    })),
  );
  await captured.close();
  return { rows, sequences: captured.sequences };
}

describe('within a model’s graph', () => {
  const layers = ['layers.0.resid_post', 'layers.1.resid_post'];

  it('every sample of any length has one row, in the order of the probe', async () => {
    const within = await capture(layers, sum);
    const tokens = await capture(layers);
    expect(within.sequences).toBeUndefined();
    for (const [index, { n, d, data }] of within.rows.entries()) {
      expect([n, d]).toEqual([sequences.length, tokens.rows[index]!.d]);
      data.forEach((value, at) => {
        const [sample, unit] = [Math.floor(at / d), at % d];
        let wanted = 0;
        for (let row = tokens.sequences![sample]!; row < tokens.sequences![sample + 1]!; row++) {
          wanted += tokens.rows[index]!.data[row * d + unit]!;
        }
        expect(value).toBeCloseTo(wanted, 4);
      });
    }
  });

  it('rows are kept under a name of their own', async () => {
    const cache = join(folder, 'cache');
    const first = await capture(layers, sum, cache);
    const tokens = await capture(layers, undefined, cache);
    expect(tokens.rows[0]!.n).toBe(sequences.flat().length);
    expect((await capture(layers, sum, cache)).rows).toEqual(first.rows);
  });

  it('a layer without tokens is refused', async () => {
    await expect(capture(['pooler'], sum)).rejects.toMatchObject({ code: 'wrong-shape' });
  });
});

it('values at hand are reduced in their own precision', async () => {
  const data = Float64Array.of(1, 1e-9, 2, 1e-9, 3, 1e-9);
  const found = await reduceValues(engine, sum, data, [1, 3, 2], 3);
  expect(found).toBeInstanceOf(Float64Array);
  expect(found[1]! / 3e-9).toBeCloseTo(1, 12);
});

describe('where a graph takes nothing behind it', () => {
  it.each([
    ['onnx-breadth/opset10.onnx', false],
    ['onnx-breadth/opset11.onnx', true],
    ['minilm/tiny-f32', true],
  ])('%s: %s', async (path, takes) => {
    expect(canReduce((await openModel(join(fixtures, path))).outline)).toBe(takes);
  });

  it('TensorFlow.js', () => {
    const graph = { runtime: 'tfjs' } as TfjsGraph;
    expect(() => reduced(graph, 'model', sum)).toThrow(/run by TensorFlow\.js.*convert the model/);
  });
});
