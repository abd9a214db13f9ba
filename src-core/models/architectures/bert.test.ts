import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test, type TestContext } from 'vitest';
import { poolRows } from '../../capture/pooling.ts';
import { createEngine, type Engine, type ModelOutput } from '../../engine/device-engine.ts';
import { loadTokenizer } from '../../probes/tokenizer.ts';
import { openHuggingFace } from '../formats/huggingface.ts';
import { resolveModel } from '../resolve.ts';

const fixtures = fileURLToPath(new URL('../../../test/fixtures/minilm', import.meta.url));
const readJson = async (name: string): Promise<unknown> =>
  JSON.parse(await readFile(join(fixtures, name), 'utf8'));

let engine: Engine;
beforeAll(async () => {
  engine = await createEngine('cpu');
});
afterAll(() => engine.dispose());

interface Tokens {
  ids: BigInt64Array;
  mask: BigInt64Array;
  types: BigInt64Array;
  batch: number;
  tokens: number;
}

async function run(
  folder: string,
  layers: readonly string[],
  { ids, mask, types, batch, tokens }: Tokens,
): Promise<Record<string, ModelOutput>> {
  const model = await openHuggingFace(folder);
  const session = await engine.openModel(await model.graph(layers));
  try {
    const feed = (data: BigInt64Array) =>
      ({ dtype: 'int64', dims: [batch, tokens], data }) as const;
    return await session.run({
      input_ids: feed(ids),
      attention_mask: feed(mask),
      token_type_ids: feed(types),
    });
  } finally {
    await session.release();
  }
}

const largestError = (found: ArrayLike<number>, expected: readonly number[]) =>
  expected.reduce((most, value, i) => Math.max(most, Math.abs(value - (found[i] ?? NaN))), 0);

type Reference = Record<string, { shape: number[]; data: number[] }>;

async function check(folder: string, expected: Reference, tokens: Tokens): Promise<void> {
  const outputs = await run(folder, Object.keys(expected), tokens);
  for (const [name, { shape, data }] of Object.entries(expected)) {
    expect(outputs[name]!.dims, name).toEqual(shape);
    expect(largestError(outputs[name]!.data, data), name).toBeLessThan(1e-4);
  }
}

describe('every value of a small random model equals that of transformers', () => {
  const batch = async () => {
    const { input_ids, attention_mask, token_type_ids, ...references } = (await readJson(
      'tiny.json',
    )) as Record<'input_ids' | 'attention_mask' | 'token_type_ids', number[][]> &
      Record<'f32' | 'bf16' | 'relu' | 'gelu_new', Reference>;
    const pack = (rows: number[][]) => BigInt64Array.from(rows.flat(), BigInt);
    const [ids, mask, types] = [input_ids, attention_mask, token_type_ids].map(pack);
    const tokens = { ids: ids!, mask: mask!, types: types!, batch: 2, tokens: 9 };
    return { tokens, ...references };
  };

  test.each(['f32', 'bf16'] as const)('%s weights', async (precision) => {
    const reference = await batch();
    const expected = reference[precision];
    await check(join(fixtures, `tiny-${precision}`), expected, reference.tokens);
  });

  test.each(['relu', 'gelu_new'] as const)('hidden_act %s', async (activation) => {
    const reference = await batch();
    const folder = await mkdtemp(join(tmpdir(), 'repscope-'));
    try {
      await cp(join(fixtures, 'tiny-f32'), folder, { recursive: true });
      const config = (await readJson('tiny-f32/config.json')) as Record<string, unknown>;
      const changed = JSON.stringify({ ...config, hidden_act: activation });
      await writeFile(join(folder, 'config.json'), changed);
      await check(folder, reference[activation], reference.tokens);
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  test('which covers every value of the outline but what names the layer before', async () => {
    const { f32 } = await batch();
    const { outline } = await openHuggingFace(join(fixtures, 'tiny-f32'));
    const names = outline.layers.map(({ name }) => name);
    expect(names.filter((name) => !name.endsWith('.resid_pre')).sort()).toEqual(
      Object.keys(f32).sort(),
    );
  });

  test('padding is not attended to, and the mask is what hides it', async () => {
    const { tokens } = await batch();
    const layer = 'layers.1.resid_post';
    const kept = async (changed: Tokens) => {
      const output = (await run(join(fixtures, 'tiny-f32'), [layer], changed))[layer]!;
      // Second text, its six real tokens.
      return Array.from(output.data.slice(9 * 32, 15 * 32));
    };
    const ids = tokens.ids.slice().fill(7n, 15);
    const before = await kept(tokens);
    expect(await kept({ ...tokens, ids })).toEqual(before);
    const mask = tokens.mask.slice().fill(1n);
    expect(await kept({ ...tokens, ids, mask })).not.toEqual(before);
  });
});

interface EncodedReference {
  text: string;
  ids: number[];
  hidden: { norm: number; first: number[]; last: number[] }[];
  final: { first: number[]; last: number[] };
  pooler: number[];
  mean: number[];
  normalized: number[];
}

const encoder = 'sentence-transformers/all-MiniLM-L6-v2';

async function encoderFolder(context: TestContext): Promise<string> {
  const folder = await resolveModel(encoder, []);
  if (folder === undefined) {
    return context.skip(`${encoder} is not on this machine; node scripts/fetch-minilm.mjs gets it`);
  }
  return folder;
}

describe('the real sentence encoder equals transformers', () => {
  const width = 384;

  test('hidden states, pooled output and sentence embeddings', async (context) => {
    const folder = await encoderFolder(context);
    const { texts } = (await readJson('minilm.json')) as { texts: EncodedReference[] };
    const encoded = (await loadTokenizer(folder)).encode(texts.map(({ text }) => text));
    const { outline } = await openHuggingFace(folder);
    const layers = outline.layers.filter((layer) => layer.default).map(({ name }) => name);
    expect(layers).toHaveLength(7);
    const outputs = await run(folder, [...layers, 'pooler'], encoded);
    const { tokens, mask, batch } = encoded;
    const final = outputs[layers.at(-1)!]!;
    const means = poolRows('final', final, batch, 'mean', { mask, tokens }).data;

    texts.forEach((expected, i) => {
      const count = expected.ids.length;
      const row = (output: ModelOutput, token: number) =>
        output.data.subarray((i * tokens + token) * width, (i * tokens + token + 1) * width);
      expect(Array.from(encoded.ids.slice(i * tokens, i * tokens + count), Number)).toEqual(
        expected.ids,
      );
      layers.forEach((layer, depth) => {
        const output = outputs[layer]!;
        const { norm, first, last } = expected.hidden[depth]!;
        const all = output.data.subarray(i * tokens * width, (i * tokens + count) * width);
        // The norm is over up to count × 384 values: relative.
        expect(Math.hypot(...all) / norm).toBeCloseTo(1, 5);
        expect(largestError(row(output, 0), first)).toBeLessThan(1e-4);
        expect(largestError(row(output, count - 1).slice(-8), last)).toBeLessThan(1e-4);
      });
      expect(largestError(row(final, 0), expected.final.first)).toBeLessThan(1e-4);
      expect(largestError(row(final, count - 1), expected.final.last)).toBeLessThan(1e-4);
      const pooled = outputs['pooler']!.data.subarray(i * width);
      expect(largestError(pooled, expected.pooler)).toBeLessThan(1e-4);
      const mean = means.slice(i * width, (i + 1) * width);
      expect(largestError(mean, expected.mean)).toBeLessThan(1e-4);
      const length = Math.hypot(...mean);
      expect(
        largestError(
          mean.map((value) => value / length),
          expected.normalized,
        ),
      ).toBeLessThan(1e-4);
    });
  });

  test('its parameters are those of BertModel', async (context) => {
    const { outline } = await openHuggingFace(await encoderFolder(context));
    expect(outline.parameters).toBe(22_713_216);
    expect(outline.layers.reduce((sum, layer) => sum + (layer.parameters ?? 0), 0)).toBe(
      22_713_216,
    );
    expect(outline.metadata).toMatchObject({ pooling: 'mean', max_seq_length: '256' });
  });
});
