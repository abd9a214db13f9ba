import { cp, mkdir, mkdtemp, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createEngine } from '../../engine/device-engine.ts';
import { loadTokenizer } from '../../probes/tokenizer.ts';
import { openHuggingFace } from './huggingface.ts';

const fixtures = fileURLToPath(new URL('../../../test/fixtures', import.meta.url));
const name = 'sentence_embedding';

interface Expected {
  texts: string[];
  input_ids: number[][];
  embeddings: Record<string, number[][]>;
}
const readExpected = async () =>
  JSON.parse(await readFile(join(fixtures, 'encoders/sentence/expected.json'), 'utf8')) as Expected;

let scratch: string;
let folder: string;
beforeEach(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'repscope-'));
  folder = join(scratch, 'encoder');
  await cp(join(fixtures, 'minilm/tiny-f32'), folder, { recursive: true });
});
afterEach(() => rm(scratch, { recursive: true }));

const addModules = (pipeline: string) =>
  cp(join(fixtures, 'encoders/sentence', pipeline), folder, { recursive: true });

async function embed(layers: readonly string[] = [name]) {
  const { texts, input_ids: expectedIds } = await readExpected();
  const { ids, mask, types, batch, tokens } = (await loadTokenizer(folder)).encode(texts);
  expect(Array.from(ids, Number)).toEqual(expectedIds.flat());
  const engine = await createEngine('cpu');
  const session = await engine.openModel(await (await openHuggingFace(folder)).graph(layers));
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
    await engine.dispose();
  }
}

async function assertEmbeddings(pipeline: string) {
  const expected = (await readExpected()).embeddings[pipeline]!;
  const { [name]: found, ...others } = await embed();
  expect(Object.keys(others)).toEqual([]);
  expect(found!.dims).toEqual([expected.length, expected[0]!.length]);
  expected.flat().forEach((value, i) => expect(found!.data[i]).toBeCloseTo(value, 4));
}

describe('the sentence embedding equals that of sentence-transformers', () => {
  test.each(['mean', 'cls', 'all'])('%s', async (pipeline) => {
    await addModules(pipeline);
    const { outline } = await openHuggingFace(folder);
    expect(outline.findings).toEqual([]);
    expect(outline.layers.at(-1)).toMatchObject({ name, axes: 'features' });
    await assertEmbeddings(pipeline);
  });

  test('beside other layers', async () => {
    await addModules('mean');
    const outputs = await embed(['layers.1.resid_post', name, 'pooler']);
    expect(Object.keys(outputs).sort()).toEqual(['layers.1.resid_post', 'pooler', name]);
  });

  test('where older versions wrote the pooling as flags', async () => {
    await addModules('mean');
    await writeFile(
      join(folder, '1_Pooling/config.json'),
      '{"word_embedding_dimension":32,"pooling_mode_cls_token":false,"pooling_mode_mean_tokens":true}',
    );
    await assertEmbeddings('mean');
  });

  test('in a cache, whose files are links into one folder', async () => {
    await addModules('cls');
    const blobs = join(scratch, 'blobs');
    await mkdir(blobs);
    for (const [file, blob] of [
      ['model.safetensors', 'aaa'],
      ['2_Dense/model.safetensors', 'bbb'],
    ] as const) {
      await rename(join(folder, file), join(blobs, blob));
      await symlink(join(blobs, blob), join(folder, file));
    }
    await assertEmbeddings('cls');
  });
});

test('its dense layer counts among parameters and decides the fingerprint', async () => {
  const bare = await openHuggingFace(folder);
  await addModules('cls');
  const model = await openHuggingFace(folder);
  expect(model.outline.parameters - bare.outline.parameters).toBe(33 * 8);
  const before = await model.fingerprint();
  const path = join(folder, '3_Normalize/config.json');
  await writeFile(path, `${await readFile(path, 'utf8')}\n`);
  expect(await (await openHuggingFace(folder)).fingerprint()).not.toBe(before);
});

describe('where the embedding cannot be computed the rest can', () => {
  const module = (path: string, type: string, idx = 1) => ({ idx, name: `${idx}`, path, type });
  const first = module('', 'sentence_transformers.models.Transformer', 0);
  const pooling = module('1_Pooling', 'sentence_transformers.models.Pooling');

  test.each([
    ['an unknown module', [first, pooling, module('2', 'x.LayerNorm', 2)], 'a module "LayerNorm"'],
    ['a path outside', [first, module('../1_Pooling', 'x.Pooling')], 'not a folder beside it'],
    ['no pooling', [first], 'does not pool'],
    ['another start', [module('', 'x.CLIPModel', 0)], 'begins with "x.CLIPModel"'],
    ['something else', { modules: [] }, 'not a list of modules'],
  ])('%s', async (_, modules, reason) => {
    await addModules('mean');
    await writeFile(join(folder, 'modules.json'), JSON.stringify(modules));
    await assertRefused(reason);
  });

  test.each([
    ['1_Pooling', { pooling_mode: 'median' }, 'pooling_mode = "median"'],
    ['2_Dense', { activation_function: 'my.Act' }, 'activation_function = "my.Act"'],
    ['2_Dense', { use_residual: true }, 'use_residual = true'],
    ['2_Dense', { in_features: 31 }, 'linear.weight is 8×32'],
    ['3_Normalize', { module_input_name: 'x' }, 'module_input_name = "x"'],
  ])('%s with %j', async (part, fields, reason) => {
    await addModules('cls');
    const path = join(folder, part, 'config.json');
    const config = JSON.parse(await readFile(path, 'utf8')) as object;
    await writeFile(path, JSON.stringify({ ...config, ...fields }));
    await assertRefused(reason);
  });

  test.each([
    ['', 'the file is empty'],
    ['[{"idx": 0', 'is not valid JSON'],
  ])('modules.json = %j', async (content, reason) => {
    await writeFile(join(folder, 'modules.json'), content);
    await assertRefused(reason);
  });

  test('modules.json that is a folder, and dense weights that are not there', async () => {
    await mkdir(join(folder, 'modules.json'));
    await assertRefused('is a folder');
    await rm(join(folder, 'modules.json'), { recursive: true });
    await addModules('cls');
    await rm(join(folder, '2_Dense/model.safetensors'));
    await assertRefused('is not there');
  });

  test('dense weights that lie outside the folder of the others', async () => {
    await addModules('cls');
    const path = join(folder, '2_Dense/model.safetensors');
    await rename(path, join(scratch, 'elsewhere'));
    await symlink(join(scratch, 'elsewhere'), path);
    await assertRefused('outside');
  });

  async function assertRefused(reason: string) {
    const { outline } = await openHuggingFace(folder);
    expect(outline.runnable).toBe(true);
    expect(outline.layers.some((layer) => layer.name === name)).toBe(false);
    expect(outline.findings).toMatchObject([{ severity: 'info', code: 'no-embedding' }]);
    expect(outline.findings[0]!.message).toContain(reason);
  }
});
