import type { Dim, OnnxNode } from './outline.ts';
import { attribute, axesOf, broadcast, wrap, type Rule } from './rule.ts';

/** Output size along one spatial axis of a convolution or pool. */
function spatial(node: OnnxNode, axis: number, size: Dim, kernel: number, axes: number): Dim {
  if (typeof size !== 'number') return null;
  const stride = node.ints.get('strides')?.[axis] ?? 1;
  const dilation = node.ints.get('dilations')?.[axis] ?? 1;
  const pads = node.ints.get('pads');
  const padding = node.strings.get('auto_pad') ?? 'NOTSET';
  if (padding.startsWith('SAME')) return Math.ceil(size / stride);
  const padded = size + (pads?.[axis] ?? 0) + (pads?.[axis + axes] ?? 0);
  const steps = (padded - dilation * (kernel - 1) - 1) / stride;
  const count = 1 + (attribute(node, 'ceil_mode', 0) === 1 ? Math.ceil(steps) : Math.floor(steps));
  return count > 0 ? count : null;
}

export const convolution: Rule = (node, [input, weight]) => {
  const rank = input?.shape?.length ?? weight?.shape?.length;
  if (rank === undefined) return { image: true };
  const kernel = node.ints.get('kernel_shape') ?? weight?.shape?.slice(2) ?? [];
  const sizes = Array.from({ length: rank - 2 }, (_, axis) => {
    const width = kernel[axis];
    return typeof width === 'number' && node.op !== 'ConvTranspose'
      ? spatial(node, axis, input?.shape?.[axis + 2] ?? null, width, rank - 2)
      : null;
  });
  const channels = node.op === 'ConvTranspose' ? null : (weight?.shape?.[0] ?? null);
  return { shape: [input?.shape?.[0] ?? null, channels, ...sizes], image: true };
};

export const pool: Rule = (node, [input]) => {
  const shape = input?.shape;
  const kernel = node.ints.get('kernel_shape');
  if (!shape) return {};
  return {
    image: true,
    shape: shape.map((size, axis) =>
      axis < 2 ? size : spatial(node, axis - 2, size, kernel?.[axis - 2] ?? 1, shape.length - 2),
    ),
  };
};

export const globalPool: Rule = (_, [input]) => ({
  shape: input?.shape?.map((size, axis) => (axis < 2 ? size : 1)),
  image: true,
});

export const gemm: Rule = (node, [a, b]) => ({
  image: false,
  shape: [
    a?.shape?.[attribute(node, 'transA', 0) === 1 ? 1 : 0] ?? null,
    b?.shape?.[attribute(node, 'transB', 0) === 1 ? 0 : 1] ?? null,
  ],
});

export const matmul: Rule = (_, [a, b]) => {
  if (!a?.shape || !b?.shape || a.shape.length < 2 || b.shape.length < 2) return { image: false };
  const batch = broadcast(a.shape.slice(0, -2), b.shape.slice(0, -2)) ?? [];
  return { image: false, shape: [...batch, a.shape.at(-2)!, b.shape.at(-1)!] };
};

export const reduce: Rule = (node, [input, axesInput]) => {
  const shape = input?.shape;
  if (!shape) return { image: false };
  const axes = axesOf(node, axesInput)?.map((axis) => wrap(axis, shape.length));
  const keep = attribute(node, 'keepdims', 1) === 1;
  const reduced = (axis: number) => axes?.includes(axis) ?? true;
  const sizes = shape.map((size, axis) => (reduced(axis) ? 1 : size));
  return {
    image: keep && input.image,
    shape: keep ? sizes : sizes.filter((_, axis) => !reduced(axis)),
  };
};

export const argReduce: Rule = (node, inputs) => ({
  ...reduce({ ...node, ints: new Map([...node.ints, ['axes', [attribute(node, 'axis', 0)]]]) }, [
    inputs[0],
  ]),
  dtype: 'int64',
});
