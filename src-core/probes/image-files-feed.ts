import { basename } from 'node:path';
import { UserError } from '../errors.ts';
import { readOptionalJson } from '../models/formats/checkpoint-files.ts';
import type { ValueInfo } from '../models/model.ts';
import { decodeImage } from './decode-image.ts';
import { misfit, textInputs, withImageTokens, type Feed, type Target } from './feed.ts';
import { imageShapeOf, pixelValues, type ImageShape } from './image.ts';
import {
  describePlan,
  imagePlanOf,
  plainPlan,
  plannedSize,
  preparePixels,
  type ImagePlan,
} from './image-plan.ts';
import type { MediaFiles } from './media-files.ts';
import type { Pixels } from './pillow-resize.ts';
import { sideFile } from './side-file.ts';

/**
 * Image files, prepared as the model's `preprocessor_config.json` says, else resized to what its
 * input takes.
 * @throws UserError `wrong-shape` where the model takes no images, or none of the prepared size.
 */
export async function imageFilesFeed(
  target: Target,
  { files, ids, labels, path, sha256 }: MediaFiles,
  spec: string,
): Promise<Feed> {
  const [input, ...others] = target.inputs.filter(({ name }) => !textInputs.includes(name));
  const known = input && imageShapeOf(input);
  if (!input || others.length > 0) throw misfit(target, spec, 'the model takes no images');
  const plan = await planFor(target, known);
  const shape = known ?? (plan && openShape(input, plan));
  if (!plan || !shape) throw misfit(target, spec, 'the model takes no images of a known size');
  const prepared = plannedSize(plan);
  if (prepared && (prepared.height !== shape.height || prepared.width !== shape.width)) {
    throw misfit(
      target,
      spec,
      `preprocessor_config.json makes images of ${prepared.height} × ${prepared.width}`,
    );
  }
  const what = files.length === 1 ? '1 image' : `${files.length} images`;
  return withImageTokens(target.model, {
    n: files.length,
    ids,
    ...(labels ? { labels } : {}),
    spec,
    description: `${what} of ${basename(path)}, ${describePlan(plan)}`,
    sha256,
    preparation: JSON.stringify(plan),
    inputs: [input.name],
    batch: async (start, end) => {
      const images = await Promise.all(
        files.slice(start, end).map(async (file) => {
          const image = preparePixels(await decodeImage(file, shape.channels), plan);
          if (image.height === shape.height && image.width === shape.width) return image;
          throw new UserError(
            'wrong-shape',
            file,
            `is ${image.height} × ${image.width}, and ${target.model.outline.name} takes ${shape.height} × ${shape.width}`,
            'resize it, or set do_resize in preprocessor_config.json',
          );
        }),
      );
      const data = tensorOf(images, shape, plan);
      return { feeds: { [input.name]: { ...data, dtype: 'float32' } } };
    },
  });
}

async function planFor({ model }: Target, size: ImageShape | undefined) {
  const path = await sideFile(model, 'preprocessor_config.json');
  const config = path === undefined ? undefined : await readOptionalJson(path);
  if (path !== undefined && config) return imagePlanOf(config, path, size);
  return size && plainPlan({ height: size.height, width: size.width });
}

/** The shape of an input that leaves sizes open, as the plan fills them. */
function openShape({ dtype, shape }: ValueInfo, plan: ImagePlan): ImageShape | undefined {
  const size = plannedSize(plan);
  const [, a, b, c] = shape;
  if (dtype !== 'float32' || shape.length !== 4 || !size) return undefined;
  const fits = (dimension: ValueInfo['shape'][number] | undefined, length: number) =>
    typeof dimension !== 'number' || dimension === length;
  const first = typeof a === 'number' ? a : 3;
  if ((first === 1 || first === 3) && fits(b, size.height) && fits(c, size.width)) {
    return { ...size, channels: first, layout: 'NCHW' };
  }
  if ((c === 1 || c === 3) && fits(a, size.height) && fits(b, size.width)) {
    return { ...size, channels: c, layout: 'NHWC' };
  }
  return undefined;
}

function tensorOf(images: readonly Pixels[], shape: ImageShape, { scaling }: ImagePlan) {
  const { height, width, channels, layout } = shape;
  const size = height * width;
  const data = new Float32Array(images.length * size * channels);
  for (let channel = 0; channel < channels; channel++) {
    const values = pixelValues(scaling, channel);
    images.forEach((image, i) => {
      for (let p = 0; p < size; p++) {
        const within = layout === 'NHWC' ? p * channels + channel : channel * size + p;
        data[i * channels * size + within] = values[image.data[p * channels + channel]!]!;
      }
    });
  }
  const dims = {
    NCHW: [images.length, channels, height, width],
    NHWC: [images.length, height, width, channels],
    flat: [images.length, size],
  }[layout];
  return { data, dims };
}
