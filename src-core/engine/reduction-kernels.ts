import type { Engine } from './device-engine.ts';
import type { Operand } from './device-matrix.ts';
import { feed, floats, graphOf, output, rowsOf, typeOf, type Real } from './kernel-graph.ts';
import type { Floats } from '../tensor/matrix.ts';

// Sums along rows or columns of a block.

const normsGraph = graphOf((graph, type: Real) => {
  const a = graph.input('a', type, ['n', 'd']);
  const sums = graph.op('ReduceSumSquare', [a, graph.ints(1)], { keepdims: 0 });
  output(graph, sums, [type, type], ['n']);
});

/** ‖aᵢ‖² of each row of a: n × d, in its element type; n. */
export async function squaredNorms(engine: Engine, d: number, a: Operand): Promise<Floats> {
  const n = rowsOf(a, d);
  const data = floats(typeOf(a), n);
  await engine.run(normsGraph(typeOf(a)), { a: feed(a, [n, d]) }, { y: { data, dims: [n] } });
  return data;
}
