import { cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createEngine, type Engine, type ModelOutput } from '../../engine/device-engine.ts';
import { openHuggingFace } from '../formats/huggingface.ts';

const fixtures = fileURLToPath(new URL('../../../test/fixtures/decoders', import.meta.url));
const documentation = fileURLToPath(new URL('../../../docs/models.md', import.meta.url));
const cases = (await readdir(fixtures, { withFileTypes: true }))
  .filter((entry) => entry.isDirectory())
  .map((entry) => entry.name);

type Json = Record<string, unknown>;
/** One flat list of numbers for each sequence. */
type Values = number[][];

interface Expected {
  sequences: number[][];
  values: Record<string, Values>;
  variants: { config: Json; logits: Values }[];
}

const readJson = async <T = Json>(path: string) => JSON.parse(await readFile(path, 'utf8')) as T;
const readExpected = (name: string) => readJson<Expected>(join(fixtures, name, 'expected.json'));

/** The lines of the documentation's section on decoders, without the blanks that align its table. */
async function documented(): Promise<string[]> {
  const text = await readFile(documentation, 'utf8');
  const [section] = text.split('## Causal language models\n')[1]!.split('\n## ');
  return section!.split('\n').map((line) => line.replaceAll(/ +/g, ' '));
}

let engine: Engine;
let scratch: string;
beforeAll(async () => {
  engine = await createEngine('cpu');
  scratch = await mkdtemp(join(tmpdir(), 'repscope-'));
});
afterAll(async () => {
  await engine.dispose();
  await rm(scratch, { recursive: true });
});

/** A copy of a fixture with some fields of its config changed and others taken away. */
async function variant(name: string, change: Json, absent: string[] = []): Promise<string> {
  const folder = await mkdtemp(join(scratch, 'variant-'));
  await cp(join(fixtures, name), folder, { recursive: true });
  const config = { ...(await readJson(join(folder, 'config.json'))), ...change };
  for (const field of absent) Reflect.deleteProperty(config, field);
  await writeFile(join(folder, 'config.json'), JSON.stringify(config));
  return folder;
}

/** Change the header of a checkpoint's weights, and append to its data. */
async function rewriteWeights(
  folder: string,
  change: (header: string) => string,
  more: Uint8Array = new Uint8Array(),
): Promise<void> {
  const path = join(folder, 'model.safetensors');
  const bytes = await readFile(path);
  const end = 8 + Number(bytes.readBigUInt64LE());
  const header = Buffer.from(change(bytes.toString('utf8', 8, end)));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(header.length));
  await writeFile(path, Buffer.concat([length, header, bytes.subarray(end), more]));
}

type Side = 'left' | 'right';

/** The named values of sequences padded into one batch, cut back to what each sequence alone has. */
async function run(
  folder: string,
  names: readonly string[],
  sequences: readonly number[][],
  sides: readonly Side[],
): Promise<Record<string, Values>[]> {
  const session = await engine.openModel(await (await openHuggingFace(folder)).graph(names));
  const tokens = Math.max(...sequences.map((sequence) => sequence.length));
  const dims = [sequences.length, tokens];
  try {
    const results: Record<string, Values>[] = [];
    for (const side of sides) {
      // Padding with a token that has an embedding of its own: only the mask tells.
      const data = new BigInt64Array(dims[0]! * tokens).fill(3n);
      const mask = new BigInt64Array(data.length);
      const starts = sequences.map((one) => (side === 'left' ? tokens - one.length : 0));
      sequences.forEach((sequence, row) => {
        const start = row * tokens + starts[row]!;
        data.set(sequence.map(BigInt), start);
        mask.fill(1n, start, start + sequence.length);
      });
      const outputs = await session.run({
        input_ids: { dtype: 'int64', dims, data },
        attention_mask: { dtype: 'int64', dims, data: mask },
      });
      results.push(
        Object.fromEntries(
          names.map((name) => [
            name,
            sequences.map((one, row) => unpad(outputs[name]!, row, starts[row]!, one.length)),
          ]),
        ),
      );
    }
    return results;
  } finally {
    await session.release();
  }
}

/** The real tokens of one row of [batch, tokens, width] or [batch, heads, tokens, tokens]. */
function unpad({ dims, data }: ModelOutput, row: number, start: number, length: number): number[] {
  const kept: number[] = [];
  const [, heads, tokens, last] = dims.length === 4 ? dims : [dims[0]!, 1, dims[1]!, dims[2]!];
  const [from, to] = dims.length === 4 ? [start, start + length] : [0, last!];
  for (let head = 0; head < heads!; head++) {
    for (let token = start; token < start + length; token++) {
      const at = ((row * heads! + head) * tokens! + token) * last!;
      kept.push(...data.subarray(at + from, at + to));
    }
  }
  return kept;
}

/** NaN counts as infinitely far. */
function deviation(found: Values, expected: Values): number {
  expect(found.map((one) => one.length)).toEqual(expected.map((one) => one.length));
  const far = expected.flatMap((one, row) =>
    one.map((value, i) => Math.abs(value - found[row]![i]!)),
  );
  return far.reduce(
    (most, each) => (each <= most ? most : Number.isNaN(each) ? Infinity : each),
    0,
  );
}

describe.each(cases)('%s', (name) => {
  const folder = join(fixtures, name);

  test('every value equals that of transformers, padded on either side', async () => {
    const { sequences, values } = await readExpected(name);
    const names = Object.keys(values);
    const results = await run(folder, names, sequences, ['right', 'left']);
    let most = 0;
    for (const found of results) {
      for (const value of names) {
        const far = deviation(found[value]!, values[value]!);
        expect(far, value).toBeLessThan(1e-4);
        most = Math.max(most, far);
      }
    }
    const row = (await documented()).find((line) => line.includes(`| \`${name}\` |`));
    const { model_type: type, dtype } = await readJson(join(folder, 'config.json'));
    expect(row, 'docs/models.md').toContain(`| \`${String(type)}\` | \`${name}\` |`);
    expect(row).toContain(`| ${String(dtype)} |`);
    const stated = Number(/(\S+) \|$/.exec(row!)?.[1]);
    // The last bits differ from one processor to the next.
    expect(most / stated).toBeGreaterThan(0.3);
    expect(most / stated).toBeLessThan(3);
  });

  test('which covers every value of the outline, and every parameter', async () => {
    const { sequences, values } = await readExpected(name);
    const { outline } = await openHuggingFace(folder);
    const before = ['layers.0.resid_pre', 'layers.1.resid_pre'];
    const names = outline.layers.map((layer) => layer.name);
    expect(names.toSorted()).toEqual([...Object.keys(values), ...before].sort());
    const [residual] = await run(folder, before, sequences, ['right']);
    const earlier = ['embeddings', 'layers.0.resid_post'];
    before.forEach((layer, n) => {
      expect(deviation(residual![layer]!, values[earlier[n]!]!)).toBeLessThan(1e-4);
    });
    expect(outline.layers.filter((layer) => layer.default).map((layer) => layer.name)).toEqual([
      'embeddings',
      'layers.0.resid_post',
      'layers.1.resid_post',
      'ln_final',
    ]);
    expect(outline.layers.reduce((sum, layer) => sum + (layer.parameters ?? 0), 0)).toBe(
      outline.parameters,
    );
    expect(outline.outputs.map((output) => output.name)).toEqual(['logits']);
  });

  test('and under other config fields the logits do', async () => {
    const { sequences, variants } = await readExpected(name);
    for (const { config, logits } of variants) {
      const changed = await variant(name, config);
      const [found] = await run(changed, ['logits'], sequences, ['right']);
      expect(deviation(found!['logits']!, logits), JSON.stringify(config)).toBeLessThan(1e-4);
    }
  });
});

test('the documentation lists these fixtures and no others', async () => {
  const listed = (await documented()).flatMap(
    (line) => /^\|.*\| `.+` \| `(.+?)` \|/.exec(line)?.[1] ?? [],
  );
  expect(listed.sort()).toEqual(cases.toSorted());
});

test('one fixture comes in several files', async () => {
  const files = await readdir(join(fixtures, 'llama'));
  expect(files.filter((file) => file.endsWith('.safetensors'))).toHaveLength(2);
});

describe('older spellings make the same graph', () => {
  const graph = async (folder: string) =>
    Buffer.from((await (await openHuggingFace(folder)).graph(['logits'])).bytes).toString('base64');

  test.each([
    [
      'llama',
      ['rope_parameters', 'head_dim'],
      {
        rope_theta: 10000,
        rope_scaling: {
          type: 'llama3',
          factor: 8,
          low_freq_factor: 1,
          high_freq_factor: 4,
          original_max_position_embeddings: 128,
        },
      },
    ],
    ['gpt-neox', ['rope_parameters'], { rotary_pct: 0.5, rotary_emb_base: 10000 }],
    [
      'phi3',
      ['rope_parameters'],
      { rope_theta: 10000, partial_rotary_factor: 0.5, rope_scaling: null },
    ],
    ['qwen2', ['layer_types'], {}],
    ['gemma2', ['layer_types'], {}],
  ] as const)('%s', async (name, absent, change) => {
    const older = await variant(name, change, [...absent]);
    expect(await graph(older)).toBe(await graph(join(fixtures, name)));
  });

  test('tensors without the prefix of the language model', async () => {
    const folder = await variant('gpt2', {});
    await rewriteWeights(folder, (header) => header.replaceAll('"transformer.', '"'));
    const { sequences, values } = await readExpected('gpt2');
    const [found] = await run(folder, ['logits'], sequences, ['left']);
    expect(deviation(found!['logits']!, values['logits']!)).toBeLessThan(1e-4);
  });

  test('masks and frequencies kept beside the weights are no parameters', async () => {
    const folder = await variant('gpt2', {});
    const before = (await openHuggingFace(folder)).outline;
    const size = before.tensors.reduce((sum, tensor) => sum + tensor.bytes, 0);
    const extra = {
      'transformer.h.0.attn.bias': {
        dtype: 'F32',
        shape: [1, 1, 2, 2],
        data_offsets: [size, size + 16],
      },
      'transformer.h.0.attn.masked_bias': {
        dtype: 'F32',
        shape: [],
        data_offsets: [size + 16, size + 20],
      },
    };
    await rewriteWeights(
      folder,
      (header) => JSON.stringify({ ...(JSON.parse(header) as Json), ...extra }),
      Buffer.alloc(20),
    );
    const { outline } = await openHuggingFace(folder);
    expect(outline.tensors.length).toBe(before.tensors.length + 2);
    expect(outline.parameters).toBe(before.parameters);
  });
});

describe('what the graph would not compute is named', () => {
  test.each([
    ['gpt2', { add_cross_attention: true }, 'add_cross_attention = true'],
    ['gpt2', { activation_function: 'mish' }, 'activation_function = "mish"'],
    ['gpt2', { n_head: 5 }, 'n_head = 5, which does not divide 32'],
    ['gpt2', { n_inner: 48 }, 'h.0.mlp.c_fc.weight is 32×40 where config.json says 32×48'],
    [
      'llama',
      { rope_parameters: { rope_type: 'yarn', factor: 4 } },
      'rope_parameters.rope_type = "yarn"',
    ],
    ['llama', { rope_scaling: { type: 'dynamic', factor: 2 } }, 'rope_scaling.type = "dynamic"'],
    ['llama', { rope_scaling: { type: 'linear' } }, 'rope_scaling without factor'],
    ['llama', { rope_scaling: { type: 'linear', factor: 'x' } }, 'rope_scaling.factor = "x"'],
    ['llama', { partial_rotary_factor: 0.5 }, 'partial_rotary_factor = 0.5'],
    ['llama', { num_key_value_heads: 3 }, 'num_key_value_heads = 3, which does not divide 4 heads'],
    ['llama', { attention_bias: true }, 'the weights lack model.layers.0.self_attn.q_proj.bias'],
    [
      'llama',
      { quantization_config: { quant_method: 'gptq' } },
      'quantization_config.quant_method = "gptq"',
    ],
    [
      'mistral',
      { rope_parameters: { full_attention: { rope_theta: 500 } } },
      'rope_parameters.full_attention = {"rope_theta":500}',
    ],
    ['phi3', { rope_scaling: { type: 'su' } }, 'rope_scaling.type = "su"'],
    [
      'phi3',
      { rope_scaling: { type: 'longrope', short_factor: [1], partial_rotary_factor: 0.5 } },
      'rope_scaling.short_factor of 1 numbers, not of 2',
    ],
    [
      'phi3',
      { rope_scaling: { type: 'longrope', short_factor: [1, 1, 1, 1], rope_theta: 500 } },
      'rope_scaling without long_factor',
    ],
    [
      'qwen2',
      { layer_types: ['full_attention', 'linear_attention'] },
      'layer_types.1 = "linear_attention"',
    ],
    ['qwen2', { layer_types: ['full_attention'] }, 'layer_types for 1 layers'],
    ['gemma2', { use_bidirectional_attention: true }, 'use_bidirectional_attention = true'],
    ['gemma2', { attn_logit_softcapping: -1 }, 'attn_logit_softcapping = -1'],
  ] as const)('%s with %j', async (name, change, message) => {
    const { outline } = await openHuggingFace(await variant(name, change));
    expect(outline.runnable).toBe(false);
    expect(outline.notRunnableBecause).toContain(message);
    expect(outline.tensors.length).toBeGreaterThan(0);
  });

  test('a model without a head has no logits', async () => {
    const folder = await variant('qwen3', {});
    await rewriteWeights(folder, (header) => header.replace('lm_head.weight', 'no_head.weight'));
    const { outline } = await openHuggingFace(folder);
    expect(outline.runnable).toBe(true);
    expect(outline.outputs.map((output) => output.name)).toEqual(['ln_final']);
  });
});
