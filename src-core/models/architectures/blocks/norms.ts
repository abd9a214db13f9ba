import type { Network, Node } from '../network.ts';

/** A normalisation over the last axis: tensor `name.weight` and, for `layer`, `name.bias`. */
export interface Norm {
  name: string;
  width: number;
  /** `layer` subtracts the mean and divides by the deviation; `rms` divides by the root mean square. */
  kind: 'layer' | 'rms';
  epsilon: number;
  /** The checkpoint keeps the scale's difference from 1, as Gemma's do. */
  fromOne?: boolean;
}

/** Layer normalisation (Ba et al. 2016) or RMS normalisation (Zhang & Sennrich 2019). */
export function normalize(net: Network, x: Node, norm: Norm): Node {
  const { name, width, kind, epsilon, fromOne = false } = norm;
  const weight = net.weight(`${name}.weight`, [width]);
  if (kind === 'layer') {
    const operands = [x, weight, net.weight(`${name}.bias`, [width])];
    return net.op('LayerNormalization', operands, { axis: -1, epsilon: { float: epsilon } });
  }
  // From plain operators, which every device has; RMSNormalization itself came with opset 23.
  const square = net.op('ReduceMean', [net.op('Mul', [x, x]), net.ints(-1)], { keepdims: 1 });
  const root = net.op('Sqrt', [net.op('Add', [square, net.scalar(epsilon)])]);
  const scale = fromOne ? net.op('Add', [weight, net.scalar(1)]) : weight;
  return net.op('Mul', [net.op('Div', [x, root]), scale]);
}
