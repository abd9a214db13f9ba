import type { Network, Node } from '../network.ts';
import type { TokenGrid } from './token-grid.ts';

/** A dense layer y = x·W + b: tensors `name.weight` and, where there is a bias, `name.bias`. */
export interface Dense {
  name: string;
  input: number;
  out: number;
  bias: boolean;
  /** How W is kept: [out, in] as torch.nn.Linear does, unless told [in, out], GPT-2's Conv1D. */
  layout?: 'in-out';
}

/** [batch, tokens, in] → [batch, tokens, out]. Gemm takes W as it is kept: no transposed copy. */
export function dense(net: Network, grid: TokenGrid, x: Node, part: Dense): Node {
  const { name, input, out, bias, layout } = part;
  const transposed = layout !== 'in-out';
  const weight = net.weight(`${name}.weight`, transposed ? [out, input] : [input, out]);
  const flat = net.op('Reshape', [x, net.ints(-1, input)]);
  const operands = bias ? [flat, weight, net.weight(`${name}.bias`, [out])] : [flat, weight];
  return grid.rows(net.op('Gemm', operands, { transB: transposed ? 1 : 0 }), out);
}
