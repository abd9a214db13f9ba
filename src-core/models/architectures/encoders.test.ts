import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createEngine, type Engine, type FeedTensor } from '../../engine/device-engine.ts';
import { openHuggingFace } from '../formats/huggingface.ts';
import type { Model } from '../model.ts';
import { distanceBuckets } from './relative-bias.ts';

const fixtures = fileURLToPath(new URL('../../../test/fixtures/encoders', import.meta.url));

interface Stored {
  shape: number[];
  data: number[];
}
interface Expected {
  inputs: Record<string, Stored>;
  values: Record<string, Stored>;
}

const readExpected = async (name: string) =>
  JSON.parse(await readFile(join(fixtures, name, 'expected.json'), 'utf8')) as Expected;

function feedOf(name: string, { shape, data }: Stored): FeedTensor {
  return name === 'pixel_values'
    ? { dtype: 'float32', dims: shape, data: Float32Array.from(data) }
    : { dtype: 'int64', dims: shape, data: BigInt64Array.from(data, BigInt) };
}

let engine: Engine;
beforeAll(async () => {
  engine = await createEngine('cpu');
});
afterAll(() => engine.dispose());

async function run(model: Model, layers: readonly string[], inputs: Record<string, Stored>) {
  const session = await engine.openModel(await model.graph(layers));
  try {
    const feeds = Object.fromEntries(
      session.inputs.map((name) => [name, feedOf(name, inputs[name]!)]),
    );
    return await session.run(feeds);
  } finally {
    await session.release();
  }
}

const largest = (found: ArrayLike<number>, expected: readonly number[]) =>
  expected.reduce((most, value, i) => Math.max(most, Math.abs(value - (found[i] ?? NaN))), 0);

/** The cases that keep every value of ours. */
const whole = ['roberta', 'distilbert', 'mpnet', 't5', 'vit', 'dinov2', 'clip'];

describe('every value of a small random model equals that of transformers', () => {
  test.each([
    ...whole,
    'clip-text',
    'clip-vision',
    'dinov2-swiglu',
    't5-gated',
    'roberta-bf16',
    'vit-bf16',
  ])('%s', async (name) => {
    const { inputs, values } = await readExpected(name);
    const model = await openHuggingFace(join(fixtures, name));
    expect(model.outline.notRunnableBecause).toBeUndefined();
    const outputs = await run(model, Object.keys(values), inputs);
    const tolerance = name.endsWith('bf16') ? 2e-2 : 1e-4;
    for (const [layer, { shape, data }] of Object.entries(values)) {
      expect(outputs[layer]!.dims, layer).toEqual(shape);
      expect(largest(outputs[layer]!.data, data), layer).toBeLessThan(tolerance);
    }
  });

  test.each(whole)('%s: which covers every value but scores', async (name) => {
    const { values } = await readExpected(name);
    const { outline } = await openHuggingFace(join(fixtures, name));
    const layers = outline.layers.map((layer) => layer.name);
    expect(layers.filter((layer) => !layer.endsWith('.scores')).sort()).toEqual(
      Object.keys(values).sort(),
    );
  });

  test.each(['roberta', 'mpnet', 't5', 'vit'])(
    '%s: scores are what probabilities are of',
    async (name) => {
      const { inputs } = await readExpected(name);
      const [scores, probs] = ['layers.1.attn.scores', 'layers.1.attn.probs'];
      const outputs = await run(
        await openHuggingFace(join(fixtures, name)),
        [scores, probs],
        inputs,
      );
      const { data, dims } = outputs[scores]!;
      const keys = dims[3]!;
      // The first sample, which has no padding.
      for (let start = 0; start < dims[1]! * dims[2]! * keys; start += keys) {
        const powers = data.subarray(start, start + keys).map(Math.exp);
        const sum = powers.reduce((a, b) => a + b, 0);
        const row = Array.from(powers, (power) => power / sum);
        expect(largest(outputs[probs]!.data.subarray(start, start + keys), row)).toBeLessThan(1e-5);
      }
    },
  );
});

describe('relative positions', () => {
  // From T5Attention._relative_position_bucket(bidirectional=True, num_buckets=32, max_distance=128).
  test.each([
    [-128, 15],
    [-91, 15],
    [-64, 14],
    [-63, 13],
    [-16, 10],
    [-15, 9],
    [-8, 8],
    [-7, 7],
    [0, 0],
    [1, 17],
    [8, 24],
    [12, 25],
    [32, 28],
    [127, 31],
  ])('distance %i is in bucket %i', (distance, bucket) => {
    expect(distanceBuckets(32, 128)[distance + 128]).toBe(bucket);
  });
});
