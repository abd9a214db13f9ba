import type { LayerAxes, LayerInfo } from '../models/model.ts';
import { elementCount } from '../tensor/convert.ts';
import type { DType } from '../tensor/dtype.ts';
import { findBlockEnds } from './blocks.ts';
import { Flow, isAlias } from './flow.ts';
import type { Inferred } from './rule.ts';
import type { OnnxGraph, OnnxNode, OnnxTensor } from './outline.ts';

const floats = new Set<DType>(['float32', 'float64', 'float16', 'bfloat16']);
/** Types that hold quantised weights and little else. */
const narrow = new Set<DType>(['int8', 'uint8']);
/** Types that hold weights where they feed a quantised operator: biases, packed 4-bit weights. */
const mixed = new Set<DType>(['int32', 'other']);
const integerOps = new Set(['MatMulNBits']);

/** Inputs that hold scales and zero points, by operator. */
const scaleInputs = new Map<string, readonly number[]>([
  ['QuantizeLinear', [1, 2]],
  ['DequantizeLinear', [1, 2]],
  ['QLinearConv', [1, 2, 4, 5, 6, 7]],
  ['QLinearMatMul', [1, 2, 4, 5, 6, 7]],
  ['QGemm', [1, 2, 4, 5, 7, 8]],
  ['MatMulInteger', [2, 3]],
  ['ConvInteger', [2, 3]],
]);

/** Initialisers and constants that were trained, by name; scales and shape constants are not. */
export function findParameters(graph: OnnxGraph): Map<string, OnnxTensor> {
  const scales = new Set<string>();
  const quantised = new Set<string>();
  const visit = (nodes: readonly OnnxNode[]): void => {
    for (const node of nodes) {
      const indices = scaleInputs.get(node.op);
      for (const index of indices ?? []) scales.add(node.inputs[index] ?? '');
      if (indices || integerOps.has(node.op)) for (const name of node.inputs) quantised.add(name);
      for (const body of node.subgraphs) visit(body.nodes);
    }
  };
  visit(graph.nodes);
  const parameters = new Map<string, OnnxTensor>();
  for (const tensor of allTensors(graph)) {
    const trained =
      floats.has(tensor.dtype) ||
      narrow.has(tensor.dtype) ||
      (mixed.has(tensor.dtype) && quantised.has(tensor.name));
    // Scalars are constants of formulas far more often than weights.
    if (trained && tensor.shape.length > 0 && !scales.has(tensor.name))
      parameters.set(tensor.name, tensor);
  }
  return parameters;
}

/** Initialisers and array constants of a graph and its bodies, under the names of their values. */
export function* allTensors(graph: OnnxGraph): Generator<OnnxTensor> {
  yield* graph.initializers;
  for (const node of graph.nodes) {
    const value = node.op === 'Constant' ? node.tensors.get('value') : undefined;
    if (value) yield { ...value, name: node.outputs[0] ?? value.name };
    for (const body of node.subgraphs) yield* allTensors(body);
  }
}

const maxWeightsOfValue = 64;

/** Trained elements that feed only one computing node, by that node. */
function ownParameters(
  graph: OnnxGraph,
  flow: Flow,
  parameters: ReadonlyMap<string, OnnxTensor>,
): Map<OnnxNode, number> {
  const weightsOf = new Map<string, string[]>();
  for (const name of parameters.keys()) weightsOf.set(name, [name]);
  const owner = new Map<string, OnnxNode | 'shared'>();
  for (const node of graph.nodes) {
    const weights = new Set(node.inputs.flatMap((name) => weightsOf.get(name) ?? []));
    if (node.outputs.some((name) => flow.isDynamic(name))) {
      for (const weight of weights) owner.set(weight, owner.has(weight) ? 'shared' : node);
    } else if (weights.size > 0 && weights.size <= maxWeightsOfValue) {
      // Weights that are first dequantised, transposed or cast.
      for (const output of node.outputs) weightsOf.set(output, [...weights]);
    }
  }
  const counts = new Map<OnnxNode, number>();
  for (const [weight, node] of owner) {
    if (node === 'shared') continue;
    const count = elementCount(parameters.get(weight)!.shape);
    counts.set(node, (counts.get(node) ?? 0) + count);
  }
  return counts;
}

function axesOf(kind: string, value: Inferred): LayerAxes {
  const rank = value.shape?.length;
  if (value.image) return rank === 4 || rank === undefined ? 'image' : 'unknown';
  if (rank === 4) return kind === 'Softmax' ? 'attention' : 'unknown';
  if (rank === 3) return 'tokens';
  if (rank === 2 || (rank === undefined && kind === 'Gemm')) return 'features';
  return 'unknown';
}

/**
 * The values of a graph that can be captured: real-valued, computed from the inputs. Casts,
 * quantisation pairs and other copies are not listed beside what they copy, so a quantised model
 * lists the names of its float twin.
 */
export function describeLayers(
  graph: OnnxGraph,
  values: ReadonlyMap<string, Inferred>,
  parameters: ReadonlyMap<string, OnnxTensor>,
): LayerInfo[] {
  const flow = new Flow(graph, values);
  const ends = findBlockEnds(graph, flow);
  const owned = ownParameters(graph, flow, parameters);
  const layers = new Map<string, LayerInfo>();
  for (const node of graph.nodes) {
    for (const name of node.outputs) {
      const value = values.get(name);
      if (!value?.dynamic || !floats.has(value.dtype) || value.shape?.length === 0) continue;
      const isOutput = flow.isOutput(name);
      if (isAlias(node) && !isOutput) continue;
      // An output that only copies an inner value stands for it.
      const source = isAlias(node) ? flow.origin(name) : name;
      if (source !== name && flow.uses(source).length === 0 && !flow.isOutput(source)) {
        layers.delete(source);
      }
      const origin = flow.producer(name) ?? node;
      const kind = ends.get(source) ?? origin.op;
      const axes = axesOf(kind, value);
      const own = name === origin.outputs[0] || source !== name ? owned.get(origin) : undefined;
      layers.set(name, {
        name,
        kind,
        axes,
        ...(value.shape && { shape: value.shape }),
        ...(own !== undefined && { parameters: own }),
        default:
          ends.has(source) || (isOutput && value.shape?.length !== 4) || (isOutput && value.image),
      });
    }
  }
  return [...layers.values()];
}
