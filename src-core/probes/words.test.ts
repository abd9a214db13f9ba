import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openFeed } from '../capture/feed.ts';
import { openModel } from '../models/open.ts';
import { loadTokenizer, wordsOf } from './tokenizer.ts';

const fixtures = fileURLToPath(new URL('../../test/fixtures', import.meta.url));
const tokenizers = ['tiny', 'byte-level', 'byte-level-split', 'metaspace', 'unigram'];

async function strings(): Promise<string[]> {
  const text = await readFile(join(fixtures, 'tokenizer', 'strings.json'), 'utf8');
  const entries = JSON.parse(text) as (string | { repeat: [string, number] })[];
  return entries.map((entry) =>
    typeof entry === 'string' ? entry : entry.repeat[0].repeat(entry.repeat[1]),
  );
}

test('words stand between white space', () => {
  expect(wordsOf('  Don\u2019t  panic,\nplease \u2026 ok\u00a0\u200b ')).toEqual([
    'Don\u2019t',
    'panic,',
    'please',
    '\u2026',
    'ok',
  ]);
  expect(wordsOf(' \u200b \n')).toEqual([]);
});

describe.each(tokenizers)('%s', (name) => {
  test('gives every word of every text tokens of its own, in order', async () => {
    const tokenizer = await loadTokenizer(join(fixtures, 'tokenizer', name));
    for (const text of await strings()) {
      const { ids, words } = tokenizer.encodeWords(text);
      const owners = Array.from(words!).filter((word) => word >= 0);
      expect(words).toHaveLength(ids.length);
      expect(owners).toEqual(owners.toSorted((a, b) => a - b));
      expect([...new Set(owners)]).toEqual(Array.from(wordsOf(text).keys()));
    }
  });

  test('gives plain sentences the tokens that they have as a whole', async () => {
    const tokenizer = await loadTokenizer(join(fixtures, 'tokenizer', name));
    for (const text of ['the cat sat.', 'a b c', 'Where is it? I asked, twice!']) {
      const whole = tokenizer.encodeOne(text, { maxLength: 1000 });
      expect(tokenizer.encodeWords(text).ids).toEqual(whole.ids);
    }
  });
});

describe('the same probe through two tokenizers', () => {
  const models = [join(fixtures, 'minilm', 'tiny-f32')];
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'repscope-'));
    const decoder = join(folder, 'gpt2');
    await cp(join(fixtures, 'decoders', 'gpt2'), decoder, { recursive: true });
    await cp(join(fixtures, 'tokenizer', 'byte-level'), decoder, { recursive: true });
    models.push(decoder);
  });
  afterAll(() => rm(folder, { recursive: true }));

  const schedules = async (texts: string[]) => {
    const path = join(folder, 'texts.txt');
    await writeFile(path, texts.join('\n'));
    return Promise.all(
      models.map(async (model) => {
        const feed = await openFeed(await openModel(model), path, '.', [], 'word');
        return feed.prepare!(() => Promise.resolve());
      }),
    );
  };

  test('has the same words', async () => {
    const [a, b] = await schedules(['a cat sat.', 'yes', 'un caf\u00e9 noir, s\u2019il']);
    expect(a!.words).toEqual(Uint32Array.of(3, 1, 4));
    expect(b!.words).toEqual(a!.words);
    // Control: their tokens differ.
    expect(b!.lengths).not.toEqual(a!.lengths);
  });

  test('is refused where the last words of a text would have no row', async () => {
    await expect(schedules(['a', 'word '.repeat(600)])).rejects.toThrow(/text 2 has \d+ tokens/);
    await expect(schedules(['a', '\u200b'])).rejects.toThrow(/text 2 has no words/);
  });

  test('needs a probe of texts', async () => {
    const model = await openModel(join(fixtures, 'encoders', 'vit'));
    await expect(openFeed(model, 'digits', '.', [], 'word')).rejects.toThrow(/has no words/);
  });
});
