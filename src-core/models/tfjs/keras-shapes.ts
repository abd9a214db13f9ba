// Output shapes of Keras layers, as far as their configuration tells them without running.
import { elementCount } from '../../tensor/convert.ts';
import type { JsonObject } from '../../bytes/json-value.ts';

/** The first axis is the batch; null where a size is free or unknown. */
export type Shape = (number | null)[];

const isSize = (value: unknown): value is number =>
  Number.isSafeInteger(value) && Number(value) >= 0;

/** One or several sizes, as Keras writes either. */
function sizes(value: unknown, count: number): number[] | undefined {
  const list: unknown = isSize(value) ? Array<number>(count).fill(value) : value;
  return Array.isArray(list) && list.length === count && list.every(isSize) ? list : undefined;
}

/** A shape with free sizes, as configurations hold it. */
export function shapeOf(value: unknown): Shape | undefined {
  if (!Array.isArray(value) || value.length > 16) return undefined;
  return value.every((size) => size === null || isSize(size)) ? (value as Shape) : undefined;
}

/** Sides of an image that a window of `kernel` moves over. */
function windowed(
  sides: Shape,
  config: JsonObject,
  kernel: number[] | undefined,
  strides: number[] | undefined,
): Shape | undefined {
  const dilation = sizes(config['dilation_rate'] ?? 1, sides.length);
  if (!kernel || !strides || !dilation || strides.includes(0)) return undefined;
  const padding = config['padding'] ?? 'valid';
  if (padding !== 'valid' && padding !== 'same') return undefined;
  return sides.map((side, i) => {
    if (side === null) return null;
    const reach = dilation[i]! * (kernel[i]! - 1);
    return Math.max(0, Math.ceil((padding === 'same' ? side : side - reach) / strides[i]!));
  });
}

const unchanged =
  /^(Activation|.*ReLU|ELU|Softmax|ThresholdedReLU|(Spatial)?Dropout(1D|2D|3D)?|AlphaDropout|Gaussian(Noise|Dropout)|(Batch|Layer)Normalization|Masking|Rescaling)$/;
const merged = /^(Add|Subtract|Multiply|Average|Maximum|Minimum)$/;

function product(shape: Shape): number | null {
  const known = shape.filter((size) => size !== null);
  return known.length === shape.length ? elementCount(known) : null;
}

function concatenated(inputs: readonly Shape[], axis: unknown): Shape | undefined {
  const [first] = inputs;
  if (!first || !Number.isInteger(axis) || inputs.some((x) => x.length !== first.length)) {
    return undefined;
  }
  const at = Number(axis) < 0 ? first.length + Number(axis) : Number(axis);
  return first.map((size, i) => {
    if (i !== at) return size;
    const all = inputs.map((x) => x[at] ?? null);
    return all.includes(null) ? null : all.reduce((sum, part) => sum! + part!, 0);
  });
}

function reshaped(target: unknown, input: Shape): Shape | undefined {
  if (!Array.isArray(target)) return undefined;
  const whole = product(input.slice(1));
  const fixed = target.filter((size) => isSize(size));
  if (fixed.length === target.length) return [input[0]!, ...fixed];
  const rest = whole === null ? null : whole / elementCount(fixed);
  const isFree = target.length - fixed.length === 1;
  return isFree && (rest === null || Number.isInteger(rest))
    ? [input[0]!, ...target.map((size) => (isSize(size) ? size : rest))]
    : undefined;
}

/**
 * The shape that a layer of class `kind` gives for inputs of these shapes.
 * @returns undefined where that is not known
 */
export function outputShape(
  kind: string,
  config: JsonObject,
  inputs: readonly Shape[],
): Shape | undefined {
  const [x] = inputs;
  if (!x) return undefined;
  const batch = x[0] ?? null;
  if (unchanged.test(kind) || merged.test(kind)) return x;
  if (kind === 'Concatenate') return concatenated(inputs, config['axis'] ?? -1);
  if (kind === 'Flatten') return [batch, product(x.slice(1))];
  if (kind === 'Reshape') return reshaped(config['target_shape'], x);
  if (kind === 'Dense' && isSize(config['units'])) return [...x.slice(0, -1), config['units']];
  if (kind === 'Embedding' && isSize(config['output_dim'])) return [...x, config['output_dim']];
  if (/^(SimpleRNN|GRU|LSTM)$/.test(kind) && isSize(config['units'])) {
    return config['return_sequences'] === true
      ? [batch, x[1] ?? null, config['units']]
      : [batch, config['units']];
  }
  if (config['data_format'] === 'channels_first') return undefined;
  const sides = x.slice(1, -1);
  const channels = x.at(-1) ?? null;
  if (/^Global(Average|Max)Pooling\dD$/.test(kind)) return [batch, channels];
  if (kind === 'ZeroPadding2D') return padded(x, config['padding']);
  const moved = (kernel: unknown, strides: unknown, depth: number | null) => {
    const result = windowed(
      sides,
      config,
      sizes(kernel, sides.length),
      sizes(strides, sides.length),
    );
    return result && [batch, ...result, depth];
  };
  if (/^(Average|Max)Pooling\dD$/.test(kind)) {
    return moved(config['pool_size'], config['strides'] ?? config['pool_size'], channels);
  }
  const kernel = config['kernel_size'];
  const strides = config['strides'] ?? 1;
  if (/^(Separable)?Conv\dD$/.test(kind) && isSize(config['filters'])) {
    return moved(kernel, strides, config['filters']);
  }
  const multiplier = config['depth_multiplier'] ?? 1;
  if (kind === 'DepthwiseConv2D' && isSize(multiplier)) {
    return moved(kernel, strides, channels === null ? null : channels * multiplier);
  }
  return undefined;
}

/** Zero padding is written as one number, one for each side, or two for each. */
function padded(x: Shape, padding: unknown): Shape | undefined {
  const list: unknown = isSize(padding) ? [padding, padding] : padding;
  if (!Array.isArray(list) || list.length !== 2 || x.length !== 4) return undefined;
  const added = list.map((side) => {
    const pair = sizes(side, 2);
    return pair && pair[0]! + pair[1]!;
  });
  const [height, width] = added;
  if (height === undefined || width === undefined) return undefined;
  return [
    x[0]!,
    x[1] === null ? null : x[1]! + height,
    x[2] === null ? null : x[2]! + width,
    x[3]!,
  ];
}
