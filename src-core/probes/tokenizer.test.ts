import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { resolveModel } from '../models/resolve.ts';
import { loadTokenizer, type TextTokenizer } from './tokenizer.ts';

const fixtures = fileURLToPath(new URL('../../test/fixtures/tokenizer', import.meta.url));

const readJson = async (name: string): Promise<unknown> =>
  JSON.parse(await readFile(join(fixtures, name), 'utf8'));

type Entry = string | { repeat: [string, number] };

async function strings(): Promise<string[]> {
  const entries = (await readJson('strings.json')) as Entry[];
  return entries.map((entry) =>
    typeof entry === 'string' ? entry : entry.repeat[0].repeat(entry.repeat[1]),
  );
}

/** The ids of a text, padding left out. */
function realIds(tokenizer: TextTokenizer, text: string, maxLength: number): number[] {
  const { ids, mask } = tokenizer.encode([text], { maxLength });
  return Array.from(
    ids.filter((_, at) => mask[at] === 1n),
    Number,
  );
}

/** Texts whose ids are not those of Python's `tokenizers`, with both. */
async function deviations(folder: string, expectedFile: string, maxLength: number) {
  const tokenizer = await loadTokenizer(folder);
  const expected = (await readJson(expectedFile)) as number[][];
  const texts = await strings();
  expect(texts.length).toBeGreaterThanOrEqual(200);
  expect(expected.length).toBe(texts.length);
  return texts.flatMap((text, i) => {
    const ids = realIds(tokenizer, text, maxLength);
    // Of a text without tokens a model could make nothing: see below.
    if (expected[i]!.length === 0) return [];
    return ids.join() === expected[i]!.join() ? [] : [{ text, ids, python: expected[i] }];
  });
}

describe('ids equal those of Python tokenizers', () => {
  test('a small WordPiece tokenizer', async () => {
    expect(await deviations(join(fixtures, 'tiny'), 'tiny.json', 32)).toEqual([]);
  });

  describe.each(['byte-level', 'byte-level-split', 'metaspace', 'unigram'])('%s', (name) => {
    test('on strings of many scripts', async () => {
      expect(await deviations(join(fixtures, name), `${name}.json`, 32)).toEqual([]);
    });

    test('on texts that hold special tokens', async () => {
      const tokenizer = await loadTokenizer(join(fixtures, name));
      const { texts, ...expected } = (await readJson('special-tokens.json')) as {
        texts: string[];
      } & Record<string, number[][]>;
      expect(texts.map((text) => realIds(tokenizer, text, 32))).toEqual(expected[name]);
    });
  });

  test('the tokenizer of the real sentence encoder', async (context) => {
    const encoder = 'sentence-transformers/all-MiniLM-L6-v2';
    const folder = await resolveModel(encoder, []);
    if (folder === undefined) {
      return context.skip(
        `${encoder} is not on this machine; node scripts/fetch-minilm.mjs gets it`,
      );
    }
    expect(await deviations(folder, 'minilm.json', 128)).toEqual([]);
  });
});

describe('batches', () => {
  test('are padded at the end to their longest text', async () => {
    const tokenizer = await loadTokenizer(join(fixtures, 'tiny'));
    const both = tokenizer.encode(['a b c d', '']);
    expect(both).toMatchObject({ batch: 2, tokens: 6 });
    // [CLS] 2, [SEP] 3, [PAD] 0
    expect(Array.from(both.ids.slice(6), Number)).toEqual([2, 3, 0, 0, 0, 0]);
    expect(Array.from(both.mask, Number)).toEqual([1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0]);
    expect(both.types.every((type) => type === 0n)).toBe(true);
    expect(tokenizer.encode(['a b c d']).ids).toEqual(both.ids.slice(0, 6));
  });

  test('hold the end token for a text without tokens', async () => {
    const tokenizer = await loadTokenizer(join(fixtures, 'byte-level'));
    // <|endoftext|> 0
    expect(realIds(tokenizer, '', 32)).toEqual([0]);
  });

  test('are padded under the mask where the tokenizer has no padding token', async () => {
    const tokenizer = await loadTokenizer(join(fixtures, 'byte-level'));
    const { mask, tokens, ids } = tokenizer.encode(['a b c d', 'a']);
    expect(Array.from(mask.slice(tokens), Number)).toEqual([
      1,
      ...new Array<number>(tokens - 1).fill(0),
    ]);
    expect(ids[tokens]).toBe(ids[0]);
  });

  test('are cut to the length allowed, with the closing token kept', async () => {
    const tokenizer = await loadTokenizer(join(fixtures, 'tiny'));
    const long = 'a '.repeat(100);
    const { ids, tokens } = tokenizer.encode([long]);
    expect(tokens).toBe(32);
    expect(ids.at(-1)).toBe(3n);
    const letter = ids[1]!;
    expect(tokenizer.encode([long], { maxLength: 4 }).ids).toEqual(
      BigInt64Array.of(2n, letter, letter, 3n),
    );
  });
});

describe('a checkpoint folder', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'repscope-'));
    await cp(join(fixtures, 'tiny'), folder, { recursive: true });
  });
  afterEach(() => rm(folder, { recursive: true }));
  const write = (name: string, content: string) => writeFile(join(folder, name), content);

  test('says how long a text may be', async () => {
    const longest = async () => (await loadTokenizer(folder)).maxLength;
    expect(await longest()).toBe(32);
    await write('sentence_bert_config.json', '{"max_seq_length": 20}');
    expect(await longest()).toBe(20);
    await write('config.json', '{"max_position_embeddings": 12}');
    expect(await longest()).toBe(12);
    await write('config.json', '{"n_positions": 11}');
    expect(await longest()).toBe(11);
    await write('config.json', '{"text_config": {"max_position_embeddings": 10}}');
    expect(await longest()).toBe(10);
    // Positions 0 and 1 are no token's.
    await write('config.json', '{"model_type": "roberta", "max_position_embeddings": 18}');
    expect(await longest()).toBe(16);
    await write('config.json', '{"max_position_embeddings": 12}');
    await rm(join(folder, 'sentence_bert_config.json'));
    await write('tokenizer_config.json', '{"model_max_length": 1e30}');
    expect(await longest()).toBe(12);
    await rm(join(folder, 'config.json'));
    expect(await longest()).toBe(512);
  });

  test.each([
    ['', 'empty'],
    ['{"model": ', 'not-a-model'],
    ['{"model": {}}', 'unsupported'],
  ])('with tokenizer.json = %j is refused in one line', async (content, code) => {
    await write('tokenizer.json', content);
    const error = await loadTokenizer(folder).then(
      () => undefined,
      (reason: unknown) => reason as Error,
    );
    expect(error).toMatchObject({ name: 'UserError', code });
    expect(error?.message).toContain(join(folder, 'tokenizer.json'));
    expect(error?.message).not.toContain('\n');
  });

  test('without tokenizer.json is refused', async () => {
    await rm(join(folder, 'tokenizer.json'));
    await expect(loadTokenizer(folder)).rejects.toMatchObject({ code: 'missing' });
  });
});
