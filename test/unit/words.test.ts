import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createEngine, type Engine } from '@repscope/core/engine/device-engine.ts';
import { analyze } from '@repscope/core/jobs/analyze.ts';
import { openInput } from '@repscope/core/jobs/inputs.ts';
import type { Pool } from '@repscope/core/jobs/messages.ts';
import { openModel } from '@repscope/core/models/open.ts';
import { openFeed } from '@repscope/core/capture/feed.ts';
import { findAnalysis } from '@repscope/core/analyses/registry.ts';

const fixtures = fileURLToPath(new URL('../fixtures', import.meta.url));
const tiny = join(fixtures, 'minilm', 'tiny-f32');
const texts = ['Unbelievable!', 'the cats were sitting, asleep', 'a b'];

let engine: Engine;
let folder: string;
let probe: string;
beforeAll(async () => {
  engine = await createEngine('cpu');
  folder = await mkdtemp(join(tmpdir(), 'repscope-'));
  probe = join(folder, 'texts.txt');
  await writeFile(probe, texts.join('\n'));
});
afterAll(async () => {
  await engine.dispose();
  await rm(folder, { recursive: true });
});

const step = () => Promise.resolve();

async function rowsOf(pool: Pool) {
  const options = { probe, pool, layers: ['layers.0.resid_post'] };
  const input = 'samples' as const;
  const environment = { cwd: '.', options, input, engine, warn: () => undefined, step };
  const opened = await openInput(tiny, environment);
  try {
    const layer = opened.side.layers[0]!;
    return { n: layer.n, d: layer.d, data: await layer.rows(0, layer.n) };
  } finally {
    await opened.close();
  }
}

it('pools the tokens of each word, in the order of the probe', async () => {
  const [words, tokens] = [await rowsOf('word'), await rowsOf('none')];
  expect(words.n).toBe(1 + 5 + 2);
  const feed = await openFeed(await openModel(tiny), probe, '.', [], 'word');
  const { order } = await feed.prepare!(step);
  const place = Array.from(order);
  let token = 0;
  let word = 0;
  for (const sample of texts.keys()) {
    const at = place.indexOf(sample);
    const { mask, words: owners } = (await feed.batch(at, at + 1)).tokens!;
    const length = mask.reduce((sum, value) => sum + Number(value), 0);
    const count = Math.max(...owners!) + 1;
    for (let index = 0; index < count; index++, word++) {
      const mine = Array.from(owners!.keys()).filter((position) => owners![position] === index);
      for (let unit = 0; unit < words.d; unit++) {
        const values = mine.map((position) => tokens.data[(token + position) * tokens.d + unit]!);
        const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
        expect(words.data[word * words.d + unit]).toBeCloseTo(mean, 5);
      }
    }
    token += length;
  }
  expect([word, token]).toEqual([words.n, tokens.n]);
});

it('is the way out where two tokenizers make different numbers of tokens', async () => {
  const other = join(folder, 'other');
  await cp(tiny, other, { recursive: true });
  // The same tokenizer without its longer pieces: every word falls into letters.
  const file = join(other, 'tokenizer.json');
  const definition = JSON.parse(await readFile(file, 'utf8')) as {
    model: { vocab: Record<string, number> };
  };
  const isShort = ([token]: [string, number]) => /^(\[[A-Z]+\]|(##)?.)$/u.test(token);
  definition.model.vocab = Object.fromEntries(
    Object.entries(definition.model.vocab).filter(isShort),
  );
  await writeFile(file, JSON.stringify(definition));
  const run = (pool: Pool) =>
    analyze(
      findAnalysis('cka'),
      [tiny, other],
      { params: {}, cwd: '.', probe, pool, layers: ['embeddings'] },
      engine,
      { step, signal: new AbortController().signal },
    );
  await expect(run('none')).rejects.toThrow(/makes \d+ tokens of the probe.*--pool word/);
  const { n, probe: fed } = await run('word');
  expect([n, fed?.pool]).toEqual([8, 'word']);
});
