import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { loadTokenizer } from './tokenizer.ts';

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

/** Texts whose ids are not those of Python's `tokenizers`, with both. */
async function deviations(folder: string, expectedFile: string, maxLength: number) {
  const tokenizer = await loadTokenizer(folder);
  const expected = (await readJson(expectedFile)) as number[][];
  const texts = await strings();
  expect(texts.length).toBeGreaterThanOrEqual(200);
  expect(expected.length).toBe(texts.length);
  return texts.flatMap((text, i) => {
    const ids = Array.from(tokenizer.encode([text], { maxLength }).ids, Number);
    return ids.join() === expected[i]!.join() ? [] : [{ text, ids, python: expected[i] }];
  });
}

describe('ids equal those of Python tokenizers', () => {
  test('a small WordPiece tokenizer', async () => {
    expect(await deviations(join(fixtures, 'tiny'), 'tiny.json', 32)).toEqual([]);
  });
});
