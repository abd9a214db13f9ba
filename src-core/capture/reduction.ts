import type { FeedTensor } from '../engine/device-engine.ts';
import { UserError } from '../errors.ts';
import type { Runnable, RunnableGraph } from '../models/model.ts';
import { GraphBuilder, type Value } from '../onnx/graph-builder.ts';
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
   * @param value float32 [batch, …]
   * @param mask float32 [batch, tokens], 1 where a token is real and 0 where it is padding
   * @returns float32 [batch, units]
   */
  append(graph: GraphBuilder, value: Value, mask: Value): Value;
  /** Bytes that the values of one layer take on the device while a batch runs. */
  bytes(units: number, batch: number, tokens: number): number;
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
    const rows = reduction.append(builder, value, mask);
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
