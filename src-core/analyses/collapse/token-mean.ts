import type { Reduction } from '../../capture/reduction.ts';
import type { GraphBuilder, Value } from '../../onnx/graph-builder.ts';
import { Terms } from '../terms.ts';

/**
 * What goes before the mean token of a sample: how many tokens X it has, ‖X‖²_F, and ‖X − 1x̄ᵀ‖²_F.
 */
export const meanStatistics = ['tokens', 'whole', 'rest'] as const;

function meanOf(
  graph: GraphBuilder,
  states: Value,
  mask: Value,
  type: 'float32' | 'float64',
): Value {
  const t = new Terms(graph, type);
  const row = t.shaped(mask, 0, 1, -1);
  const column = t.shaped(mask, 0, -1, 1);
  const tokens = t.op('MatMul', row, column);
  const real = t.masked(states, column);
  const mean = t.op('Div', t.op('MatMul', row, real), tokens);
  const apart = t.op('Mul', t.op('Sub', real, mean), column);
  const squares = (value: Value) =>
    t.op('MatMul', t.shaped(value, 0, 1, -1), t.shaped(value, 0, -1, 1));
  const values: Record<(typeof meanStatistics)[number], Value> = {
    tokens,
    whole: squares(real),
    rest: squares(apart),
  };
  const all = [...meanStatistics.map((name) => values[name]), mean];
  return graph.op(
    'Concat',
    all.map((value) => t.shaped(value, 0, -1)),
    { axis: 1 },
  );
}

/** The mean token of each sample of a layer [batch, tokens, units], behind the statistics above. */
export const meanReduction: Reduction = { id: 'mean-1', append: meanOf };
