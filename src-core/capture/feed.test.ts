import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createEngine, type Engine } from '../engine/device-engine.ts';
import type { Pool } from '../jobs/messages.ts';
import { selectLayers } from '../models/layers.ts';
import { openModel } from '../models/open.ts';
import { captureLayers } from './capture.ts';
import { fedLayers, openFeed } from './feed.ts';

const fixtures = fileURLToPath(new URL('../../test/fixtures', import.meta.url));

let engine: Engine;
beforeAll(async () => {
  engine = await createEngine('cpu');
});
afterAll(() => engine.dispose());

async function capture(folder: string, layer: string, pool: Pool) {
  const model = await openModel(folder);
  const layers = selectLayers(model.outline, [layer]);
  const feed = await openFeed(model, 'noise:7', '.', layers);
  const captured = await captureLayers(
    { model, layers: layers.map(({ name }) => name), feed, pool },
    {
      engine,
      cacheLimit: 0,
      memoryLimit: 2 ** 30,
      warn: () => undefined,
      step: () => Promise.resolve(),
    },
  );
  const [rows] = captured.layers;
  const data = Array.from(await rows!.rows(0, rows!.n));
  await captured.close();
  return { n: rows!.n, d: rows!.d, data };
}

describe('tokens of images', () => {
  const vit = join(fixtures, 'encoders/vit');
  const [images, tokens, width] = [7, 17, 16];

  it('are pooled like those of texts, all of them real', async () => {
    const layer = 'layers.1.resid_post';
    const every = await capture(vit, layer, 'none');
    expect(every).toMatchObject({ n: images * tokens, d: width });
    const row = (image: number, token: number) =>
      every.data.slice((image * tokens + token) * width, (image * tokens + token + 1) * width);
    const close = (found: number[], expected: number[]) => {
      expect(found).toHaveLength(expected.length);
      found.forEach((value, i) => expect(value).toBeCloseTo(expected[i]!, 4));
    };
    const each = Array.from({ length: images }, (_, image) => image);
    close(
      (await capture(vit, layer, 'cls')).data,
      each.flatMap((image) => row(image, 0)),
    );
    close(
      (await capture(vit, layer, 'last')).data,
      each.flatMap((image) => row(image, tokens - 1)),
    );
    const mean = each.flatMap((image) =>
      Array.from({ length: width }, (_, unit) => {
        const column = Array.from({ length: tokens }, (_, token) => row(image, token)[unit]!);
        return column.reduce((a, b) => a + b, 0) / tokens;
      }),
    );
    close((await capture(vit, layer, 'mean')).data, mean);
  });

  it('leave values without tokens as they are', async () => {
    expect(await capture(vit, 'logits', 'none')).toMatchObject({ n: images, d: 5 });
  });
});

describe('a model of two encoders', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'repscope-'));
    await cp(join(fixtures, 'encoders/clip'), folder, { recursive: true });
    await cp(join(fixtures, 'tokenizer/tiny'), folder, { recursive: true });
  });
  afterEach(() => rm(folder, { recursive: true }));

  async function fed(spec: string, globs?: string[]) {
    const model = await openModel(folder);
    const layers = selectLayers(model.outline, globs);
    const feed = await openFeed(model, spec, '.', layers);
    const names = fedLayers(layers, feed, globs !== undefined).map(({ name }) => name);
    return { inputs: feed.inputs, names, description: feed.description };
  }

  it('runs the one that the probe drives', async () => {
    const text = await fed('default');
    expect(text.inputs).toEqual(['input_ids', 'attention_mask']);
    expect(text.names).toEqual([
      'text.embeddings',
      'text.layers.0.resid_post',
      'text.layers.1.resid_post',
      'text.ln_final',
    ]);
    const image = await fed('digits');
    expect(image.inputs).toEqual(['pixel_values']);
    expect(image.names.every((name) => name.startsWith('vision.'))).toBe(true);
  });

  it('takes the probe that the named layers need', async () => {
    expect((await fed('default', ['vision.embeds'])).inputs).toEqual(['pixel_values']);
    expect((await fed('default', ['text.embeds'])).inputs).toEqual(['input_ids', 'attention_mask']);
  });

  it('refuses named layers that the probe does not drive', async () => {
    await expect(fed('digits', ['*.embeds'])).rejects.toThrow(
      "layer 'text.embeds': needs input_ids, which the probe 'digits' does not give",
    );
    await expect(fed('text', ['vision.embeds'])).rejects.toThrow(
      'text needs a model with input_ids',
    );
  });

  it('is given pixels as its preprocessor makes them, and says so', async () => {
    const scaling = { image_mean: [0.48, 0.46, 0.41], image_std: [0.27, 0.26, 0.28] };
    await writeFile(join(folder, 'preprocessor_config.json'), JSON.stringify(scaling));
    expect((await fed('digits')).description).toContain('less 0.48, 0.46, 0.41, divided by');
    await writeFile(join(folder, 'preprocessor_config.json'), '{"image_mean": "x"}');
    const { outline, pixelScaling } = await openModel(folder);
    expect(pixelScaling).toBeUndefined();
    expect(outline.findings).toMatchObject([{ severity: 'warning', code: 'bad-side-file' }]);
  });
});

describe('noise', () => {
  const model = () => openModel(join(fixtures, 'onnx', 'branch.onnx'));

  it('comes with a caution where nobody asked for it', async () => {
    const feed = await openFeed(await model(), undefined, '.');
    expect(feed.caution).toMatch(/^branch was fed 500 samples of seeded standard normal noise/);
  });

  it('comes with none where it was asked for', async () => {
    const feed = await openFeed(await model(), 'noise:5', '.');
    expect(feed.n).toBe(5);
    expect(feed.caution).toBeUndefined();
  });
});
