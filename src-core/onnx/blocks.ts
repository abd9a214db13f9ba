import type { Flow } from './flow.ts';
import type { OnnxGraph, OnnxNode } from './outline.ts';

/** What the end of a computing block is called. */
export type BlockEnds = Map<string, string>;

const activations = new Set([
  ...['Relu', 'LeakyRelu', 'PRelu', 'ThresholdedRelu', 'Elu', 'Celu', 'Selu', 'Clip', 'Gelu'],
  ...['FastGelu', 'BiasGelu', 'QuickGelu', 'Tanh', 'Sigmoid', 'HardSigmoid', 'HardSwish', 'Swish'],
  ...['Mish', 'Softplus', 'Softsign'],
]);
/** Operators that a product turns into another activation: x·Φ(x), x·σ(x), … */
const gates: Readonly<Record<string, string>> = {
  Erf: 'Gelu',
  Tanh: 'Gelu',
  Sigmoid: 'Silu',
  HardSigmoid: 'HardSwish',
};
const linear = new Set([
  ...['Conv', 'ConvTranspose', 'Gemm', 'MatMul', 'FusedMatMul', 'MatMulInteger', 'ConvInteger'],
  ...['QLinearConv', 'QLinearMatMul', 'QGemm', 'MatMulNBits'],
]);
const norms = new Set([
  ...['LayerNormalization', 'SkipLayerNormalization', 'SimplifiedLayerNormalization'],
  ...['SkipSimplifiedLayerNormalization', 'RMSNormalization', 'EmbedLayerNormalization'],
]);
const pools = new Set(['MaxPool', 'AveragePool', 'GlobalAveragePool', 'GlobalMaxPool', 'LpPool']);
const recurrent = new Set(['LSTM', 'GRU', 'RNN']);
const attention = new Set(['Attention', 'MultiHeadAttention', 'GroupQueryAttention']);
/** What projections pass on their way into attention scores. */
const carriers = new Set([
  ...['Reshape', 'Transpose', 'Split', 'Slice', 'Squeeze', 'Unsqueeze', 'Mul', 'Div', 'Add'],
  ...['Neg', 'Concat', 'Gather', 'Expand', 'Sqrt'],
]);
const maxSearch = 32;

const result = (node: OnnxNode) => node.outputs[0] ?? '';

/** Whether `ancestor` is among what `name` is computed from by a few elementwise steps. */
function descends(flow: Flow, name: string, ancestor: string): boolean {
  const queue = [name];
  for (let i = 0; i < queue.length && i < maxSearch; i++) {
    const current = flow.origin(queue[i]!);
    if (current === ancestor) return true;
    const node = flow.producer(current);
    if (node && ['Mul', 'Div', 'Add', 'Pow'].includes(node.op)) {
      queue.push(...flow.dynamicInputs(node));
    }
  }
  return false;
}

/** The value under multiplications by constants. */
function unscaled(flow: Flow, name: string): string {
  let current = flow.origin(name);
  for (let step = 0; step < 3; step++) {
    const node = flow.producer(current);
    if (!node || !['Mul', 'Div'].includes(node.op) || !flow.hasOneDynamicInput(node)) break;
    current = flow.origin(flow.dynamicInputs(node)[0]!);
  }
  return current;
}

/** Where x·gate(x), written out in elementwise operators, ends; undefined where it is not that. */
function gated(flow: Flow, node: OnnxNode): { input: string; end: string } | undefined {
  const open = flow.followConstant(result(node), ['Add', 'Mul', 'Div'], 3);
  const times = flow.onlyUse(open);
  if (times?.op !== 'Mul') return undefined;
  const other = times.inputs.find((name) => flow.origin(name) !== open);
  if (other === undefined) return undefined;
  const input = unscaled(flow, other);
  if (!descends(flow, node.inputs[0] ?? '', input)) return undefined;
  return { input, end: flow.followConstant(result(times), ['Mul', 'Div'], 1) };
}

/** Layer normalisation written out: (x − mean) / sqrt(…), scaled and shifted. */
function writtenOutNorm(flow: Flow, node: OnnxNode): { input: string; end: string } | undefined {
  if (node.op !== 'Div') return undefined;
  const centred = flow.producer(node.inputs[0] ?? '');
  if (centred?.op !== 'Sub' || flow.producer(node.inputs[1] ?? '')?.op !== 'Sqrt') return undefined;
  if (flow.producer(centred.inputs[1] ?? '')?.op !== 'ReduceMean') return undefined;
  const end = flow.followConstant(result(node), ['Mul', 'Add'], 2);
  return { input: flow.origin(centred.inputs[0] ?? ''), end };
}

/** A sum of two computed values of the same shape, other than scores and mask. */
function isResidual(flow: Flow, node: OnnxNode): boolean {
  const [left, right, ...rest] = flow.dynamicInputs(node);
  if (node.op !== 'Add' || left === undefined || right === undefined || rest.length > 0) {
    return false;
  }
  // x + c·x³ and the like are one function of x.
  if (descends(flow, left, flow.origin(right)) || descends(flow, right, flow.origin(left))) {
    return false;
  }
  const value = flow.values.get(result(node));
  if (value?.shape && (value.shape.length < 2 || (value.shape.length > 3 && !value.image))) {
    return false;
  }
  if (flow.uses(result(node)).some((user) => user.op === 'Softmax')) return false;
  const [a, b] = node.inputs.map((name) => flow.values.get(name)?.shape);
  return !a || !b || a.length === b.length;
}

/** Whether a projection feeds attention scores or their weighting. */
function feedsAttention(flow: Flow, name: string): boolean {
  const queue = [name];
  for (let i = 0; i < queue.length && i < maxSearch; i++) {
    for (const user of flow.uses(queue[i]!)) {
      if (attention.has(user.op)) return true;
      if (user.op === 'MatMul' && flow.dynamicInputs(user).length === 2) return true;
      if (carriers.has(user.op) && !isResidual(flow, user)) queue.push(...user.outputs);
    }
  }
  return false;
}

/** A multiplication by weights, as opposed to one of two computed values. */
const isLinear = (flow: Flow, node: OnnxNode) =>
  linear.has(node.op) && node.inputs.some((name) => name !== '' && !flow.isDynamic(name));

/** Poolings, and means over the space of an image. */
function isPool(flow: Flow, node: OnnxNode): boolean {
  return (
    pools.has(node.op) ||
    (node.op === 'ReduceMean' && (flow.values.get(node.inputs[0] ?? '')?.image ?? false))
  );
}

/**
 * The values that end a computing block (activation, linear map without one, pooling,
 * normalisation or residual sum, recurrent layer), each with what to call it. One value a block:
 * what only leads to the block's end is left out.
 */
export function findBlockEnds(graph: OnnxGraph, flow: Flow): BlockEnds {
  const ends: BlockEnds = new Map();
  const activated = new Set<string>();
  const normalised = new Map<string, string>();
  for (const node of graph.nodes) {
    const gate = Object.hasOwn(gates, node.op) ? gated(flow, node) : undefined;
    if (gate) {
      ends.set(gate.end, gates[node.op]!);
      activated.add(gate.input);
    } else if (activations.has(node.op) && flow.isDynamic(result(node))) {
      ends.set(result(node), node.op);
      activated.add(flow.origin(node.inputs[0] ?? ''));
    } else if (norms.has(node.op)) {
      normalised.set(result(node), flow.origin(node.inputs[0] ?? ''));
      ends.set(result(node), node.op);
    } else {
      const norm = writtenOutNorm(flow, node);
      if (norm) {
        normalised.set(norm.end, norm.input);
        ends.set(norm.end, 'LayerNormalization');
      } else if (isPool(flow, node) || recurrent.has(node.op)) {
        ends.set(result(node), node.op);
      }
    }
  }
  addLinear(graph, flow, ends, activated);
  addResiduals(graph, flow, ends, activated, normalised);
  return ends;
}

/** A linear map with its bias or batch normalisation; tokens that were flattened for it unflattened. */
function linearEnd(flow: Flow, node: OnnxNode): string {
  const affine = ['Add', 'BatchNormalization', 'Mul'];
  const end = flow.followConstant(result(node), affine, 3);
  const next = flow.onlyUse(end);
  const rank = (name: string) => flow.values.get(name)?.shape?.length;
  if (next?.op !== 'Reshape' || rank(end) !== 2 || rank(result(next)) !== 3) return end;
  return flow.followConstant(result(next), affine, 3);
}

function addLinear(
  graph: OnnxGraph,
  flow: Flow,
  ends: BlockEnds,
  activated: ReadonlySet<string>,
): void {
  for (const node of graph.nodes) {
    if (!isLinear(flow, node) || !flow.isDynamic(result(node))) continue;
    const end = linearEnd(flow, node);
    const leadsOn =
      activated.has(end) ||
      activated.has(result(node)) ||
      flow.uses(end).some((user) => isResidual(flow, user)) ||
      feedsAttention(flow, end);
    if (flow.isOutput(end) || !leadsOn) ends.set(end, node.op);
  }
}

function addResiduals(
  graph: OnnxGraph,
  flow: Flow,
  ends: BlockEnds,
  activated: ReadonlySet<string>,
  normalised: ReadonlyMap<string, string>,
): void {
  const inputs = new Set(normalised.values());
  /** Whether a normalised value is also used as it is. */
  const goesOn = (value: string) =>
    flow.isOutput(value) ||
    flow.uses(value).some(({ op }) => !norms.has(op) && op !== 'ReduceMean' && op !== 'Sub');
  for (const node of graph.nodes) {
    const sum = result(node);
    if (!isResidual(flow, node) || ends.has(sum) || activated.has(sum)) continue;
    const next = flow.onlyUse(sum);
    if (next && isResidual(flow, next)) continue;
    if (!inputs.has(sum) || goesOn(sum)) ends.set(sum, 'Add');
  }
  // Where a value goes on beside its normalised copy, the value itself ends the block.
  for (const [end, input] of normalised) {
    const source = flow.producer(input);
    if (!source || !goesOn(input) || flow.isOutput(end)) continue;
    ends.delete(end);
    if (!ends.has(input)) ends.set(input, source.op);
  }
}
