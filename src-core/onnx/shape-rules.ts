import { dtypeOfOnnx } from './graph-builder.ts';
import type { Dim, OnnxTensor } from './outline.ts';
import {
  attribute,
  axesOf,
  broadcast,
  elementwise,
  maxContents,
  maxRank,
  product,
  unknown,
  wrap,
  type Inferred,
  type Rule,
  type Shape,
} from './rule.ts';

/** Exporters write an open end as this or as a larger number. */
const maxInt32 = 2 ** 31 - 1;

/** Applies `compute` element by element to known contents; single elements are broadcast. */
function onContents(
  inputs: (Inferred | undefined)[],
  compute: (...values: Dim[]) => Dim,
): Dim[] | undefined {
  const operands = inputs.map((input) => input?.contents);
  if (!operands.every((operand) => operand !== undefined)) return undefined;
  const length = Math.max(...operands.map((operand) => operand.length));
  return Array.from({ length }, (_, i) =>
    compute(...operands.map((operand) => operand[operand.length === 1 ? 0 : i] ?? null)),
  );
}

/** Whole-number arithmetic on known contents. */
export const arithmetic =
  (compute: (a: number, b: number) => number): Rule =>
  (node, inputs) => ({
    ...elementwise(node, inputs),
    contents: onContents(inputs, (a = null, b = null) =>
      typeof a === 'number' && typeof b === 'number' ? compute(a, b) : null,
    ),
  });

/** Comparison of known contents, true as 1; a symbolic size differs from every negative number. */
export const equal: Rule = (node, inputs) => ({
  ...elementwise(node, inputs),
  dtype: 'bool',
  contents: onContents(inputs, (a = null, b = null) => {
    if (typeof a === 'number' && typeof b === 'number') return a === b ? 1 : 0;
    const number = typeof a === 'number' ? a : b;
    return typeof number === 'number' && number < 0 && (a ?? b) !== null ? 0 : null;
  }),
});

export const where: Rule = (node, inputs) => ({
  ...elementwise(node, inputs),
  dtype: inputs[1]?.dtype ?? 'other',
  contents: onContents(inputs, (test = null, a = null, b = null) =>
    test === null ? null : test === 1 ? a : b,
  ),
});

export const constantOfShape: Rule = (node, [target]) => {
  const tensor = node.tensors.get('value');
  const length = target?.contents?.length === 1 ? target.contents[0] : undefined;
  const fill = tensor?.ints?.[0];
  return {
    image: false,
    dtype: tensor?.dtype ?? 'float32',
    shape: target?.contents?.map((dim) => dim),
    contents:
      fill !== undefined && typeof length === 'number' && length <= maxContents
        ? new Array<Dim>(length).fill(fill)
        : undefined,
  };
};

export const reshape: Rule = (node, [input, target]) => {
  const wanted = target?.contents;
  if (!wanted) {
    const rank = target?.shape?.[0];
    return {
      image: false,
      shape: typeof rank === 'number' && rank <= maxRank ? unknown(rank) : undefined,
    };
  }
  const keepZero = attribute(node, 'allowzero', 0) === 1;
  const shape = wanted.map((dim, axis) =>
    dim === 0 && !keepZero ? (input?.shape?.[axis] ?? null) : dim,
  );
  const free = shape.indexOf(-1);
  if (free >= 0) shape[free] = remainder(input?.shape, shape, free);
  return { image: false, shape, contents: input?.contents };
};

/** The size that −1 stands for: elements over the other sizes, symbols that appear in both cancelled. */
function remainder(from: Shape | undefined, to: Shape, free: number): Dim {
  if (!from) return null;
  const left = [...from];
  const others = to.filter((_, axis) => axis !== free);
  const rest = others.filter((dim) => {
    const at = typeof dim === 'string' ? left.indexOf(dim) : -1;
    if (at >= 0) left.splice(at, 1);
    return at < 0;
  });
  const divisor = product(rest);
  if (divisor === 1 && left.length === 1) return left[0]!;
  const total = product(left);
  return total === null || divisor === null || divisor === 0 ? null : total / divisor;
}

export const flatten: Rule = (node, [input]) => {
  const shape = input?.shape;
  if (!shape) return { image: false, shape: unknown(2) };
  const axis = wrap(attribute(node, 'axis', 1), shape.length);
  const join = (dims: Shape) => (dims.length === 1 ? dims[0]! : product(dims));
  return { image: false, shape: [join(shape.slice(0, axis)), join(shape.slice(axis))] };
};

export const transpose: Rule = (node, [input]) => {
  const shape = input?.shape;
  const order = node.ints.get('perm') ?? shape?.map((_, axis) => shape.length - 1 - axis);
  return { image: false, shape: order?.map((axis) => shape?.[axis] ?? null) };
};

export const unsqueeze: Rule = (node, [input, axesInput]) => {
  const axes = axesOf(node, axesInput);
  const shape = input?.shape;
  if (!axes || !shape) return { image: false, contents: input?.contents };
  const rank = shape.length + axes.length;
  const added = new Set(axes.map((axis) => wrap(axis, rank)));
  const rest = [...shape];
  const sizes = Array.from({ length: rank }, (_, axis) =>
    added.has(axis) ? 1 : (rest.shift() ?? null),
  );
  return { image: false, shape: sizes, contents: input.contents };
};

export const squeeze: Rule = (node, [input, axesInput]) => {
  const shape = input?.shape;
  const axes = axesOf(node, axesInput)?.map((axis) => wrap(axis, shape?.length ?? 0));
  return {
    image: false,
    contents: input?.contents,
    shape: shape?.filter((size, axis) => (axes ? !axes.includes(axis) : size !== 1)),
  };
};

export const concat: Rule = (node, inputs) => {
  const parts = inputs.map((input) => input?.contents);
  const contents = parts.every((part) => part !== undefined) ? parts.flat() : undefined;
  const shapes = inputs.map((input) => input?.shape);
  const [first] = shapes;
  if (!first) return { contents };
  const axis = wrap(attribute(node, 'axis', 0), first.length);
  const sizes = shapes.map((shape) => shape?.[axis] ?? null);
  const total = sizes.every((size) => typeof size === 'number')
    ? sizes.reduce<number>((sum, size) => sum + size, 0)
    : null;
  return { contents, shape: first.map((size, i) => (i === axis ? total : size)) };
};

export const slice: Rule = (node, [input, starts, ends, axesInput, steps]) => {
  const from = node.ints.get('starts') ?? starts?.contents;
  const to = node.ints.get('ends') ?? ends?.contents;
  const shape = input?.shape;
  if (!from || !to || !shape) return { shape: shape && unknown(shape.length) };
  const axes = axesOf(node, axesInput) ?? from.map((_, i) => i);
  const sizes = [...shape];
  let contents = input.contents;
  axes.forEach((given, i) => {
    const axis = wrap(given, shape.length);
    const size = shape[axis];
    if (size === undefined) return;
    const [start = null, end = null, step] = [from[i], to[i], steps?.contents?.[i] ?? 1];
    if (typeof size !== 'number' || typeof start !== 'number' || typeof end !== 'number') {
      // `x[:, :length]` with a symbolic length, and `x[:, :]` of a symbolic size.
      const kept = typeof end === 'string' ? end : end !== null && end >= maxInt32 ? size : null;
      sizes[axis] = start === 0 && step === 1 ? kept : null;
      contents = undefined;
      return;
    }
    const clamp = (value: number) => Math.min(Math.max(wrap(value, size), 0), size);
    if (step === 1) {
      sizes[axis] = Math.max(clamp(end) - clamp(start), 0);
      contents = contents?.slice(clamp(start), clamp(end));
    } else {
      sizes[axis] = null;
      contents = undefined;
    }
  });
  return { shape: sizes, contents };
};

export const gather: Rule = (node, [data, indices]) => {
  const shape = data?.shape;
  if (!shape || !indices?.shape) return { image: false };
  const axis = wrap(attribute(node, 'axis', 0), shape.length);
  const contents = indices.contents?.map((index): Dim => {
    const values = data.contents;
    return values && typeof index === 'number'
      ? (values[wrap(index, values.length)] ?? null)
      : null;
  });
  return {
    image: false,
    shape: [...shape.slice(0, axis), ...indices.shape, ...shape.slice(axis + 1)],
    contents: data.contents ? contents : undefined,
  };
};

export const shapeOf: Rule = (node, [input]) => {
  const contents = input?.shape?.slice(
    attribute(node, 'start', 0),
    node.ints.get('end')?.[0] ?? undefined,
  );
  return { dtype: 'int64', contents, shape: [contents?.length ?? null], image: false };
};

export const expand: Rule = (_, [input, target]) => ({
  shape: broadcast(input?.shape, target?.contents),
});

export const cast: Rule = (node, [input]) => ({
  dtype: dtypeOfOnnx(attribute(node, 'to', 0)),
  shape: input?.shape,
  contents: input?.contents,
});

export function ofTensor(tensor: OnnxTensor): Inferred {
  const { dtype, shape, ints } = tensor;
  return { dtype, shape, contents: ints, dynamic: false, image: false };
}

export const constant: Rule = (node) => {
  const tensor = node.tensors.get('value');
  if (tensor) return ofTensor(tensor);
  const ints = node.ints.get('value_int') ?? node.ints.get('value_ints');
  if (ints) {
    const shape = node.ints.has('value_int') ? [] : [ints.length];
    return { dtype: 'int64', shape, contents: ints };
  }
  return { dtype: 'float32' };
};
