import type { GraphBuilder, Value } from '../onnx/graph-builder.ts';
import type { Floats } from '../tensor/matrix.ts';
import type { Engine } from './device-engine.ts';
import type { Operand } from './device-matrix.ts';
import {
  cast,
  feed,
  graphOf,
  output,
  rowsOf,
  runRows,
  scalar,
  typeOf,
  wider,
  type Real,
} from './kernel-graph.ts';

// Squared Euclidean distances between blocks of rows, and what follows from them.

function squaredDistances(graph: GraphBuilder, left: Real, right: Real): Value {
  const type = wider(left, right);
  const a = cast(graph, graph.input('a', left, ['m', 'd']), left, type);
  const b = cast(graph, graph.input('b', right, ['n', 'd']), right, type);
  const norm = (x: Value) =>
    graph.op('ReduceSum', [graph.op('Mul', [x, x]), graph.ints(1)], { keepdims: 1 });
  const product = graph.op('Gemm', [a, b], { transB: 1 });
  const turned = graph.op('Transpose', [norm(b)], { perm: [1, 0] });
  const norms = graph.op('Add', [norm(a), turned]);
  const distances = graph.op('Sub', [norms, graph.op('Add', [product, product])]);
  // Rounding may push the distance between copies below zero.
  return graph.op('Relu', [distances]);
}

const distanceGraph = graphOf((graph, left: Real, right: Real, to: Real) => {
  const type = wider(left, right);
  output(graph, squaredDistances(graph, left, right), [type, to], ['m', 'n']);
});

/** Squared Euclidean distances between rows of a: m × d and b: n × d; m × n, in float64. */
export async function distances(
  engine: Engine,
  d: number,
  a: Operand,
  b: Operand,
): Promise<Float64Array> {
  const data = new Float64Array(rowsOf(a, d) * rowsOf(b, d));
  await runRows(engine, distanceGraph, d, [a, b], data);
  return data;
}

const radialGraph = graphOf((graph, left: Real, right: Real, to: Real) => {
  const type = wider(left, right);
  const gamma = graph.input('gamma', type, []);
  const exponent = graph.op('Mul', [
    squaredDistances(graph, left, right),
    graph.op('Neg', [gamma]),
  ]);
  output(graph, graph.op('Exp', [exponent]), [type, to], ['m', 'n']);
});

/**
 * exp(−γ·d²) between rows of a: m × d and b: n × d, written to `target` in its element type; m·n
 * values.
 */
export const radialInto = (
  engine: Engine,
  d: number,
  gamma: number,
  a: Operand,
  b: Operand,
  target: Floats,
): Promise<void> =>
  runRows(engine, radialGraph, d, [a, b], target, {
    gamma: scalar(wider(typeOf(a), typeOf(b)), gamma),
  });

const lengthGraph = graphOf((graph, left: Real, right: Real, to: Real) => {
  const type = wider(left, right);
  const lengths = graph.op('Sqrt', [squaredDistances(graph, left, right)]);
  output(graph, lengths, [type, to], ['m', 'n']);
});

/** Distances between rows of a: m × d and b: n × d, not squared; see {@link radialInto}. */
export const lengthsInto = (
  engine: Engine,
  d: number,
  a: Operand,
  b: Operand,
  target: Floats,
): Promise<void> => runRows(engine, lengthGraph, d, [a, b], target);

const nearestGraph = graphOf((graph, left: Real, right: Real) => {
  const distances = squaredDistances(graph, left, right);
  const k = graph.input('k', 'int64', [1]);
  const [values, indices] = graph.ops('TopK', [distances, k], { largest: 0, axis: 1 }, 2) as [
    Value,
    Value,
  ];
  output(graph, values, [wider(left, right), 'float64'], ['m', 'k']);
  graph.output(graph.op('Identity', [indices], {}, 'i'), 'int64', ['m', 'k']);
});

/**
 * The k rows of b: n × d nearest to each row of a: m × d, nearest first: indices, and squared
 * distances as the kernel's precision has them; m × k each.
 */
export async function nearest(engine: Engine, d: number, a: Operand, b: Operand, k: number) {
  const feeds = {
    a: feed(a, [rowsOf(a, d), d]),
    b: feed(b, [rowsOf(b, d), d]),
    k: { dtype: 'int64', dims: [1], data: BigInt64Array.of(BigInt(k)) } as const,
  };
  const { y, i } = await engine.run(nearestGraph(typeOf(a), typeOf(b)), feeds);
  return { distances: y!.data as Float64Array, indices: i!.data as BigInt64Array };
}
