import type { Engine, FeedTensor } from '../engine/device-engine.ts';
import { UserError } from '../errors.ts';
import type { ModelOutline, Runnable, RunnableGraph } from '../models/model.ts';
import { GraphBuilder, type Value } from '../onnx/graph-builder.ts';
import type { Floats } from '../tensor/matrix.ts';
import type { TokenMask } from './pooling.ts';

/**
 * What a layer's value becomes inside the model's own graph, so that only a few numbers a sample
 * leave the device.
 */
export interface Reduction {
  /** Tells its rows apart in the activation cache: a new one whenever they change. */
  readonly id: string;
  /**
   * Adds nodes behind a value, in operators that are the same from opset 11 on.
   * @param value [batch, …]
   * @param mask [batch, tokens], 1 where a token is real and 0 where it is padding
   * @param type of both
   * @returns [batch, units]
   */
  append(graph: GraphBuilder, value: Value, mask: Value, type: 'float32' | 'float64'): Value;
}

const maskName = 'repscope.mask';

/**
 * A model's graph with a reduction behind each of its outputs, whose values take their place. The
 * model's bytes stay as they are: protobuf merges a graph that follows them into theirs.
 * @throws UserError `unsupported` where the model is not an ONNX graph.
 */
export function reduced(graph: Runnable, name: string, reduction: Reduction): RunnableGraph {
  if (graph.runtime === 'tfjs') {
    throw new UserError(
      'unsupported',
      name,
      'is run by TensorFlow.js, whose graph takes no analysis behind it',
      'convert the model to ONNX',
    );
  }
  const builder = new GraphBuilder('reduction', { unnamed: 'repscope.' });
  const mask = builder.input(maskName, 'float32', ['repscope.batch', 'repscope.tokens']);
  const outputs = graph.outputs.map((layer, index) => {
    const value = builder.op('Cast', [{ name: layer }], { to: { to: 'float32' } });
    const rows = reduction.append(builder, value, mask, 'float32');
    const named = builder.op('Identity', [rows], {}, `repscope.out.${index}`);
    builder.output(named, 'float32', ['repscope.batch', `repscope.units.${index}`]);
    return named.name;
  });
  return { ...graph, bytes: joined(graph.bytes, builder.fragment()), outputs };
}

function joined(a: Uint8Array, b: Uint8Array): Uint8Array {
  const whole = new Uint8Array(a.length + b.length);
  whole.set(a);
  whole.set(b, a.length);
  return whole;
}

/**
 * What a reduced graph takes beside the model's inputs.
 * @throws UserError `wrong-shape` where the probe has no tokens.
 */
export function reductionFeeds(
  tokens: TokenMask | undefined,
  name: string,
): Record<string, FeedTensor> {
  if (tokens) {
    const { mask } = tokens;
    const dims = [mask.length / tokens.tokens, tokens.tokens];
    return { [maskName]: { dtype: 'float32', dims, data: Float32Array.from(mask, Number) } };
  }
  throw new UserError(
    'wrong-shape',
    name,
    'was fed samples that are not sequences of tokens',
    'name a probe of texts or token ids, or a model that cuts images into tokens',
  );
}

/** Oldest operators that reductions are written in. */
const leastOpset = 11;

/** Whether a model's own graph takes a reduction behind its values. */
export const canReduce = ({ format, metadata }: ModelOutline): boolean =>
  format !== 'tfjs' && (format !== 'onnx' || Number(metadata['opset']) >= leastOpset);

const graphs = new Map<string, Uint8Array>();

/** A graph of the reduction alone, for values that are at hand; all of them are real. */
function graphOf(reduction: Reduction, type: 'float32' | 'float64', axes: number): Uint8Array {
  const key = `${reduction.id} ${type} ${axes}`;
  let bytes = graphs.get(key);
  if (bytes === undefined) {
    const graph = new GraphBuilder('reduction');
    const sizes = Array.from({ length: axes - 1 }, (_, axis) => `d${axis}`);
    const value = graph.input('value', type, ['n', ...sizes]);
    const mask = graph.input('mask', type, ['n', 'tokens']);
    const y = graph.op('Identity', [reduction.append(graph, value, mask, type)], {}, 'y');
    graph.output(y, type, ['n', 'units']);
    bytes = graph.finish();
    graphs.set(key, bytes);
  }
  return bytes;
}

/**
 * What a reduction makes of values [n, …] of samples of `tokens` tokens, in the type of the values:
 * n × units.
 */
export async function reduceValues(
  engine: Engine,
  reduction: Reduction,
  data: Floats,
  dims: readonly number[],
  tokens: number,
): Promise<Floats> {
  const dtype = data instanceof Float64Array ? 'float64' : 'float32';
  const n = dims[0]!;
  const ones = dtype === 'float64' ? new Float64Array(n * tokens) : new Float32Array(n * tokens);
  const { y } = await engine.run(graphOf(reduction, dtype, dims.length), {
    value: { dtype, dims, data },
    mask: { dtype, dims: [n, tokens], data: ones.fill(1) },
  });
  return y!.data as Floats;
}
