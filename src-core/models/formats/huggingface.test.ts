import {
  cp,
  mkdir,
  mkdtemp,
  readFile,
  rm,
  symlink,
  truncate,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createEngine } from '../../engine/device-engine.ts';
import { openHuggingFace } from './huggingface.ts';

const tiny = fileURLToPath(new URL('../../../test/fixtures/minilm/tiny-f32', import.meta.url));

let scratch: string;
let folder: string;
beforeEach(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'repscope-'));
  folder = join(scratch, 'checkpoint');
  await cp(tiny, folder, { recursive: true });
});
afterEach(() => rm(scratch, { recursive: true }));

type Json = Record<string, unknown>;
const read = async (name: string) => JSON.parse(await readFile(join(folder, name), 'utf8')) as Json;
const write = (name: string, value: unknown) =>
  writeFile(join(folder, name), typeof value === 'string' ? value : JSON.stringify(value));
const changeConfig = async (fields: Json) =>
  write('config.json', { ...(await read('config.json')), ...fields });

interface Header {
  header: Record<string, { dtype: string; shape: number[]; data_offsets: [number, number] }>;
  data: Uint8Array;
}

async function readWeights(): Promise<Header> {
  const bytes = await readFile(join(folder, 'model.safetensors'));
  const end = 8 + Number(bytes.readBigUInt64LE());
  const header = JSON.parse(bytes.toString('utf8', 8, end)) as Header['header'];
  delete header['__metadata__'];
  return { header, data: bytes.subarray(end) };
}

/** A safetensors file of some of the tensors; `pad` shifts where the data begin. */
function packWeights({ header, data }: Header, names: string[], pad = ''): Uint8Array {
  let offset = 0;
  const parts: Uint8Array[] = [];
  const kept = names.map((name) => {
    const entry = header[name]!;
    const [start, end] = entry.data_offsets;
    parts.push(data.subarray(start, end));
    const moved = { ...entry, data_offsets: [offset, (offset += end - start)] };
    return [name, moved] as const;
  });
  const text = Buffer.from(JSON.stringify(Object.fromEntries(kept)) + pad);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  return Buffer.concat([length, text, ...parts]);
}

const layer = 'layers.1.resid_post';

/** The last hidden state for a fixed input. */
async function forward(path: string): Promise<number[]> {
  const engine = await createEngine('cpu');
  const session = await engine.openModel(await (await openHuggingFace(path)).graph([layer]));
  try {
    const dims = [1, 3];
    const feed = (...values: bigint[]) =>
      ({ dtype: 'int64', dims, data: BigInt64Array.from(values) }) as const;
    const outputs = await session.run({
      input_ids: feed(2n, 40n, 3n),
      attention_mask: feed(1n, 1n, 1n),
      token_type_ids: feed(0n, 0n, 0n),
    });
    return Array.from(outputs[layer]!.data);
  } finally {
    await session.release();
    await engine.dispose();
  }
}

describe('outline', () => {
  test('says what the files say', async () => {
    const { outline, tokenizerFolder } = await openHuggingFace(folder);
    expect(outline).toMatchObject({
      path: folder,
      name: 'checkpoint',
      format: 'huggingface',
      architecture: 'BertModel',
      // embeddings (400 + 64 + 2 + 2) · 32, two layers of 8544, pooler 33 · 32
      parameters: 33_120,
      dtypes: { float32: 33_120 },
      runnable: true,
      findings: [],
    });
    expect(outline.inputs.map(({ name }) => name)).toEqual([
      'input_ids',
      'attention_mask',
      'token_type_ids',
    ]);
    expect(outline.outputs.map(({ name }) => name)).toEqual([layer, 'pooler']);
    expect(outline.layers.filter((one) => one.default).map(({ name }) => name)).toEqual([
      'embeddings',
      'layers.0.resid_post',
      layer,
    ]);
    expect(tokenizerFolder).toBe(folder);
  });

  test('counts no index tables as parameters', async () => {
    const weights = await readWeights();
    const { data } = weights;
    weights.header['embeddings.position_ids'] = {
      dtype: 'I64',
      shape: [1, 64],
      data_offsets: [data.length, data.length + 512],
    };
    weights.data = Buffer.concat([data, Buffer.alloc(512)]);
    await writeFile(
      join(folder, 'model.safetensors'),
      packWeights(weights, Object.keys(weights.header)),
    );
    expect((await openHuggingFace(folder)).outline.parameters).toBe(33_120);
  });

  test('reads how sentence-transformers pools, and bears a damaged file of its', async () => {
    await mkdir(join(folder, '1_Pooling'));
    await write('1_Pooling/config.json', {
      word_embedding_dimension: 32,
      pooling_mode_cls_token: false,
      pooling_mode_mean_tokens: true,
    });
    await write('sentence_bert_config.json', '{"max_seq_length": 16');
    const { outline } = await openHuggingFace(folder);
    expect(outline.metadata['pooling']).toBe('mean');
    expect(outline.metadata['max_seq_length']).toBeUndefined();
    expect(outline.findings.map(({ code }) => code)).toEqual(['bad-side-file']);
  });
});

describe('where the weights lie does not matter', () => {
  test('shards', async () => {
    const expected = await forward(folder);
    const weights = await readWeights();
    const names = Object.keys(weights.header);
    const halves = { 'a.safetensors': names.slice(0, 20), 'b.safetensors': names.slice(20) };
    for (const [file, part] of Object.entries(halves)) {
      await writeFile(join(folder, file), packWeights(weights, part));
    }
    await write('model.safetensors.index.json', {
      weight_map: Object.fromEntries(
        Object.entries(halves).flatMap(([file, part]) => part.map((name) => [name, file])),
      ),
    });
    await rm(join(folder, 'model.safetensors'));
    expect(await forward(folder)).toEqual(expected);
    await rm(join(folder, 'b.safetensors'));
    await expect(openHuggingFace(folder)).rejects.toMatchObject({ code: 'missing' });
  });

  test('data that begin at an odd byte', async () => {
    const expected = await forward(folder);
    const weights = await readWeights();
    for (const pad of ['', ' ', '  ', '   ']) {
      const packed = packWeights(weights, Object.keys(weights.header), pad);
      await writeFile(join(folder, 'model.safetensors'), packed);
      expect(await forward(folder)).toEqual(expected);
    }
  });

  test('a Hugging Face cache, where a snapshot holds links to blobs', async () => {
    const expected = await forward(folder);
    const cached = join(scratch, 'models--some-org--some-model');
    const snapshot = join(cached, 'snapshots', '0a1b');
    await mkdir(snapshot, { recursive: true });
    await mkdir(join(cached, 'blobs'));
    for (const [i, name] of ['config.json', 'model.safetensors', 'tokenizer.json'].entries()) {
      await cp(join(folder, name), join(cached, 'blobs', `blob${i}`));
      await symlink(join('..', '..', 'blobs', `blob${i}`), join(snapshot, name));
    }
    const model = await openHuggingFace(snapshot);
    expect(model.outline.name).toBe('some-org/some-model');
    expect(basename((await model.graph([layer])).externalFolder!)).toBe('blobs');
    expect(await forward(snapshot)).toEqual(expected);
  });
});

describe('fingerprint', () => {
  test.each(['config.json', 'model.safetensors', 'tokenizer.json'])(
    'changes with %s',
    async (name) => {
      const before = await (await openHuggingFace(folder)).fingerprint();
      const bytes = await readFile(join(folder, name));
      bytes[bytes.length - 1]! ^= 1;
      expect(before).toBe(await (await openHuggingFace(tiny)).fingerprint());
      const model = await openHuggingFace(folder);
      await writeFile(join(folder, name), bytes);
      // A clock tick of the file system may be longer than this test.
      await utimes(join(folder, name), new Date(), new Date(Date.now() + 10_000));
      expect(await model.fingerprint()).not.toBe(before);
    },
  );
});

test('weights that are not finite are found by name', async () => {
  expect(await (await openHuggingFace(folder)).nonFiniteTensors()).toEqual([]);
  const weights = await readWeights();
  const names = ['encoder.layer.0.output.dense.bias', 'pooler.dense.weight'];
  const view = new DataView(weights.data.buffer, weights.data.byteOffset);
  view.setFloat32(weights.header[names[0]!]!.data_offsets[0] + 4, NaN, true);
  view.setFloat32(weights.header[names[1]!]!.data_offsets[1] - 4, -Infinity, true);
  const packed = packWeights(weights, Object.keys(weights.header));
  await writeFile(join(folder, 'model.safetensors'), packed);
  expect((await (await openHuggingFace(folder)).nonFiniteTensors()).sort()).toEqual(names);
});

describe('can be inspected but not run, with the reason', () => {
  test.each([
    [{ model_type: 'mamba' }, 'model_type = "mamba"'],
    [{ position_embedding_type: 'relative_key' }, 'position_embedding_type = "relative_key"'],
    [{ hidden_act: 'selu' }, 'hidden_act = "selu"'],
    [{ num_attention_heads: 5 }, 'num_attention_heads = 5'],
    [{ is_decoder: true }, 'is_decoder = true'],
    [{ hidden_size: null }, 'hidden_size = null'],
    [{ num_hidden_layers: 3 }, 'the weights lack encoder.layer.2.attention.self.query.weight'],
    [{ intermediate_size: 128 }, 'encoder.layer.0.intermediate.dense.weight is 64×32'],
  ])('%j', async (fields, reason) => {
    await changeConfig(fields);
    const model = await openHuggingFace(folder);
    expect(model.outline.runnable).toBe(false);
    expect(model.outline.notRunnableBecause).toContain(reason);
    expect(model.outline.parameters).toBe(33_120);
    await expect(model.graph([layer])).rejects.toMatchObject({ code: 'unsupported' });
  });
});

describe('refuses with one line that names the file', () => {
  const refusal = async (path: string) => {
    const error = await openHuggingFace(path).then(
      () => undefined,
      (reason: unknown) => reason as { code: string; where: string; message: string },
    );
    expect(error?.message).not.toContain('\n');
    return { code: error?.code, file: basename(error?.where ?? '') };
  };

  test('a config that is absent, empty, cut short or no object', async () => {
    await write('config.json', '');
    expect(await refusal(folder)).toEqual({ code: 'empty', file: 'config.json' });
    await write('config.json', '{"model_type": "be');
    expect(await refusal(folder)).toEqual({ code: 'not-a-model', file: 'config.json' });
    await write('config.json', '[]');
    expect(await refusal(folder)).toEqual({ code: 'not-a-model', file: 'config.json' });
    await rm(join(folder, 'config.json'));
    expect(await refusal(folder)).toEqual({ code: 'missing', file: 'config.json' });
  });

  test('a folder that is absent, or a file', async () => {
    expect((await refusal(join(scratch, 'nowhere'))).code).toBe('missing');
    expect((await refusal(join(folder, 'config.json'))).code).toBe('not-a-model');
  });

  test('weights that are cut short, absent or pickled', async () => {
    await truncate(join(folder, 'model.safetensors'), 100_000);
    expect(await refusal(folder)).toEqual({ code: 'truncated', file: 'model.safetensors' });
    await rm(join(folder, 'model.safetensors'));
    expect((await refusal(folder)).code).toBe('missing');
    await write('pytorch_model.bin', 'PK');
    expect(await refusal(folder)).toEqual({ code: 'unsupported', file: 'pytorch_model.bin' });
  });

  test('an index that leaves the folder', async () => {
    await rm(join(folder, 'model.safetensors'));
    await write('model.safetensors.index.json', { weight_map: { a: '../x.safetensors' } });
    expect((await refusal(folder)).code).toBe('not-a-model');
  });

  test('a layer that it does not have', async () => {
    const model = await openHuggingFace(folder);
    await expect(model.graph(['layers.9.resid_post'])).rejects.toMatchObject({
      code: 'unknown-layer',
    });
  });
});
