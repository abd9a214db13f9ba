// The topology of a graph model: a TensorFlow GraphDef as JSON.
import { elementCount } from '../../tensor/convert.ts';
import type { DType } from '../../tensor/dtype.ts';
import type { TfjsWeight } from '../../tensor/tfjs.ts';
import type { LayerAxes, LayerInfo, ValueInfo } from '../model.ts';
import { isObject, listAt, objectAt, textAt, type JsonObject } from '../../bytes/json-value.ts';
import type { Shape } from './keras-shapes.ts';
import type { Topology } from './keras.ts';

interface Node {
  name: string;
  op: string;
  /** Names of nodes, without output numbers and without what only orders them. */
  inputs: string[];
  attributes: JsonObject;
}

const floats = new Set(['DT_FLOAT', '1', 'undefined']);
const types: Readonly<Record<string, DType>> = {
  DT_FLOAT: 'float32',
  DT_INT32: 'int32',
  DT_INT64: 'int64',
  DT_BOOL: 'bool',
  DT_UINT8: 'uint8',
  DT_STRING: 'string',
};
/** Nodes that only hand on, or that compute shapes and indices. */
const plumbing =
  /^(Identity(N)?|NoOp|Const|Placeholder(WithDefault)?|StopGradient|Shape(N)?|Size|Rank|Pack|Range|Fill|Cast|ExpandDims|Squeeze|StridedSlice|ConcatV2?|Assert|.*(Less|Greater|Equal).*|Arg(Max|Min)|(Ref)?(Switch|Merge)|Enter|Exit|NextIteration|LoopCond|TensorArray.*|TensorList.*|(Stateless)?(If|While)|Print|Merge)$/;
const weighted = /(MatMul|Conv2D|Conv3D|Conv1D|DepthwiseConv2dNative)/;
/** What still belongs to the product before it. */
const after =
  /^(BiasAdd|Add(V2)?|Mul|Sub|FusedBatchNorm.*|Relu6?|LeakyRelu|Elu|Selu|Sigmoid|Tanh|Prelu|Softplus)$/;

/** Reads the topology of a graph model. `signature` names its inputs and outputs where it is there. */
export function readGraph(
  topology: JsonObject,
  signature: JsonObject,
  weights: ReadonlyMap<string, TfjsWeight>,
): Topology {
  const nodes = new Map<string, Node>();
  for (const entry of listAt(topology, 'node')) {
    const node = nodeOf(entry);
    if (node && !nodes.has(node.name)) nodes.set(node.name, node);
  }
  const architecture = 'TensorFlow graph';
  const dynamic = dynamicNodes(nodes);
  if (dynamic.size === 0) {
    const problem = 'its graph has no input that leads to a value';
    return { architecture, inputs: [], outputs: [], layers: [], problem };
  }
  const used = new Set([...nodes.values()].flatMap(({ inputs }) => inputs));
  const last = [...dynamic].filter(
    (name) => !used.has(name) && nodes.get(name)!.op !== 'Placeholder',
  );
  const named = portsOf(signature, 'outputs').filter(([name]) => nodes.has(name));
  const outputs = new Map(named.length > 0 ? named : last.map((name) => [name, undefined]));
  return {
    architecture,
    inputs: [...nodes.values()]
      .filter(({ op, name }) => op === 'Placeholder' && !weights.has(name))
      .map((node) => inputOf(node, signature)),
    outputs: [...outputs].map(([name, shape]) => ({
      name,
      dtype: types[typeOf(nodes.get(name)!)] ?? 'float32',
      shape: shape ?? declaredShape(nodes.get(name)!) ?? [],
    })),
    layers: describe(nodes, dynamic, outputs, weights),
  };
}

/** `^order`, `value:1`. */
const nodeName = (input: string) => input.replace(/^\^/, '').replace(/:\d+$/, '');

function nodeOf(entry: unknown): Node | undefined {
  const name = textAt(entry, 'name');
  const op = textAt(entry, 'op');
  if (name === undefined || op === undefined) return undefined;
  const inputs = listAt(entry, 'input').filter((input) => typeof input === 'string');
  return {
    name,
    op,
    inputs: inputs.filter((input) => !input.startsWith('^')).map(nodeName),
    attributes: objectAt(entry, 'attr'),
  };
}

/** Names of the nodes that depend on an input. */
function dynamicNodes(nodes: ReadonlyMap<string, Node>): Set<string> {
  const users = new Map<string, string[]>();
  for (const { name, inputs } of nodes.values()) {
    for (const input of inputs) {
      const list = users.get(input);
      if (list) list.push(name);
      else users.set(input, [name]);
    }
  }
  const queue = [...nodes.values()]
    .filter(({ op }) => op === 'Placeholder')
    .map(({ name }) => name);
  const reached = new Set<string>();
  for (let name = queue.pop(); name !== undefined; name = queue.pop()) {
    if (reached.has(name)) continue;
    reached.add(name);
    queue.push(...(users.get(name) ?? []));
  }
  // In the order of the file.
  return new Set([...nodes.keys()].filter((name) => reached.has(name)));
}

const typeOf = ({ attributes }: Node) =>
  String(objectAt(attributes, 'T')['type'] ?? objectAt(attributes, 'dtype')['type']);

function dimensions(shape: unknown): Shape | undefined {
  if (!isObject(shape) || shape['unknownRank'] === true) return undefined;
  const sizes = listAt(shape, 'dim').map((side) => Number(isObject(side) ? side['size'] : NaN));
  if (sizes.length > 16) return undefined;
  return sizes.map((size) => (Number.isSafeInteger(size) && size >= 0 ? size : null));
}

/** Of `_output_shapes`, which some exporters keep. */
const declaredShape = ({ attributes }: Node) => {
  const [first] = listAt(objectAt(objectAt(attributes, '_output_shapes'), 'list'), 'shape');
  return dimensions(first);
};

/** Nodes that the signature names as `inputs` or `outputs`, with their shapes. */
function portsOf(signature: JsonObject, side: 'inputs' | 'outputs'): [string, Shape | undefined][] {
  return Object.values(objectAt(signature, side)).map((port) => [
    nodeName(textAt(port, 'name') ?? ''),
    isObject(port) ? dimensions(port['tensorShape']) : undefined,
  ]);
}

function inputOf(node: Node, signature: JsonObject): ValueInfo {
  const declared = new Map(portsOf(signature, 'inputs')).get(node.name);
  const shape = declared ?? dimensions(objectAt(objectAt(node.attributes, 'shape'), 'shape'));
  return { name: node.name, dtype: types[typeOf(node)] ?? 'float32', shape: shape ?? [] };
}

function axesOf(op: string, shape: Shape | undefined): LayerAxes {
  if (shape?.length === 4 || (!shape && /Conv2D|Depthwise|Pool/.test(op))) return 'image';
  if (shape?.length === 3) return 'tokens';
  return shape?.length === 2 ? 'features' : 'unknown';
}

const maxDefaults = 40;

/** By default: what each product of weights ends in, after bias, normalisation and activation. */
function describe(
  nodes: ReadonlyMap<string, Node>,
  dynamic: ReadonlySet<string>,
  outputs: ReadonlyMap<string, Shape | undefined>,
  weights: ReadonlyMap<string, TfjsWeight>,
): LayerInfo[] {
  /** The product that a value belongs to. */
  const product = new Map<string, string>();
  /** By product, the last value that belongs to it. */
  const ends = new Map<string, string>();
  const layers: LayerInfo[] = [];
  for (const name of dynamic) {
    const node = nodes.get(name)!;
    const sources = node.inputs.filter((input) => dynamic.has(input));
    const own = node.inputs.filter((input) => weights.has(input));
    const begins = weighted.test(node.op) && own.length > 0;
    const from = begins
      ? name
      : after.test(node.op) && sources.length === 1
        ? product.get(sources[0]!)
        : undefined;
    if (from !== undefined) {
      product.set(name, from);
      ends.set(from, name);
    }
    if (!outputs.has(name) && (plumbing.test(node.op) || !floats.has(typeOf(node)))) continue;
    const shape = outputs.get(name) ?? declaredShape(node);
    const parameters = own.reduce((sum, input) => {
      const { dtype, quantisation, shape: sides } = weights.get(input)!;
      const isWeight = (dtype === 'float32' || quantisation !== undefined) && sides.length > 0;
      return isWeight ? sum + elementCount(sides) : sum;
    }, 0);
    layers.push({
      name,
      kind: node.op,
      axes: axesOf(node.op, shape),
      ...(shape && { shape }),
      ...(parameters > 0 && { parameters }),
      default: outputs.has(name),
    });
  }
  const chosen = [...ends.values()];
  const kept = new Set(chosen.filter((_, i) => i % Math.ceil(chosen.length / maxDefaults) === 0));
  return layers.map((layer) => (kept.has(layer.name) ? { ...layer, default: true } : layer));
}
