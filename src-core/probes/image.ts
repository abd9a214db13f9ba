import { UserError } from '../errors.ts';
import type { ValueInfo } from '../models/model.ts';
import type { PixelScaling } from './pixel-scaling.ts';

/** Labelled grey images. */
export interface ImageProbe {
  /** What the user asked for: `default`. */
  spec: string;
  /** Says what the images are and how their pixels are scaled. */
  description: string;
  n: number;
  height: number;
  width: number;
  /** Class of each image, n values. */
  labels: Uint8Array;
  /** n × height × width, 0–255. */
  images: Uint8Array;
  /** How pixels enter the model; divided by 255 where absent. */
  scaling?: PixelScaling;
  /** Hex digest of images, labels and scaling. */
  sha256: string;
}

export interface ImageShape {
  height: number;
  width: number;
  channels: 1 | 3;
  /** `flat` is [N, height · width]. */
  layout: 'NCHW' | 'NHWC' | 'flat';
}

/** One model input, filled. */
export interface Feed {
  data: Float32Array;
  dims: number[];
}

/** Below this a drawn digit cannot be told from another. */
const smallestSide = 8;

const isSide = (size: unknown): size is number => typeof size === 'number' && size >= smallestSide;
const isChannels = (size: unknown): size is 1 | 3 => size === 1 || size === 3;

/**
 * The image that an input takes, or undefined where it takes none: [N, C, H, W], [N, H, W, C] with
 * one or three channels, or [N, H·W] where H·W is a square number. N may be symbolic; sides are known
 * and at least 8; elements are float32.
 */
export function imageShapeOf(input: ValueInfo): ImageShape | undefined {
  if (input.dtype !== 'float32') return undefined;
  const [, a, b, c] = input.shape;
  if (input.shape.length === 4) {
    if (isChannels(a) && isSide(b) && isSide(c)) {
      return { height: b, width: c, channels: a, layout: 'NCHW' };
    }
    if (isSide(a) && isSide(b) && isChannels(c)) {
      return { height: a, width: b, channels: c, layout: 'NHWC' };
    }
  }
  if (input.shape.length === 2 && typeof a === 'number') {
    const side = Math.sqrt(a);
    if (Number.isInteger(side) && isSide(side)) {
      return { height: side, width: side, channels: 1, layout: 'flat' };
    }
  }
  return undefined;
}

/**
 * Images `[start, end)` of a probe as the input's tensor, pixels scaled as the probe says, a single
 * channel repeated where the input takes three.
 * @throws UserError `wrong-shape` where the input takes no such image.
 */
export function imageFeed(probe: ImageProbe, start: number, end: number, input: ValueInfo): Feed {
  const shape = imageShapeOf(input);
  const count = end - start;
  const { height, width } = probe;
  if (shape?.height !== height || shape.width !== width || !fitsBatch(input, count)) {
    throw wrongShape(input, [count, 1, height, width], 'give images of the size the model takes');
  }
  const size = height * width;
  const { channels, layout } = shape;
  const data = new Float32Array(count * channels * size);
  for (let channel = 0; channel < channels; channel++) {
    const values = pixelValues(probe.scaling, channel);
    for (let i = 0; i < count; i++) {
      for (let p = 0; p < size; p++) {
        const within = layout === 'NHWC' ? p * channels + channel : channel * size + p;
        data[i * channels * size + within] = values[probe.images[(start + i) * size + p]!]!;
      }
    }
  }
  const dims = {
    NCHW: [count, channels, height, width],
    NHWC: [count, height, width, channels],
    flat: [count, size],
  }[layout];
  return { data, dims };
}

/** What each of the 256 grey levels becomes in one channel. */
export function pixelValues(scaling: PixelScaling | undefined, channel: number): Float32Array {
  return Float32Array.from({ length: 256 }, (_, grey) => {
    if (!scaling) return grey / 255;
    const { factor, mean, std } = scaling;
    return (grey * factor - mean[channel]!) / std[channel]!;
  });
}

/** Whether an input takes this many samples at once. */
export function fitsBatch(input: ValueInfo, count: number): boolean {
  const batch = input.shape[0];
  return typeof batch !== 'number' || batch === count;
}

/** Input [N, 784] is said as `[N, 784]`, an unknown dimension as `?`. */
export function shapeText(shape: readonly (number | string | null)[]): string {
  return `[${shape.map((dimension) => dimension ?? '?').join(', ')}]`;
}

/** The error for a probe that an input does not take. */
export function wrongShape(input: ValueInfo, given: readonly number[], remedy: string): UserError {
  return new UserError(
    'wrong-shape',
    `input ${input.name}`,
    `expects ${input.dtype} ${shapeText(input.shape)}, the probe gives ${shapeText(given)}`,
    remedy,
  );
}
