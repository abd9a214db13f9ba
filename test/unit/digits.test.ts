import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it, test } from 'vitest';
import { createEngine } from '@repscope/core/engine/device-engine.ts';
import { openModel } from '@repscope/core/models/open.ts';
import { defaultImageProbe, drawDigits } from '@repscope/core/probes/digits.ts';
import { imageFeed, type ImageProbe } from '@repscope/core/probes/image.ts';
import { guesses, outputsOf, shareRight } from '../generate/run-onnx.ts';

interface Reference {
  heldOut: { count: number; seed: number; height: number; width: number };
  accuracies: Record<string, number>;
  layers: Record<string, Record<string, { shape: number[]; data: number[] }>>;
}

const pathOf = (model: string) =>
  fileURLToPath(new URL(`../../examples/digits/models/${model}.onnx`, import.meta.url));
const reference = JSON.parse(
  readFileSync(new URL('../fixtures/digits/reference.json', import.meta.url), 'utf8'),
) as Reference;
const size = { height: 28, width: 28 };

describe('drawn digits', () => {
  it('are the same bytes everywhere', () => {
    const { images } = drawDigits({ count: 500, seed: 0, ...size });
    const hash = createHash('sha256').update(images).digest('hex');
    expect(hash).toBe('45545ccb632812e5e072baa80cfe12552adf680dbd260c124c539eb2a1402448');
  });

  it('depend on the seed and not on how many are drawn', () => {
    const few = drawDigits({ count: 3, seed: 5, ...size });
    const more = drawDigits({ count: 20, seed: 5, ...size });
    const other = drawDigits({ count: 3, seed: 6, ...size });
    expect(more.images.subarray(0, 3 * 784)).toEqual(few.images);
    expect(other.images).not.toEqual(few.images);
  });

  it.each([
    [8, 8],
    [28, 28],
    [64, 96],
  ])('fill a canvas of %i × %i with ink and paper', (height, width) => {
    const { n, images, labels } = defaultImageProbe({ height, width });
    expect(images.length).toBe(n * height * width);
    for (let digit = 0; digit < 10; digit++) {
      expect(labels.filter((label) => label === digit)).toHaveLength(n / 10);
    }
    for (let i = 0; i < n; i++) {
      const image = images.subarray(i * height * width, (i + 1) * height * width);
      const ink = image.filter((grey) => grey > 100).length / image.length;
      expect(ink).toBeGreaterThan(0.01);
      expect(ink).toBeLessThan(0.5);
    }
  });
});

describe('the classifiers', () => {
  const fresh = drawDigits({ count: 1000, seed: 77, ...size });
  const outputs = (model: string) => outputsOf(readFileSync(pathOf(model)), fresh);

  test.each(Object.keys(reference.layers))(
    'every layer of %s is what TensorFlow.js computes',
    async (name) => {
      const expected = Object.entries(reference.layers[name]!);
      const count = expected[0]![1].shape[0]!;
      const model = await openModel(pathOf(name));
      const graph = await model.graph(expected.map(([layer]) => layer));
      const drawn = drawDigits({ ...reference.heldOut, count });
      const probe: ImageProbe = { ...defaultImageProbe(size), ...drawn, n: count };
      const feed = imageFeed(probe, 0, count, model.outline.inputs[0]!);
      const session = await (await createEngine('cpu')).openModel(graph);
      const found = await session.run({ image: { dtype: 'float32', ...feed } });
      for (const [index, [layer, { shape, data }]] of expected.entries()) {
        const tensor = found[graph.outputs[index]!]!;
        expect(tensor.dims, layer).toEqual(shape);
        const worst = data.reduce((top, v, i) => Math.max(top, Math.abs(v - tensor.data[i]!)), 0);
        expect(worst, layer).toBeLessThan(1e-5);
      }
      await session.release();
    },
  );

  test.each(['mlp-seed0', 'mlp-seed1', 'cnn-seed0', 'cnn-seed1', 'mlp-seed0-int8'])(
    '%s recognises at least 95 % of fresh digits',
    async (name) => {
      expect(shareRight(await outputs(name), fresh)).toBeGreaterThanOrEqual(0.95);
      expect(reference.accuracies[name]).toBeGreaterThanOrEqual(0.95);
    },
  );

  test('the barely trained one recognises far fewer', async () => {
    const share = shareRight(await outputs('mlp-barely-trained'), fresh);
    expect(share).toBeGreaterThan(0.2);
    expect(share).toBeLessThan(0.7);
  });

  test('the int8 twin says what the float32 model says, with its layer names', async () => {
    const expected = guesses(await outputs('mlp-seed0'));
    const found = guesses(await outputs('mlp-seed0-int8'));
    const same = found.filter((guess, i) => guess === expected[i]).length;
    expect(same / expected.length).toBeGreaterThanOrEqual(0.95);
    const layers = async (name: string) =>
      (await openModel(pathOf(name))).outline.layers.map((layer) => layer.name);
    expect(await layers('mlp-seed0-int8')).toEqual(await layers('mlp-seed0'));
  });
});
