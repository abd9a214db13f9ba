import { openBytes } from '../bytes/byte-source.ts';
import { linearHead } from '../onnx/linear-head.ts';
import { readOutline, type OnnxTensor } from '../onnx/outline.ts';
import type { Model } from './model.ts';
import { readTensor } from './movable-weights.ts';

/** The linear classifier that a model ends in. */
export interface ModelClassifier {
  readonly name: string;
  /** Values that enter it, the nearest first. */
  readonly layers: readonly string[];
  readonly classes: number;
  readonly units: number;
  /** classes × units. */
  readonly weights: Float64Array;
  /** Empty for none. */
  readonly bias: Float64Array;
}

const isFloat = ({ dtype, data }: OnnxTensor) =>
  (dtype === 'float32' || dtype === 'float64') && data.kind !== 'other';

/** The last linear layer of an ONNX graph, where its first output comes from one. */
export async function modelClassifier({ outline }: Model): Promise<ModelClassifier | undefined> {
  if (outline.format !== 'onnx' || !outline.runnable) return undefined;
  const source = await openBytes(outline.path);
  const { graph } = await readOutline(source).finally(() => source.close());
  const head = linearHead(graph);
  if (!head || !isFloat(head.weight) || (head.bias && !isFloat(head.bias))) return undefined;
  const { weight, bias, upright, inputs } = head;
  const read = async (tensor: OnnxTensor) =>
    Float64Array.from(await readTensor(outline.path, tensor));
  const [classes, units] = upright
    ? [weight.shape[0]!, weight.shape[1]!]
    : [weight.shape[1]!, weight.shape[0]!];
  const stored = await read(weight);
  return {
    name: weight.name,
    layers: inputs,
    classes,
    units,
    weights: upright
      ? stored
      : stored.map((_, at) => stored[(at % units) * classes + Math.floor(at / units)]!),
    bias: bias ? await read(bias) : new Float64Array(0),
  };
}
