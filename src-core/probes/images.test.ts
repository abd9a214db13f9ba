import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openFeed } from '../capture/feed.ts';
import { openModel } from '../models/open.ts';
import { decodeImage } from './decode-image.ts';
import { imagePlanOf, preparePixels, type ImagePlan } from './image-plan.ts';
import { listMedia } from './media-files.ts';
import { resize } from './pillow-resize.ts';

const fixtures = fileURLToPath(new URL('../../test/fixtures', import.meta.url));
const pictures = join(fixtures, 'probes', 'images');

interface Expected {
  files: string[];
  grey: number[];
  resized: { resample: number; size: [number, number]; sum: number; pixels: number[] }[];
  prepared: Record<string, { config: Record<string, unknown>; shape: number[]; values: number[] }>;
}
const expected = JSON.parse(
  await readFile(join(fixtures, 'probes', 'expected.json'), 'utf8'),
) as Expected;

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'repscope-'));
});
afterAll(() => rm(folder, { recursive: true }));

/** A copy of the ViT fixture with a preprocessor of its own. */
async function vit(config?: Record<string, unknown>): Promise<string> {
  const path = await mkdtemp(join(folder, 'vit-'));
  await cp(join(fixtures, 'encoders', 'vit'), path, { recursive: true });
  if (config) await writeFile(join(path, 'preprocessor_config.json'), JSON.stringify(config));
  return path;
}

const isExact = (a: ArrayLike<number>, b: ArrayLike<number>) =>
  Array.from(a).join() === Array.from(b).join();

describe('as Pillow, byte for byte', () => {
  test.each(expected.resized)('resampling $resample to $size', async (item) => {
    const { resample, size, sum, pixels } = item;
    const image = await decodeImage(join(pictures, expected.files[0]!), 3);
    const { data } = resize(image, size[0], size[1], resample);
    expect(data.reduce((total, value) => total + value, 0)).toBe(sum);
    const every = Math.round(data.length / pixels.length);
    expect(
      isExact(
        data.filter((_, index) => index % every === 0),
        pixels,
      ),
    ).toBe(true);
  });

  test('grey', async () => {
    const { data } = await decodeImage(join(pictures, expected.files[0]!), 1);
    expect(isExact(data, expected.grey)).toBe(true);
  });
});

describe('as the image processors of transformers', () => {
  test.each(Object.entries(expected.prepared))('%s', async (_name, { config, shape, values }) => {
    const plan: ImagePlan = imagePlanOf(config, 'preprocessor_config.json', undefined);
    const [, channels, height, width] = shape;
    const size = height! * width!;
    const ours: number[] = [];
    for (const file of expected.files) {
      const image = preparePixels(await decodeImage(join(pictures, file), 3), plan);
      expect([image.height, image.width]).toEqual([height, width]);
      for (let channel = 0; channel < channels!; channel++) {
        const { factor, mean, std } = plan.scaling;
        for (let p = 0; p < size; p++) {
          ours.push((image.data[3 * p + channel]! * factor - mean[channel]!) / std[channel]!);
        }
      }
    }
    const every = ours.filter((_value, index) => index % 3 === 0);
    expect(every).toHaveLength(values.length);
    const worst = every.reduce((most, v, i) => Math.max(most, Math.abs(v - values[i]!)), 0);
    // The expected values are rounded to six decimals.
    expect(worst).toBeLessThan(2e-6);
  });
});

describe('a folder of images', () => {
  test('has labels by subfolder, and feeds an image model', async () => {
    const config = {
      size: { height: 32, width: 32 },
      resample: 2,
      image_mean: 0.5,
      image_std: 0.5,
    };
    const model = await openModel(await vit(config));
    const [input] = model.outline.inputs;
    const [, channels, height, width] = input!.shape as number[];
    const path = await vit({ ...config, size: { height, width } });
    const feed = await openFeed(await openModel(path), pictures, '.');
    expect(feed).toMatchObject({
      n: 4,
      labels: ['tall', 'tall', 'wide', 'wide'],
      ids: expected.files,
    });
    const { feeds } = await feed.batch(1, 3);
    expect(feeds['pixel_values']!.dims).toEqual([2, channels, height, width]);
    if (height !== 32) {
      await expect(openFeed(model, pictures, '.')).rejects.toThrow(/makes images of 32 × 32/);
    }
  });

  test('is resized to what the input takes where no file says how', async () => {
    const feed = await openFeed(await openModel(await vit()), pictures, '.');
    expect(feed.description).toContain('(bilinear), values 0–1');
    const { data } = (await feed.batch(0, 4)).feeds['pixel_values']!;
    const values = Array.from(data as Float32Array);
    expect(Math.min(...values)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...values)).toBeLessThanOrEqual(1);
    expect(new Set(values).size).toBeGreaterThan(50);
  });

  test('may be one image', async () => {
    const feed = await openFeed(await openModel(await vit()), join(pictures, 'tall/0.png'), '.');
    expect(feed.n).toBe(1);
  });
});

describe('refuses', () => {
  const folderOf = async (name: string, files: Record<string, string>) => {
    const path = join(folder, name);
    await mkdir(path);
    for (const [file, from] of Object.entries(files)) {
      if (from === '') await writeFile(join(path, file), 'no image');
      else await cp(join(pictures, from), join(path, file));
    }
    return path;
  };

  test('folders with nothing, one or two kinds of sample', async () => {
    await expect(listMedia(await folderOf('empty', { 'a.md': '' }))).rejects.toThrow(
      /holds no images and no .wav files/,
    );
    await expect(listMedia(await folderOf('one', { 'a.png': 'tall/0.png' }))).rejects.toThrow(
      /holds one image/,
    );
    await expect(
      listMedia(await folderOf('mixed', { 'a.png': 'tall/0.png', 'b.wav': '' })),
    ).rejects.toThrow(/images and recordings/);
  });

  test('a file that is no image, by name, whatever it pretends to be', async () => {
    const path = await folderOf('broken', { 'a.png': 'tall/0.png', 'b.png': '' });
    await expect(decodeImage(join(path, 'b.png'), 3)).rejects.toThrow(/b\.png: cannot be decoded/);
    const whole = await readFile(join(path, 'a.png'));
    await writeFile(join(path, 'a.png'), whole.subarray(0, whole.length / 2));
    await expect(decodeImage(join(path, 'a.png'), 3)).rejects.toThrow(/a\.png: cannot be decoded/);
    const svg = '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>';
    await writeFile(join(path, 'b.png'), svg);
    await expect(decodeImage(join(path, 'b.png'), 3)).rejects.toThrow(/cannot be decoded/);
  });

  test.each([
    [{ do_pad: true, size: 16 }, /do_pad = true/],
    [{ crop_pct: 0.875, size: 16 }, /crop_pct/],
    [{ size: { shortest_edge: 16, longest_edge: 20 } }, /longest_edge/],
    [{ size: -1 }, /size = -1/],
    [{ size: 16, resample: 9 }, /resample = 9/],
    [{ size: 16, do_center_crop: true, crop_size: 'x' }, /crop_size/],
    [{ size: 16, image_mean: [1], image_std: [1] }, /image_mean/],
  ])('a preprocessor that says %j', (config, words) => {
    expect(() => imagePlanOf(config, 'preprocessor_config.json', undefined)).toThrow(words);
  });

  test('images for a model of texts', async () => {
    const model = await openModel(join(fixtures, 'minilm', 'tiny-f32'));
    await expect(openFeed(model, pictures, '.')).rejects.toThrow(/takes no images/);
  });
});
