import { describe, expect, it } from 'vitest';
import type { ValueInfo } from '../models/model.ts';
import { defaultImageProbe } from './digits.ts';
import { imageFeed, imageShapeOf, type ImageProbe } from './image.ts';
import { noiseFeed, noiseProbe } from './noise.ts';
import { pixelScalingOf } from './pixel-scaling.ts';

const input = (...shape: ValueInfo['shape']): ValueInfo => ({
  name: 'x',
  dtype: 'float32',
  shape,
});

/** Two images of 8 × 9, pixel p of image i is 72 i + p. */
const probe: ImageProbe = {
  spec: 'default',
  description: '',
  n: 2,
  height: 8,
  width: 9,
  labels: Uint8Array.of(0, 1),
  images: Uint8Array.from({ length: 144 }, (_, i) => i),
  sha256: '',
};

describe('imageShapeOf', () => {
  it.each([
    [['N', 1, 28, 28], { height: 28, width: 28, channels: 1, layout: 'NCHW' }],
    [[null, 3, 224, 192], { height: 224, width: 192, channels: 3, layout: 'NCHW' }],
    [[1, 28, 30, 1], { height: 28, width: 30, channels: 1, layout: 'NHWC' }],
    [['N', 32, 32, 3], { height: 32, width: 32, channels: 3, layout: 'NHWC' }],
    [['N', 784], { height: 28, width: 28, channels: 1, layout: 'flat' }],
  ] as const)('%j is an image', (shape, expected) => {
    expect(imageShapeOf(input(...shape))).toEqual(expected);
  });

  it.each([
    [['N', 20]],
    [['N', 4]],
    [['N', 28, 28]],
    [['N', 3, 'height', 'width']],
    [['N', 12, 64, 64]],
    [['N']],
  ] as const)('%j is none', (shape) => {
    expect(imageShapeOf(input(...shape))).toBeUndefined();
  });

  it('takes float32 only', () => {
    expect(imageShapeOf({ ...input('N', 784), dtype: 'int64' })).toBeUndefined();
  });
});

describe('imageFeed', () => {
  it('repeats the grey channel first or last', () => {
    const first = imageFeed(probe, 1, 2, input('N', 3, 8, 9));
    expect(first.dims).toEqual([1, 3, 8, 9]);
    const last = imageFeed(probe, 1, 2, input('N', 8, 9, 3));
    expect(last.dims).toEqual([1, 8, 9, 3]);
    for (const channel of [0, 1, 2]) {
      expect(first.data[channel * 72 + 5]).toBe(Math.fround(77 / 255));
      expect(last.data[5 * 3 + channel]).toBe(Math.fround(77 / 255));
    }
  });

  it('takes mean and deviation of each channel off', () => {
    // (77 / 255 − mean) / std, by hand.
    const scaling = { factor: 1 / 255, mean: [0.5, 0, 0.3], std: [0.5, 1, 0.1] } as const;
    const { data } = imageFeed({ ...probe, scaling }, 1, 2, input('N', 3, 8, 9));
    expect(data[5]).toBeCloseTo(-0.396078, 6);
    expect(data[72 + 5]).toBeCloseTo(0.301961, 6);
    expect(data[2 * 72 + 5]).toBeCloseTo(0.019608, 5);
  });

  it('names the input and both shapes where they differ', () => {
    expect(() => imageFeed(probe, 0, 2, input('N', 1, 28, 28))).toThrow(
      'input x: expects float32 [N, 1, 28, 28], the probe gives [2, 1, 8, 9]; ',
    );
    expect(() => imageFeed(probe, 0, 2, input(1, 1, 8, 9))).toThrow(
      'expects float32 [1, 1, 8, 9], the probe gives [2, 1, 8, 9]',
    );
  });
});

describe('noiseFeed', () => {
  const inputs = [
    { ...input('N', 20, 50), name: 'a' },
    { ...input('N', 7), name: 'b' },
  ];

  it('is standard normal and shaped as the inputs are', () => {
    const feeds = noiseFeed(noiseProbe(), 0, 100, inputs);
    expect(feeds['a']!.dims).toEqual([100, 20, 50]);
    expect(feeds['b']!.dims).toEqual([100, 7]);
    const { data } = feeds['a']!;
    const moment = (power: number) => data.reduce((sum, x) => sum + x ** power, 0) / data.length;
    // Of 100,000 values: mean ± 0.003, variance ± 0.0045, fourth moment ± 0.03.
    expect(Math.abs(moment(1))).toBeLessThan(0.015);
    expect(Math.abs(moment(2) - 1)).toBeLessThan(0.02);
    expect(Math.abs(moment(4) - 3)).toBeLessThan(0.15);
  });

  it('gives a sample the same numbers in every batch, and others under another seed', () => {
    const all = noiseFeed(noiseProbe(), 0, 10, inputs)['b']!.data;
    const some = noiseFeed(noiseProbe(), 4, 6, inputs)['b']!.data;
    expect(all.subarray(28, 42)).toEqual(some);
    expect(noiseFeed(noiseProbe({ seed: 1 }), 4, 6, inputs)['b']!.data).not.toEqual(some);
  });

  it('refuses what it cannot shape', () => {
    expect(() => noiseFeed(noiseProbe(), 0, 2, [input('N', 'tokens')])).toThrow(
      'input x: its shape [N, tokens] is not fixed',
    );
    expect(() => noiseFeed(noiseProbe(), 0, 2, [{ ...input('N', 4), dtype: 'int64' }])).toThrow(
      'input x: takes int64, noise is float32',
    );
  });
});

describe('pixelScalingOf', () => {
  const mean = [0.1, 0.2, 0.3];
  const std = [0.4, 0.5, 0.6];

  it.each([
    [
      { image_mean: mean, image_std: std },
      { factor: 1 / 255, mean, std },
    ],
    [
      { image_mean: 0.5, image_std: 0.5 },
      { factor: 1 / 255, mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5] },
    ],
    [
      { do_normalize: false, image_mean: mean, image_std: std, rescale_factor: 0.01 },
      { factor: 0.01, mean: [0, 0, 0], std: [1, 1, 1] },
    ],
    [{ do_rescale: false }, { factor: 1, mean: [0, 0, 0], std: [1, 1, 1] }],
  ])('of %j', (config, expected) => {
    expect(pixelScalingOf(config)).toEqual(expected);
  });

  it.each([
    [{ image_mean: [1, 2], image_std: std }, 'image_mean = [1,2]'],
    [{ image_mean: mean }, 'image_std = undefined'],
    [{ image_mean: mean, image_std: [1, 0, 1] }, 'image_std = [1,0,1]'],
    [{ rescale_factor: 'x' }, 'rescale_factor = "x"'],
  ])('of %j says why not', (config, reason) => {
    expect(pixelScalingOf(config)).toBe(reason);
  });

  it('is said in the description of the digits, and decides their digest', () => {
    const size = { height: 8, width: 8 };
    const scaling = { factor: 1 / 255, mean: [0.1, 0.2, 0.3], std: [0.4, 0.5, 0.6] } as const;
    const scaled = defaultImageProbe(size, scaling);
    expect(scaled.description).toContain(
      'pixels scaled to 0–1, less 0.1, 0.2, 0.3, divided by 0.4, 0.5, 0.6 (preprocessor_config.json)',
    );
    expect(scaled.sha256).not.toBe(defaultImageProbe(size).sha256);
  });
});
