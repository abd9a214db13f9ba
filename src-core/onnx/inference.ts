import type { DType } from '../tensor/dtype.ts';
import { argReduce, convolution, gemm, globalPool, matmul, pool, reduce } from './compute-rules.ts';
import { isForeign } from './domains.ts';
import type { Dim, OnnxGraph, OnnxNode } from './outline.ts';
import {
  elementwise,
  maxContents,
  maxRank,
  nothing,
  same,
  sameRank,
  typed,
  like,
  type Inferred,
  type Rule,
  type Shape,
} from './rule.ts';
import {
  arithmetic,
  cast,
  concat,
  constant,
  constantOfShape,
  equal,
  expand,
  flatten,
  gather,
  ofTensor,
  reshape,
  shapeOf,
  slice,
  squeeze,
  transpose,
  unsqueeze,
  where,
} from './shape-rules.ts';

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
    const rule = rules.get(node.op) ?? (isForeign(node.domain) ? nothing : same);
    const result = rule(node, inputs);
    const ofBody = bodyOutputs(node);
    const dynamic =
      inputs.some((input) => input?.dynamic) ||
      node.subgraphs.length > 0 ||
      node.op.startsWith('Random');
    node.outputs.forEach((name, index) => {
      if (name === '') return;
      const known = declared.get(name);
      const guess = ofBody?.[index] ?? (index === 0 || node.op === 'Split' ? result : {});
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

/** What If, Loop and Scan give, as the outputs of their bodies are typed. */
function bodyOutputs(node: OnnxNode): Partial<Inferred>[] | undefined {
  const outputs = node.subgraphs[0]?.outputs;
  if (!outputs || isForeign(node.domain)) return undefined;
  // A loop's body gives its condition first; its state goes in and out, the rest is stacked.
  const given = node.op === 'Loop' ? outputs.slice(1) : outputs;
  const scanned = node.ints.get('num_scan_inputs')?.[0] ?? 0;
  const states = { If: given.length, Loop: node.inputs.length - 2 }[node.op];
  const state = states ?? node.inputs.length - scanned;
  return given.map(({ dtype, shape }, index) => ({
    dtype,
    shape: index < state ? shape : shape && [null, ...shape],
    image: false,
  }));
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
