import { describe, expect, it } from 'vitest';
import type { ValueInfo } from '../models/model.ts';
import { imageFeed, imageShapeOf, type ImageProbe } from './image.ts';
import { noiseFeed, noiseProbe } from './noise.ts';

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
