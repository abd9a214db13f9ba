import { GraphBuilder, type Value } from '../../onnx/graph-builder.ts';
import { elementCount } from '../../tensor/convert.ts';
import type { LayerInfo } from '../model.ts';
import {
  asFloat32,
  storedWeight,
  Unsupported,
  type ArchitecturePlan,
  type Weight,
} from './architecture.ts';

export const poolingModes = [
  'cls',
  'max',
  'mean',
  'mean_sqrt_len_tokens',
  'weightedmean',
  'lasttoken',
] as const;
export type PoolingMode = (typeof poolingModes)[number];

/** What follows the transformer in a sentence encoder. */
export type SentenceStep =
  | { kind: 'pooling'; modes: readonly PoolingMode[] }
  | {
      kind: 'dense';
      weight: Weight;
      bias?: Weight;
      /** `Identity`, or an operator of one operand. */
      activation: 'Identity' | 'Tanh' | 'Relu' | 'Gelu' | 'Sigmoid';
    }
  | { kind: 'normalize' };

const layerName = 'sentence_embedding';

/**
 * The plan with one more layer, `sentence_embedding`: the last hidden state through `steps`, over
 * the real tokens.
 * @throws Unsupported where the steps do not fit the model.
 */
export function withSentenceEmbedding(
  plan: ArchitecturePlan,
  steps: readonly SentenceStep[],
): ArchitecturePlan {
  const hidden = plan.outputs.find(({ shape }) => shape.length === 3 && shape[1] === 'tokens');
  const d = hidden?.shape[2];
  if (hidden === undefined || typeof d !== 'number') {
    throw new Unsupported('the model has no hidden states of texts');
  }
  if (!plan.inputs.some(({ name }) => name === 'attention_mask')) {
    throw new Unsupported('the model takes no attention_mask');
  }
  const { width, parameters } = measure(steps, d);
  const layer: LayerInfo = {
    name: layerName,
    kind: 'sentence embedding',
    axes: 'features',
    shape: ['batch', width],
    ...(parameters > 0 ? { parameters } : {}),
    default: false,
  };
  return {
    inputs: plan.inputs,
    outputs: [...plan.outputs, { name: layerName, dtype: 'float32', shape: ['batch', width] }],
    layers: [...plan.layers, layer],
    graph: (names) => {
      if (!names.includes(layerName)) return plan.graph(names);
      const others = names.filter((name) => name !== layerName);
      const needed = others.includes(hidden.name) ? others : [...others, hidden.name];
      const tail = tailGraph(steps, hidden.name, width);
      // Protobuf merges the graph of the second message into that of the first.
      return Buffer.concat([plan.graph(needed), tail]);
    },
  };
}

/** Units that come out of the steps, and their weights. @throws Unsupported */
function measure(steps: readonly SentenceStep[], d: number): { width: number; parameters: number } {
  let width = d;
  let parameters = 0;
  for (const step of steps) {
    if (step.kind === 'pooling') width *= step.modes.length;
    if (step.kind !== 'dense') continue;
    const [out, input] = step.weight.shape;
    if (step.weight.shape.length !== 2 || input !== width) {
      throw new Unsupported(`its dense layer reads ${input ?? 0} units where ${width} come`);
    }
    if (step.bias !== undefined && step.bias.shape.join() !== String(out)) {
      throw new Unsupported(`its dense layer has a bias of ${step.bias.shape.join('×')}`);
    }
    parameters += elementCount(step.weight.shape) + (step.bias?.shape[0] ?? 0);
    width = out!;
  }
  return { width, parameters };
}

/** The steps as a graph over values of another graph. */
function tailGraph(steps: readonly SentenceStep[], hidden: string, width: number): Uint8Array {
  const graph = new GraphBuilder('sentence', { unnamed: `${layerName}.` });
  let value: Value = { name: hidden };
  steps.forEach((step, index) => {
    if (step.kind === 'pooling') {
      value = pool(graph, value, step.modes);
    } else if (step.kind === 'dense') {
      const read = (what: string, weight: Weight) =>
        asFloat32(
          graph,
          storedWeight(graph, { name: `${layerName}.${index}.${what}`, weight }),
          weight.dtype,
        );
      const parts = [value, read('weight', step.weight)];
      if (step.bias !== undefined) parts.push(read('bias', step.bias));
      value = graph.op(step.activation, [graph.op('Gemm', parts, { transB: 1 })]);
    } else {
      const square = graph.op('Mul', [value, value]);
      const sum = graph.op('ReduceSum', [square, graph.ints(-1)], { keepdims: 1 });
      const norm = graph.op('Max', [graph.op('Sqrt', [sum]), float(graph, 1e-12)]);
      value = graph.op('Div', [value, norm]);
    }
  });
  graph.op('Identity', [value], {}, layerName);
  graph.output({ name: layerName }, 'float32', ['batch', width]);
  return graph.fragment();
}

const float = (graph: GraphBuilder, value: number): Value =>
  graph.constant(Float32Array.of(value), []);

/** [batch, tokens, d] → [batch, modes · d], as the library of the name does over right-padded texts. */
function pool(graph: GraphBuilder, hidden: Value, modes: readonly PoolingMode[]): Value {
  const mask: Value = { name: 'attention_mask' };
  const real = graph.op('Unsqueeze', [
    graph.op('Cast', [mask], { to: { to: 'float32' } }),
    graph.ints(2),
  ]);
  const sum = (value: Value) => graph.op('ReduceSum', [value, graph.ints(1)], { keepdims: 0 });
  const positive = (value: Value) => graph.op('Max', [value, float(graph, 1e-9)]);
  /** Mean with a weight for each token: [batch, tokens, 1]. */
  const mean = (weights: Value, root = false) => {
    const total = positive(sum(weights));
    const divisor = root ? graph.op('Sqrt', [total]) : total;
    return graph.op('Div', [sum(graph.op('Mul', [hidden, weights])), divisor]);
  };
  /** 1, 2, 3, … at real tokens and 0 elsewhere: [batch, tokens, 1]. */
  const places = () => {
    const count = graph.op('CumSum', [real, graph.constant(BigInt64Array.of(1n), [])]);
    return graph.op('Mul', [count, real]);
  };
  const token = (scores: Value) => {
    const flat = graph.op('Squeeze', [scores, graph.ints(2)]);
    const index = graph.op('ArgMax', [flat], { axis: 1, keepdims: 1 });
    return graph.op('GatherND', [hidden, index], { batch_dims: 1 });
  };
  const pooled: Record<PoolingMode, () => Value> = {
    cls: () => token(real),
    max: () => {
      const seen = graph.op('Where', [
        graph.op('Cast', [real], { to: { to: 'bool' } }),
        hidden,
        float(graph, -Infinity),
      ]);
      return graph.op('ReduceMax', [seen, graph.ints(1)], { keepdims: 0 });
    },
    mean: () => mean(real),
    mean_sqrt_len_tokens: () => mean(real, true),
    weightedmean: () => mean(places()),
    lasttoken: () => token(places()),
  };
  const values = modes.map((mode) => pooled[mode]());
  return values.length === 1 ? values[0]! : graph.op('Concat', values, { axis: 1 });
}
