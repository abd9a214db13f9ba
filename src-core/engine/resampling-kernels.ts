import type { Value } from '../onnx/graph-builder.ts';
import type { Floats } from '../tensor/matrix.ts';
import type { Engine } from './device-engine.ts';
import { feed, graphOf, output, typeOf, type Real } from './kernel-graph.ts';

// Sums over a block M of a kernel matrix with columns of weights A (of its rows) and B (of its
// columns), one column a draw: a bootstrap of many draws is a few products. All arguments have one
// element type, which is that of the answers.

const productsGraph = graphOf((graph, type: Real) => {
  const m = graph.input('m', type, ['a', 'b']);
  const a = graph.input('A', type, ['a', 'k']);
  const b = graph.input('B', type, ['b', 'k']);
  output(graph, graph.op('Gemm', [m, b]), [type, type], ['a', 'k'], 'down');
  output(graph, graph.op('Gemm', [m, a], { transA: 1 }), [type, type], ['b', 'k'], 'up');
});

const formsGraph = graphOf((graph, type: Real) => {
  const m = graph.input('m', type, ['a', 'b']);
  const n = graph.input('n', type, ['a', 'b']);
  const a = graph.input('A', type, ['a', 'k']);
  const b = graph.input('B', type, ['b', 'k']);
  const square = (x: Value) => graph.op('Mul', [x, x]);
  const product = graph.op('Mul', [m, n]);
  const byB = graph.op('MatMul', [product, b]);
  const byB2 = graph.op('MatMul', [product, square(b)]);
  const form = (x: Value, y: Value) =>
    graph.op('ReduceSum', [graph.op('Mul', [x, y]), graph.ints(0)], { keepdims: 0 });
  const named = (value: Value, name: string) => output(graph, value, [type, type], ['k'], name);
  named(form(a, byB), 'plain');
  named(graph.op('Add', [form(a, byB2), form(square(a), byB)]), 'mixed');
  named(form(square(a), byB2), 'squared');
});

/** Quadratic forms of resampling weights, k draws at a time. */
export const weightedForms = {
  /** M·B and Mᵀ·A for M: a × b with weights A: a × k and B: b × k. */
  async products(engine: Engine, k: number, m: Floats, a: Floats, b: Floats) {
    const shape = [a.length / k, b.length / k];
    const feeds = { m: feed(m, shape), A: feed(a, [shape[0]!, k]), B: feed(b, [shape[1]!, k]) };
    const { down, up } = await engine.run(productsGraph(typeOf(m)), feeds);
    return { down: down!.data as Floats, up: up!.data as Floats };
  },

  /** With W = M∘N, for each draw: αᵀWβ, αᵀWβ² + α²ᵀWβ, and α²ᵀWβ². */
  async pair(engine: Engine, k: number, m: Floats, n: Floats, a: Floats, b: Floats) {
    const shape = [a.length / k, b.length / k];
    const { plain, mixed, squared } = await engine.run(formsGraph(typeOf(m)), {
      m: feed(m, shape),
      n: feed(n, shape),
      A: feed(a, [shape[0]!, k]),
      B: feed(b, [shape[1]!, k]),
    });
    return {
      plain: plain!.data as Floats,
      mixed: mixed!.data as Floats,
      squared: squared!.data as Floats,
    };
  },
};
