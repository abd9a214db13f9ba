import { UserError } from '../errors.ts';
import type { PermutableUnits, TiedAxis } from '../onnx/permutable-axes.ts';
import type { TensorInfo } from './model.ts';

/** Tensors of a linear layer: PyTorch's and Keras' names. */
const weightName = /^(.*?)[./]?(weight|kernel)(?::0)?$/;
const biasName = /^(.*?)[./]?(bias)(?::0)?$/;

interface Linear {
  name: string;
  weight: TensorInfo;
  bias?: TensorInfo;
  /** Axes of the weight that its inputs and outputs lie along. */
  from: number;
  to: number;
}

/**
 * Hidden units of a file without a graph: linear layers in the order of their names, each taking
 * what the one before gives, with elementwise functions between that the file does not show.
 * @throws UserError `unsupported` that names the tensor which does not fit.
 */
export function namedChain(
  path: string,
  tensors: readonly TensorInfo[],
): { tensors: TensorInfo[]; units: PermutableUnits } {
  const refuse = (what: string): UserError =>
    new UserError(
      'unsupported',
      path,
      `${what}: without a graph, only linear layers that follow one another by name can be matched`,
      'export the model to ONNX',
    );
  const layers = new Map<string, Linear>();
  for (const tensor of tensors) {
    const name = weightName.exec(tensor.name);
    if (!name || tensor.shape.length < 2) continue;
    const keras = name[2] === 'kernel';
    const last = tensor.shape.length - 1;
    layers.set(name[1]!, {
      name: name[1]!,
      weight: tensor,
      from: keras ? last - 1 : 1,
      to: keras ? last : 0,
    });
  }
  for (const tensor of tensors) {
    const layer = layers.get(
      (weightName.exec(tensor.name) ?? biasName.exec(tensor.name))?.[1] ?? '',
    );
    if (layer?.weight === tensor) continue;
    const fits = tensor.shape.length === 1 && tensor.shape[0] === layer?.weight.shape[layer.to];
    if (!layer || !fits) throw refuse(`${tensor.name} is not part of a linear layer`);
    layer.bias = tensor;
  }
  const chain = [...layers.values()].sort((a, b) =>
    a.name.localeCompare(b.name, 'en', { numeric: true }),
  );
  if (chain.length < 2) throw refuse(`it has ${chain.length} linear layers`);
  const axes: TiedAxis[] = [];
  for (const [index, layer] of chain.entries()) {
    const next = chain[index + 1];
    if (!next) break;
    const units = layer.weight.shape[layer.to]!;
    const inner = next.weight.shape[next.from]! / units;
    // Flattened pixels of a channel come together in PyTorch, and apart in Keras.
    const flattens = layer.weight.shape.length > next.weight.shape.length && layer.to === 0;
    if (!Number.isInteger(inner) || (inner !== 1 && !flattens)) {
      throw refuse(
        `${next.name} takes ${next.weight.shape[next.from]} units and ${layer.name} gives ${units}`,
      );
    }
    axes.push({ tensor: layer.weight.name, axis: layer.to, layer: index, inner: 1 });
    if (layer.bias) axes.push({ tensor: layer.bias.name, axis: 0, layer: index, inner: 1 });
    axes.push({ tensor: next.weight.name, axis: next.from, layer: index, inner });
  }
  return {
    tensors: chain.flatMap(({ weight, bias }) => (bias ? [weight, bias] : [weight])),
    units: {
      layers: chain
        .slice(0, -1)
        .map(({ name, weight, to }) => ({ name, units: weight.shape[to]! })),
      axes,
      points: [],
      obstacles: [],
      batchNorm: false,
    },
  };
}
