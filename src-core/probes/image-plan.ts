import { UserError } from '../errors.ts';
import type { JsonObject } from '../models/formats/checkpoint-files.ts';
import { resamplingNames, resize, type Pixels } from './pillow-resize.ts';
import { describeScaling, pixelScalingOf, type PixelScaling } from './pixel-scaling.ts';

interface Size {
  height: number;
  width: number;
}

/** What is done to an image before it enters a model. */
export interface ImagePlan {
  /** To this size, or so that the shorter edge has this length; as it is where absent. */
  resize?: Size | { shortestEdge: number };
  /** Pillow's number of the method. */
  resampling: number;
  /** The middle of this size, padded with black where the image is smaller. */
  crop?: Size;
  scaling: PixelScaling;
}

const plainScaling: PixelScaling = { factor: 1 / 255, mean: [0, 0, 0], std: [1, 1, 1] };
const bilinear = 2;
const bicubic = 3;

/** Where no file says otherwise: the size that the model takes, values 0–1. */
export const plainPlan = (size: Size): ImagePlan => ({
  resize: size,
  resampling: bilinear,
  scaling: plainScaling,
});

const isLength = (value: unknown): value is number =>
  typeof value === 'number' && Number.isInteger(value) && value > 0 && value <= 2 ** 14;

/**
 * The plan that a `preprocessor_config.json` describes.
 * @param path of the file, for errors
 * @param size that the model takes, for files that leave it to the library
 * @throws UserError `unsupported` naming the field that cannot be followed.
 */
export function imagePlanOf(config: JsonObject, path: string, size: Size | undefined): ImagePlan {
  const refuse = (field: string, value: unknown): never => {
    const what = `asks for ${field} = ${JSON.stringify(value)}, which is not known here`;
    throw new UserError('unsupported', path, what, 'prepare the images yourself and feed a .npy');
  };
  for (const field of ['do_pad', 'crop_pct', 'do_flip_channel_order', 'do_thumbnail']) {
    const value = config[field] ?? false;
    if (value !== false) refuse(field, value);
  }
  const scaling = pixelScalingOf(config);
  if (typeof scaling === 'string') {
    throw new UserError('unsupported', path, `has ${scaling}`, 'correct the file');
  }
  const wantsCrop = config['do_center_crop'] ?? config['crop_size'] !== undefined;
  const crop = wantsCrop === true ? sizeOf(config['crop_size'] ?? size) : undefined;
  if (wantsCrop === true && !crop) refuse('crop_size', config['crop_size']);
  const type = config['image_processor_type'] ?? config['feature_extractor_type'];
  const fallback = typeof type === 'string' && type.startsWith('ViT') ? bilinear : bicubic;
  const resampling = config['resample'] ?? fallback;
  if (typeof resampling !== 'number' || !resamplingNames[resampling])
    refuse('resample', resampling);
  const target = resizeOf(config, size, crop !== undefined);
  if (target === null) refuse('size', config['size']);
  return {
    ...(target ? { resize: target } : {}),
    resampling: resampling as number,
    ...(crop ? { crop } : {}),
    scaling,
  };
}

/** A size as one length or as `{height, width}`. */
function sizeOf(value: unknown): Size | undefined {
  if (isLength(value)) return { height: value, width: value };
  const { height, width } = (value ?? {}) as { height?: unknown; width?: unknown };
  return isLength(height) && isLength(width) ? { height, width } : undefined;
}

/** undefined where nothing is resized, null where it is not clear to what. */
function resizeOf(
  config: JsonObject,
  size: Size | undefined,
  cropped: boolean,
): ImagePlan['resize'] | null {
  if (config['do_resize'] === false) return undefined;
  const given = config['size'] ?? size;
  // Processors that crop read a lone number as the length of the shorter edge.
  if (isLength(given) && cropped) return { shortestEdge: given };
  const { shortest_edge: edge, longest_edge: longest } = (given ?? {}) as JsonObject;
  if (isLength(edge) && longest === undefined) return { shortestEdge: edge };
  return sizeOf(given) ?? null;
}

/** The size that every image has in the end, where that does not depend on the image. */
export function plannedSize({ resize: target, crop }: ImagePlan): Size | undefined {
  return crop ?? (target && 'height' in target ? target : undefined);
}

/** An image resized and cropped, as the image processors of `transformers` do with Pillow. */
export function preparePixels(
  image: Pixels,
  { resize: target, crop, resampling }: ImagePlan,
): Pixels {
  const size = target && ('height' in target ? target : shorterEdge(image, target.shortestEdge));
  const resized = size ? resize(image, size.height, size.width, resampling) : image;
  return crop ? centerCrop(resized, crop) : resized;
}

function shorterEdge({ height, width }: Size, edge: number): Size {
  return height <= width
    ? { height: edge, width: Math.max(1, Math.trunc((edge * width) / height)) }
    : { height: Math.max(1, Math.trunc((edge * height) / width)), width: edge };
}

function centerCrop(image: Pixels, { height, width }: Size): Pixels {
  const { channels } = image;
  const top = offset(image.height, height);
  const left = offset(image.width, width);
  const data = new Uint8Array(height * width * channels);
  for (let y = Math.max(0, -top); y < Math.min(height, image.height - top); y++) {
    const first = Math.max(0, -left);
    const end = Math.min(width, image.width - left);
    const from = ((y + top) * image.width + first + left) * channels;
    const part = image.data.subarray(from, from + (end - first) * channels);
    data.set(part, (y * width + first) * channels);
  }
  return { data, height, width, channels };
}

/** Where a cut of `to` begins in `from`; negative where it is larger. */
const offset = (from: number, to: number) =>
  to <= from ? Math.floor((from - to) / 2) : -Math.ceil((to - from) / 2);

/** For the description of a probe. */
export function describePlan({ resize: target, crop, resampling, scaling }: ImagePlan): string {
  const name = resamplingNames[resampling]!;
  const sized = target
    ? 'height' in target
      ? [`resized to ${target.height} × ${target.width} (${name})`]
      : [`shorter edge resized to ${target.shortestEdge} (${name})`]
    : [];
  const cropped = crop ? [`middle ${crop.height} × ${crop.width}`] : [];
  const scaled = scaling === plainScaling ? 'values 0–1' : describeScaling(scaling);
  return [...sized, ...cropped, scaled].join(', ');
}
