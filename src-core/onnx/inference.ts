import type { DType } from '../tensor/dtype.ts';
import { dtypeOfOnnx } from './graph-builder.ts';
import type { Dim, OnnxGraph, OnnxNode, OnnxTensor } from './outline.ts';

/** What is known of a value without running the model. */
export interface Inferred {
  dtype: DType;
  shape: Dim[] | undefined;
  /** Elements of a small integer value, as far as known: what shape arithmetic computes. */
  contents: Dim[] | undefined;
  /** False for what depends on weights and constants alone. */
  dynamic: boolean;
  /** Whether the axes are those of a convolution: batch, channels, positions. */
  image: boolean;
}

type Shape = Dim[];
type Rule = (node: OnnxNode, inputs: (Inferred | undefined)[]) => Partial<Inferred>;

const product = (dims: readonly Dim[]) =>
  dims.every((dim) => typeof dim === 'number')
    ? dims.reduce<number>((total, dim) => total * dim, 1)
    : null;

/** Bounds what a hostile graph can make us compute. */
const maxRank = 32;
const maxContents = 1024;

/** Exporters write an open end as this or as a larger number. */
const maxInt32 = 2 ** 31 - 1;

const unknown = (rank: number): Shape => new Array<Dim>(rank).fill(null);
const wrap = (axis: number, rank: number) => (axis < 0 ? axis + rank : axis);
const attribute = (node: OnnxNode, name: string, fallback: number) =>
  node.ints.get(name)?.[0] ?? fallback;

function broadcastDim(a: Dim, b: Dim): Dim {
  if (a === b || b === 1) return a;
  if (a === 1) return b;
  if (typeof a === 'number') return a;
  if (typeof b === 'number') return b;
  // Of two unequal sizes one must be 1, so a symbol and an unknown give the symbol.
  return a === null || b === null ? (a ?? b) : null;
}

function broadcast(a: Shape | undefined, b: Shape | undefined): Shape | undefined {
  if (!a || !b) return undefined;
  const rank = Math.max(a.length, b.length);
  const at = (shape: Shape, axis: number) => {
    const own = axis - rank + shape.length;
    return own < 0 ? 1 : shape[own]!;
  };
  return Array.from({ length: rank }, (_, axis) => broadcastDim(at(a, axis), at(b, axis)));
}

const elementwise: Rule = (_, inputs) => ({
  shape: inputs
    .map((input) => input?.shape)
    .reduce((a, b, i) => (i === 0 ? b : broadcast(a, b)), undefined),
});

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
const arithmetic =
  (compute: (a: number, b: number) => number): Rule =>
  (node, inputs) => ({
    ...elementwise(node, inputs),
    contents: onContents(inputs, (a = null, b = null) =>
      typeof a === 'number' && typeof b === 'number' ? compute(a, b) : null,
    ),
  });

/** Comparison of known contents, true as 1; a symbolic size differs from every negative number. */
const equal: Rule = (node, inputs) => ({
  ...elementwise(node, inputs),
  dtype: 'bool',
  contents: onContents(inputs, (a = null, b = null) => {
    if (typeof a === 'number' && typeof b === 'number') return a === b ? 1 : 0;
    const number = typeof a === 'number' ? a : b;
    return typeof number === 'number' && number < 0 && (a ?? b) !== null ? 0 : null;
  }),
});

const where: Rule = (node, inputs) => ({
  ...elementwise(node, inputs),
  dtype: inputs[1]?.dtype ?? 'other',
  contents: onContents(inputs, (test = null, a = null, b = null) =>
    test === null ? null : test === 1 ? a : b,
  ),
});

const constantOfShape: Rule = (node, [target]) => {
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

const convolution: Rule = (node, [input, weight]) => {
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

const pool: Rule = (node, [input]) => {
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

const globalPool: Rule = (_, [input]) => ({
  shape: input?.shape?.map((size, axis) => (axis < 2 ? size : 1)),
  image: true,
});

const gemm: Rule = (node, [a, b]) => ({
  image: false,
  shape: [
    a?.shape?.[attribute(node, 'transA', 0) === 1 ? 1 : 0] ?? null,
    b?.shape?.[attribute(node, 'transB', 0) === 1 ? 0 : 1] ?? null,
  ],
});

const matmul: Rule = (_, [a, b]) => {
  if (!a?.shape || !b?.shape || a.shape.length < 2 || b.shape.length < 2) return { image: false };
  const batch = broadcast(a.shape.slice(0, -2), b.shape.slice(0, -2)) ?? [];
  return { image: false, shape: [...batch, a.shape.at(-2)!, b.shape.at(-1)!] };
};

const reshape: Rule = (node, [input, target]) => {
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

const flatten: Rule = (node, [input]) => {
  const shape = input?.shape;
  if (!shape) return { image: false, shape: unknown(2) };
  const axis = wrap(attribute(node, 'axis', 1), shape.length);
  const join = (dims: Shape) => (dims.length === 1 ? dims[0]! : product(dims));
  return { image: false, shape: [join(shape.slice(0, axis)), join(shape.slice(axis))] };
};

const transpose: Rule = (node, [input]) => {
  const shape = input?.shape;
  const order = node.ints.get('perm') ?? shape?.map((_, axis) => shape.length - 1 - axis);
  return { image: false, shape: order?.map((axis) => shape?.[axis] ?? null) };
};

const axesOf = (node: OnnxNode, input: Inferred | undefined): number[] | undefined =>
  node.ints.get('axes') ?? input?.contents?.filter((axis) => typeof axis === 'number');

const reduce: Rule = (node, [input, axesInput]) => {
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

const argReduce: Rule = (node, inputs) => ({
  ...reduce({ ...node, ints: new Map([...node.ints, ['axes', [attribute(node, 'axis', 0)]]]) }, [
    inputs[0],
  ]),
  dtype: 'int64',
});

const unsqueeze: Rule = (node, [input, axesInput]) => {
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

const squeeze: Rule = (node, [input, axesInput]) => {
  const shape = input?.shape;
  const axes = axesOf(node, axesInput)?.map((axis) => wrap(axis, shape?.length ?? 0));
  return {
    image: false,
    contents: input?.contents,
    shape: shape?.filter((size, axis) => (axes ? !axes.includes(axis) : size !== 1)),
  };
};

const concat: Rule = (node, inputs) => {
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

const slice: Rule = (node, [input, starts, ends, axesInput, steps]) => {
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

const gather: Rule = (node, [data, indices]) => {
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

const shapeOf: Rule = (node, [input]) => {
  const contents = input?.shape?.slice(
    attribute(node, 'start', 0),
    node.ints.get('end')?.[0] ?? undefined,
  );
  return { dtype: 'int64', contents, shape: [contents?.length ?? null], image: false };
};

const expand: Rule = (_, [input, target]) => ({
  shape: broadcast(input?.shape, target?.contents),
});

const cast: Rule = (node, [input]) => ({
  dtype: dtypeOfOnnx(attribute(node, 'to', 0)),
  shape: input?.shape,
  contents: input?.contents,
});

const typed =
  (dtype: DType, rule: Rule = elementwise): Rule =>
  (node, inputs) => ({ ...rule(node, inputs), dtype });

const like =
  (index: number): Rule =>
  (_, inputs) => ({ dtype: inputs[index]?.dtype ?? 'other', shape: inputs[0]?.shape });

const same: Rule = (_, [input]) => ({ shape: input?.shape, contents: input?.contents });
const sameRank: Rule = (_, [input]) => ({ shape: input?.shape && unknown(input.shape.length) });
const nothing: Rule = () => ({ image: false });

const constant: Rule = (node) => {
  const tensor = node.tensors.get('value');
  if (tensor) return ofTensor(tensor);
  const ints = node.ints.get('value_int') ?? node.ints.get('value_ints');
  if (ints) {
    const shape = node.ints.has('value_int') ? [] : [ints.length];
    return { dtype: 'int64', shape, contents: ints };
  }
  return { dtype: 'float32' };
};

const rules = new Map<string, Rule>(
  Object.entries({
    Constant: constant,
    ConstantOfShape: constantOfShape,
    Conv: convolution,
    ConvTranspose: convolution,
    MaxPool: pool,
    AveragePool: pool,
    LpPool: pool,
    GlobalAveragePool: globalPool,
    GlobalMaxPool: globalPool,
    Gemm: gemm,
    MatMul: matmul,
    MatMulInteger: typed('int32', matmul),
    ConvInteger: typed('int32', convolution),
    Reshape: reshape,
    Flatten: flatten,
    Transpose: transpose,
    Unsqueeze: unsqueeze,
    Squeeze: squeeze,
    Concat: concat,
    Slice: slice,
    Gather: gather,
    GatherElements: (_, [, indices]) => ({ image: false, shape: indices?.shape }),
    QLinearConv: (node, inputs) => convolution(node, [inputs[0], inputs[3]]),
    QLinearMatMul: (node, inputs) => matmul(node, [inputs[0], inputs[3]]),
    MatMulNBits: (node, [input]) => ({
      image: false,
      shape: input?.shape?.with(-1, node.ints.get('N')?.[0] ?? null),
    }),
    Shape: shapeOf,
    Size: typed('int64', () => ({ shape: [] })),
    Expand: expand,
    Tile: sameRank,
    Pad: sameRank,
    Resize: sameRank,
    Upsample: sameRank,
    Split: sameRank,
    TopK: sameRank,
    Cast: cast,
    CastLike: like(1),
    QuantizeLinear: like(2),
    DequantizeLinear: like(1),
    DynamicQuantizeLinear: typed('uint8', same),
    Add: arithmetic((a, b) => a + b),
    Sub: arithmetic((a, b) => a - b),
    Mul: arithmetic((a, b) => a * b),
    Div: arithmetic((a, b) => Math.trunc(a / b)),
    Where: where,
    Equal: equal,
    Range: (_, [start]) => ({ dtype: start?.dtype ?? 'other', shape: [null] }),
    NonZero: typed('int64', nothing),
    ArgMax: argReduce,
    ArgMin: argReduce,
    OneHot: typed('other', nothing),
    DepthToSpace: sameRank,
    SpaceToDepth: sameRank,
  }),
);
for (const op of [
  ...['FusedMatMul', 'GatherND', 'Einsum', 'LSTM', 'GRU', 'RNN', 'If', 'Loop', 'Scan', 'Compress'],
  ...['GridSample', 'RoiAlign', 'MaxRoiPool', 'MaxUnpool', 'Unique', 'Multinomial', 'Det', 'DFT'],
  ...['STFT', 'Col2Im', 'CenterCropPad', 'AffineGrid', 'SequenceAt', 'ConcatFromSequence'],
  ...['Attention', 'EmbedLayerNormalization', 'TfIdfVectorizer', 'NonMaxSuppression'],
]) {
  rules.set(op, nothing);
}
for (const op of ['Greater', 'GreaterOrEqual', 'Less', 'LessOrEqual', 'And', 'Or', 'Xor']) {
  rules.set(op, typed('bool'));
}
for (const op of ['Not', 'IsNaN', 'IsInf']) rules.set(op, typed('bool', same));
for (const op of ['Mean', 'Max', 'Min', 'Sum', 'L1', 'L2', 'Prod', 'LogSumExp', 'SumSquare']) {
  rules.set(`Reduce${op}`, reduce);
}
for (const op of ['Pow', 'PRelu', 'Max', 'Min', 'Sum', 'Mean', 'Mod']) rules.set(op, elementwise);

const secondOutputs = new Map<string, DType>([
  ['MaxPool', 'int64'],
  ['TopK', 'int64'],
  ['Dropout', 'bool'],
]);

function ofTensor(tensor: OnnxTensor): Inferred {
  const { dtype, shape, ints } = tensor;
  return { dtype, shape, contents: ints, dynamic: false, image: false };
}

/**
 * Element types and shapes of a graph's values, in one forward pass. What the file declares comes
 * first; what no rule covers stays unknown.
 */
export function inferValues(graph: OnnxGraph): Map<string, Inferred> {
  const values = new Map<string, Inferred>();
  for (const tensor of graph.initializers) values.set(tensor.name, ofTensor(tensor));
  for (const { name, dtype, shape } of graph.inputs) {
    values.set(name, { dtype, shape, contents: undefined, dynamic: true, image: false });
  }
  const declared = new Map([
    ...graph.values,
    ...graph.outputs.map((output) => [output.name, output] as const),
  ]);
  const symbols = new Set<Dim>(
    graph.inputs.flatMap(({ shape }) => shape ?? []).filter((dim) => typeof dim === 'string'),
  );
  for (const node of graph.nodes) {
    const inputs = node.inputs.map((name) => values.get(name));
    const rule = rules.get(node.op) ?? same;
    const result = rule(node, inputs);
    const dynamic =
      inputs.some((input) => input?.dynamic) ||
      node.subgraphs.length > 0 ||
      node.op.startsWith('Random');
    node.outputs.forEach((name, index) => {
      if (name === '') return;
      const known = declared.get(name);
      const guess = index === 0 || node.op === 'Split' ? result : {};
      const fallback =
        (index > 0 ? secondOutputs.get(node.op) : undefined) ?? inputs[0]?.dtype ?? 'other';
      const dtype = guess.dtype ?? fallback;
      values.set(name, {
        dtype: known && known.dtype !== 'other' ? known.dtype : dtype,
        shape: within(merge(known?.shape, guess.shape, symbols), maxRank),
        contents: within(guess.contents, maxContents),
        dynamic,
        image: guess.image ?? inputs.some((input) => input?.image),
      });
    });
  }
  return values;
}

/**
 * The declared shape, made more precise by the inferred one: exporters declare sizes under names of
 * their own where a number or a symbol of the inputs can be deduced.
 */
function merge(
  declared: Shape | undefined,
  inferred: Shape | undefined,
  symbols: ReadonlySet<Dim>,
): Shape | undefined {
  if (!declared) return inferred;
  if (inferred?.length !== declared.length) return declared;
  return declared.map((dim, axis) => {
    const deduced = inferred[axis]!;
    const better = typeof deduced === 'number' || symbols.has(deduced);
    return dim === null || (typeof dim === 'string' && better) ? deduced : dim;
  });
}

const within = (dims: Shape | undefined, limit: number) =>
  dims && dims.length <= limit ? dims : undefined;
