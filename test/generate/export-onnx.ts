// A trained classifier as an ONNX model, in float32 and in int8.
import { GraphBuilder, type Value } from '@repscope/core/onnx/graph-builder.ts';
import type { Network } from './network.ts';

const imageShape = (network: Network) =>
  network.layers[0]!.kind === 'conv' ? ['N', 1, 28, 28] : ['N', 784];

const floats = (tensor: { dataSync(): unknown }) => tensor.dataSync() as Float32Array;

/** The classifier with every value named as its layer; images are [N, C, H, W]. */
export function toOnnx(name: string, network: Network): Uint8Array {
  const graph = new GraphBuilder(name);
  let x = graph.input('image', 'float32', imageShape(network));
  let pooled: number[] | undefined;
  for (const layer of network.layers) {
    const weights = network.weights.get(layer.name);
    const bias = () => {
      const data = floats(weights!.bias);
      return graph.constant(data, [data.length], `${layer.name}.bias`);
    };
    if (layer.kind === 'conv') {
      // [3, 3, in, out] → [out, in, 3, 3]
      const kernel = weights!.kernel.transpose([3, 2, 0, 1]);
      const w = graph.constant(floats(kernel), kernel.shape, `${layer.name}.weight`);
      const attributes = { kernel_shape: [3, 3], pads: [1, 1, 1, 1] };
      x = graph.op('Conv', [x, w, bias()], attributes, layer.name);
      pooled = [7, 7, kernel.shape[0]];
    } else if (layer.kind === 'dense') {
      const [inputs, outputs] = weights!.kernel.shape as [number, number];
      // The first dense layer after the images meets them as C, H, W, not H, W, C.
      const kernel = pooled
        ? weights!.kernel.reshape([...pooled, outputs]).transpose([2, 0, 1, 3])
        : weights!.kernel;
      pooled = undefined;
      const w = graph.constant(floats(kernel), [inputs, outputs], `${layer.name}.weight`);
      x = graph.op('Gemm', [x, w, bias()], {}, layer.name);
    } else if (layer.kind === 'pool') {
      const attributes = { kernel_shape: [2, 2], strides: [2, 2] };
      x = graph.op('MaxPool', [x], attributes, layer.name);
    } else {
      const op = { relu: 'Relu', flatten: 'Flatten', softmax: 'Softmax' }[layer.kind];
      x = graph.op(op, [x], {}, layer.name);
    }
  }
  graph.output(x, 'float32', ['N', 10]);
  return graph.finish();
}

/**
 * The int8 twin of a dense classifier (quantise–dequantise form): int8 weights and uint8 inputs of
 * each Gemm with one scale a tensor, int32 biases. Its layers bear the names of the float32 model.
 * @param largest the largest value of each layer over the calibration digits
 */
export function toInt8Onnx(
  name: string,
  network: Network,
  largest: ReadonlyMap<string, number>,
): Uint8Array {
  const graph = new GraphBuilder(name);
  let x = graph.input('image', 'float32', imageShape(network));
  const scalar = (value: number, of: string) => graph.constant(Float32Array.of(value), [], of);
  /** Values at or above 0 through uint8 and back. */
  const throughBytes = (value: Value, top: number): { value: Value; scale: number } => {
    const scale = Math.fround(top / 255);
    const s = scalar(scale, `${value.name}.scale`);
    const zero = graph.constant(Uint8Array.of(0), [], `${value.name}.zero_point`);
    const bytes = graph.op('QuantizeLinear', [value, s, zero], {}, `${value.name}_quantized`);
    const back = graph.op('DequantizeLinear', [bytes, s, zero], {}, `${value.name}_dequantized`);
    return { value: back, scale };
  };
  for (const layer of network.layers) {
    if (layer.kind === 'dense') {
      const weights = network.weights.get(layer.name)!;
      const input = throughBytes(x, largest.get(x.name)!);
      const kernel = floats(weights.kernel);
      const step = Math.fround(kernel.reduce((top, w) => Math.max(top, Math.abs(w)), 0) / 127);
      const w = graph.op(
        'DequantizeLinear',
        [
          graph.constant(
            Int8Array.from(kernel, (value) => Math.round(value / step)),
            weights.kernel.shape,
            `${layer.name}.weight`,
          ),
          scalar(step, `${layer.name}.weight.scale`),
        ],
        {},
        `${layer.name}.weight_dequantized`,
      );
      const biasStep = Math.fround(input.scale * step);
      const b = graph.op(
        'DequantizeLinear',
        [
          graph.constant(
            Int32Array.from(floats(weights.bias), (value) => Math.round(value / biasStep)),
            weights.bias.shape,
            `${layer.name}.bias`,
          ),
          scalar(biasStep, `${layer.name}.bias.scale`),
        ],
        {},
        `${layer.name}.bias_dequantized`,
      );
      x = graph.op('Gemm', [input.value, w, b], {}, layer.name);
    } else {
      x = graph.op(layer.kind === 'relu' ? 'Relu' : 'Softmax', [x], {}, layer.name);
    }
  }
  graph.output(x, 'float32', ['N', 10]);
  return graph.finish();
}
