import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createEngine, type Engine, type FeedTensor } from '../../engine/device-engine.ts';
import { openHuggingFace } from '../formats/huggingface.ts';
import type { Model } from '../model.ts';
import { distanceBuckets } from './relative-bias.ts';

const fixtures = fileURLToPath(new URL('../../../test/fixtures/encoders', import.meta.url));

const documentation = fileURLToPath(new URL('../../../docs/models.md', import.meta.url));

interface Config {
  model_type: string;
  dtype: string;
}
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
    't5-gated-f16',
    'roberta-bf16',
    'vit-bf16',
  ])('%s', async (name) => {
    const { inputs, values } = await readExpected(name);
    const model = await openHuggingFace(join(fixtures, name));
    expect(model.outline.notRunnableBecause).toBeUndefined();
    const outputs = await run(model, Object.keys(values), inputs);
    let most = 0;
    for (const [layer, { shape, data }] of Object.entries(values)) {
      expect(outputs[layer]!.dims, layer).toEqual(shape);
      const error = largest(outputs[layer]!.data, data);
      expect(error, layer).toBeLessThan(1e-4);
      most = Math.max(most, error);
    }
    const config = join(fixtures, name, 'config.json');
    const { model_type: type, dtype } = JSON.parse(await readFile(config, 'utf8')) as Config;
    const rows = (await readFile(documentation, 'utf8')).split('\n');
    const row = rows.find(
      (line) => line.includes(`| \`${type}\` `) && line.includes(` \`${name}\` `),
    );
    expect(row, 'docs/models.md').toContain(`| ${dtype} `);
    // The last bits differ from one processor to the next.
    expect(most / Number(/(\S+) +\|$/.exec(row!)?.[1])).toBeLessThan(3);
  });

  test.each(whole)('%s: which covers every value but these', async (name) => {
    const { values } = await readExpected(name);
    const { outline } = await openHuggingFace(join(fixtures, name));
    const layers = outline.layers.map((layer) => layer.name);
    const others = layers.filter((layer) => !/\.(scores|resid_pre)$/.test(layer));
    expect(others.sort()).toEqual(Object.keys(values).sort());
  });

  test.each(['roberta', 't5', 'vit'])(
    '%s: what enters a block is the layer before',
    async (name) => {
      const { inputs } = await readExpected(name);
      const before = ['embeddings', 'layers.0.resid_post'];
      const entered = ['layers.0.resid_pre', 'layers.1.resid_pre'];
      const model = await openHuggingFace(join(fixtures, name));
      const outputs = await run(model, [...before, ...entered], inputs);
      before.forEach((layer, n) => {
        expect(outputs[entered[n]!]!.data).toEqual(outputs[layer]!.data);
      });
    },
  );

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

describe('a config that asks for something else says which field and value', () => {
  type Json = Record<string, unknown>;
  test.each([
    ['vit', { patch_size: 64 }, 'patch_size = 64'],
    ['vit', { hidden_act: 'mish' }, 'hidden_act = "mish"'],
    ['vit', { image_size: 24 }, 'embeddings.position_embeddings is 1×17×16'],
    ['dinov2', { image_size: [32, 40] }, 'image_size = [32,40]'],
    ['dinov2', { mlp_ratio: 3 }, 'mlp.fc1.weight is 32×16 where config.json says 48×16'],
    ['dinov2', { use_swiglu_ffn: true }, 'the weights lack dinov2.encoder.layer.0.mlp.weights_in'],
    ['t5', { feed_forward_proj: 'gated-swish' }, 'feed_forward_proj = "gated-swish"'],
    ['t5', { relative_attention_max_distance: 8 }, 'relative_attention_max_distance = 8'],
    ['mpnet', { relative_attention_num_buckets: 16 }, 'relative_attention_num_buckets = 16'],
    ['roberta', { position_embedding_type: 'relative_key' }, 'position_embedding_type'],
    ['distilbert', { n_heads: 3 }, 'n_heads = 3'],
    ['clip', { vision_config: undefined }, 'vision_config = nothing'],
    ['clip', { text_config: { eos_token_id: [1, 2] } }, 'text_config.eos_token_id = [1,2]'],
  ] as [string, Json, string][])('%s with %j', async (name, fields, reason) => {
    const folder = await mkdtemp(join(tmpdir(), 'repscope-'));
    try {
      await cp(join(fixtures, name), folder, { recursive: true });
      const path = join(folder, 'config.json');
      const config = JSON.parse(await readFile(path, 'utf8')) as Json;
      await writeFile(path, JSON.stringify({ ...config, ...fields }));
      const { outline } = await openHuggingFace(folder);
      expect(outline.runnable).toBe(false);
      expect(outline.notRunnableBecause).toContain(reason);
      // Inspection and weights are still there.
      expect(outline.tensors.length).toBeGreaterThan(0);
    } finally {
      await rm(folder, { recursive: true });
    }
  });
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
