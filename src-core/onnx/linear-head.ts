import type { OnnxGraph, OnnxNode, OnnxTensor } from './outline.ts';

/** The linear layer that a graph ends in. */
export interface LinearHead {
  /** Names of the value that enters it, and of those that are the same numbers before it. */
  readonly inputs: readonly string[];
  readonly weight: OnnxTensor;
  /** Whether the weight is outputs × units, not units × outputs. */
  readonly upright: boolean;
  readonly bias?: OnnxTensor;
}

/** What may follow the scores, or carry the units, without a change of their order or number. */
const afterwards = new Set(['Softmax', 'LogSoftmax', 'Sigmoid', 'Identity', 'Cast']);
const before = new Set(['Identity', 'Dropout', 'Cast', 'Flatten', 'Reshape', 'Squeeze']);

/** The linear classifier that makes a graph's first output, where it ends in one. */
export function linearHead({ nodes, initializers, outputs }: OnnxGraph): LinearHead | undefined {
  const producers = new Map<string, OnnxNode>();
  for (const node of nodes) for (const name of node.outputs) producers.set(name, node);
  const stored = new Map(initializers.map((tensor) => [tensor.name, tensor]));
  /** Values from a name backwards through nodes of the given operators. */
  const chain = (name: string, through: ReadonlySet<string>): string[] => {
    const names = [name];
    for (let node = producers.get(name); node && through.has(node.op);) {
      const next = node.inputs[0] ?? '';
      if (names.includes(next)) break;
      names.push(next);
      node = producers.get(next);
    }
    return names;
  };
  let node = producers.get(chain(outputs[0]?.name ?? '', afterwards).at(-1)!);
  let bias: OnnxTensor | undefined;
  if (node?.op === 'Add') {
    const [a = '', b = ''] = node.inputs;
    bias = stored.get(b) ?? stored.get(a);
    if (!bias) return undefined;
    node = producers.get(stored.has(b) ? a : b);
  }
  if (node?.op !== 'Gemm' && node?.op !== 'MatMul') return undefined;
  const [x = '', w = '', c = ''] = node.inputs;
  const weight = stored.get(w);
  const flag = (name: string) => (node.ints.get(name)?.[0] ?? 0) !== 0;
  if (weight?.shape.length !== 2 || flag('transA')) return undefined;
  if (node.op === 'Gemm' && c !== '') {
    bias = stored.get(c);
    if (!bias) return undefined;
  }
  return {
    inputs: chain(x, before),
    weight,
    upright: flag('transB'),
    ...(bias ? { bias } : {}),
  };
}
