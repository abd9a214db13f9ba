import { z } from 'zod';
import { Unsupported } from './architecture.ts';
import { size, type Tower } from './encoder.ts';
import type { Network, Node } from './network.ts';

/** Fields of a config that say how an image is cut: sides are one number, or height and width. */
export const imageFields = {
  image_size: z.union([size, z.tuple([size, size])]),
  patch_size: z.union([size, z.tuple([size, size])]),
  num_channels: size.default(3),
};

export interface ImageGrid {
  height: number;
  width: number;
  channels: number;
  patch: readonly [number, number];
  /** Patches of an image. */
  patches: number;
}

const sides = (value: number | readonly [number, number]): readonly [number, number] =>
  typeof value === 'number' ? [value, value] : value;

/** @throws Unsupported where a patch does not fit into the image. */
export function imageGrid(fields: {
  image_size: number | readonly [number, number];
  patch_size: number | readonly [number, number];
  num_channels: number;
}): ImageGrid {
  const [height, width] = sides(fields.image_size);
  const patch = sides(fields.patch_size);
  const patches = Math.floor(height / patch[0]) * Math.floor(width / patch[1]);
  if (patches === 0) {
    throw new Unsupported(
      `config.json has patch_size = ${JSON.stringify(fields.patch_size)}, which is larger than the image`,
    );
  }
  return { height, width, channels: fields.num_channels, patch, patches };
}

/** The images: [batch, channels, height, width]. */
export const pixelInput = (net: Network, { channels, height, width }: ImageGrid): Node =>
  net.input('pixel_values', 'float32', ['batch', channels, height, width]);

/**
 * A class token followed by the patches, each through the same dense layer, plus positions:
 * [batch, 1 + patches, d].
 */
export function embedPatches(
  tower: Tower,
  pixels: Node,
  { channels, patch, patches }: ImageGrid,
  names: {
    width: number;
    projection: string;
    bias: boolean;
    /** A tensor of the checkpoint with `width` elements. */
    classToken: { name: string; shape: readonly number[] };
    positions: { name: string; shape: readonly number[] };
  },
): Node {
  const { net } = tower;
  const { width: d, projection } = names;
  const kernel = tower.tensor(`${projection}.weight`, [d, channels, ...patch]);
  const inputs = names.bias
    ? [pixels, kernel, tower.tensor(`${projection}.bias`, [d])]
    : [pixels, kernel];
  const map = net.op('Conv', inputs, { kernel_shape: patch, strides: patch });
  const flat = net.op('Reshape', [map, net.ints(0, d, patches)]);
  const rows = net.op('Transpose', [flat], { perm: [0, 2, 1] });
  const batch = net.op('Shape', [pixels], { start: 0, end: 1 });
  const shape = net.op('Concat', [batch, net.ints(1, d)], { axis: 0 });
  const token = tower.tensor(names.classToken.name, names.classToken.shape);
  const tokens = net.op('Concat', [net.op('Expand', [token, shape]), rows], { axis: 1 });
  return tower.add(tokens, tower.tensor(names.positions.name, names.positions.shape));
}
