/** Pixels 0–255, height × width × channels. */
export interface Pixels {
  data: Uint8Array;
  height: number;
  width: number;
  channels: number;
}

/** A resampling kernel and the distance at which it ends. */
interface Kernel {
  support: number;
  at: (x: number) => number;
}

const sinc = (x: number) => (x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x));

/** By the numbers that Pillow and `preprocessor_config.json` give them; 0 is the nearest pixel. */
const kernels: Readonly<Record<number, Kernel>> = {
  1: { support: 3, at: (x) => (x >= -3 && x < 3 ? sinc(x) * sinc(x / 3) : 0) },
  2: { support: 1, at: (x) => Math.max(0, 1 - Math.abs(x)) },
  3: { support: 2, at: (x) => bicubic(Math.abs(x)) },
  4: { support: 0.5, at: (x) => (x > -0.5 && x <= 0.5 ? 1 : 0) },
  5: {
    support: 1,
    at: (x) => (Math.abs(x) >= 1 ? 0 : sinc(x) * (0.54 + 0.46 * Math.cos(Math.PI * x))),
  },
};

function bicubic(x: number): number {
  const a = -0.5;
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  if (x < 2) return (((x - 5) * x + 8) * x - 4) * a;
  return 0;
}

/** Names of the resampling methods, by number. */
export const resamplingNames = ['nearest', 'lanczos', 'bilinear', 'bicubic', 'box', 'hamming'];

/**
 * Resizes as Python's Pillow does (`Image.resize`, version 12, 8 bits a channel): kernels widened when
 * the image shrinks, weights rounded to 22 bits, a horizontal and then a vertical pass, each rounded
 * to whole values. The result is Pillow's, byte for byte.
 */
export function resize(image: Pixels, height: number, width: number, resampling: number): Pixels {
  const kernel = kernels[resampling];
  if (!kernel) return nearest(image, height, width);
  const across = image.width === width ? image : alongRows(image, width, kernel);
  if (image.height === height) return across;
  return alongColumns(across, height, kernel);
}

/** Bits behind the point of a weight. */
const precision = 2 ** 22;

interface Weights {
  first: number;
  weights: Float64Array;
}

/** For each of `to` pixels: the source pixels that it is made of, and their shares. */
function weightsOf(from: number, to: number, { support, at }: Kernel): Weights[] {
  const scale = from / to;
  const widened = Math.max(scale, 1);
  const reach = support * widened;
  return Array.from({ length: to }, (_, index) => {
    const center = (index + 0.5) * scale;
    const first = Math.max(0, Math.trunc(center - reach + 0.5));
    const end = Math.min(from, Math.trunc(center + reach + 0.5));
    const weights = Float64Array.from({ length: end - first }, (_, x) =>
      at((x + first - center + 0.5) * (1 / widened)),
    );
    const sum = weights.reduce((total, weight) => total + weight, 0);
    const share = sum === 0 ? 1 : 1 / sum;
    return {
      first,
      weights: weights.map((weight) => {
        const fixed = weight * share * precision;
        return Math.trunc(fixed < 0 ? fixed - 0.5 : fixed + 0.5);
      }),
    };
  });
}

const rounded = (sum: number) => Math.min(255, Math.max(0, Math.floor(sum / precision)));

function alongRows({ data, height, width, channels }: Pixels, to: number, kernel: Kernel): Pixels {
  const out = new Uint8Array(height * to * channels);
  weightsOf(width, to, kernel).forEach(({ first, weights }, x) => {
    for (let y = 0; y < height; y++) {
      for (let channel = 0; channel < channels; channel++) {
        let sum = precision / 2;
        let at = (y * width + first) * channels + channel;
        for (const weight of weights) {
          sum += weight * data[at]!;
          at += channels;
        }
        out[(y * to + x) * channels + channel] = rounded(sum);
      }
    }
  });
  return { data: out, height, width: to, channels };
}

function alongColumns(
  { data, height, width, channels }: Pixels,
  to: number,
  kernel: Kernel,
): Pixels {
  const stride = width * channels;
  const out = new Uint8Array(to * stride);
  weightsOf(height, to, kernel).forEach(({ first, weights }, y) => {
    for (let column = 0; column < stride; column++) {
      let sum = precision / 2;
      let at = first * stride + column;
      for (const weight of weights) {
        sum += weight * data[at]!;
        at += stride;
      }
      out[y * stride + column] = rounded(sum);
    }
  });
  return { data: out, height: to, width, channels };
}

function nearest(image: Pixels, height: number, width: number): Pixels {
  const { channels, data } = image;
  const out = new Uint8Array(height * width * channels);
  for (let y = 0; y < height; y++) {
    const row = Math.floor(((y + 0.5) * image.height) / height);
    for (let x = 0; x < width; x++) {
      const column = Math.floor(((x + 0.5) * image.width) / width);
      const from = (row * image.width + column) * channels;
      out.set(data.subarray(from, from + channels), (y * width + x) * channels);
    }
  }
  return { data: out, height, width, channels };
}
