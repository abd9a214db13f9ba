import type { JsonObject } from '../models/formats/checkpoint-files.ts';

/** What an image model makes of pixels 0–255 before they enter it: (pixel · factor − mean) / std. */
export interface PixelScaling {
  factor: number;
  /** By channel, red first. */
  mean: readonly [number, number, number];
  std: readonly [number, number, number];
}

type Triple = PixelScaling['mean'];

const isNumber = (value: unknown): value is number =>
  typeof value === 'number' && Number.isFinite(value);

function triple(value: unknown): Triple | undefined {
  if (isNumber(value)) return [value, value, value];
  if (!Array.isArray(value) || value.length !== 3 || !value.every(isNumber)) return undefined;
  return value as unknown as Triple;
}

/**
 * The scaling that `preprocessor_config.json` asks for; older files leave out what was always done.
 * @returns the field that cannot be used, as text, where there is one
 */
export function pixelScalingOf(config: JsonObject): PixelScaling | string {
  const { do_rescale: rescale = true, do_normalize: normalize = true } = config;
  const { rescale_factor: given = 1 / 255 } = config;
  const factor = rescale === false ? 1 : given;
  if (!isNumber(factor)) return `rescale_factor = ${JSON.stringify(given)}`;
  const plain = { factor, mean: [0, 0, 0], std: [1, 1, 1] } as const;
  if (
    normalize === false ||
    (config['image_mean'] ?? config['image_std'] ?? undefined) === undefined
  ) {
    return plain;
  }
  const mean = triple(config['image_mean']);
  if (mean === undefined) return `image_mean = ${JSON.stringify(config['image_mean'])}`;
  const std = triple(config['image_std']);
  if (std === undefined || std.includes(0)) {
    return `image_std = ${JSON.stringify(config['image_std'])}`;
  }
  return { factor, mean, std };
}

/** For the description of a probe. */
export function describeScaling({ factor, mean, std }: PixelScaling): string {
  const range = `0–${Number((255 * factor).toPrecision(3))}`;
  const numbers = (values: Triple) =>
    values.map((value) => Number(value.toPrecision(4))).join(', ');
  return `pixels scaled to ${range}, less ${numbers(mean)}, divided by ${numbers(std)} (preprocessor_config.json)`;
}
