import { GraphBuilder, type Value } from '../onnx/graph-builder.ts';
import type { Floats } from '../tensor/matrix.ts';
import type { Engine, FeedTensor } from './device-engine.ts';

// Graphs over one block of rows each; callers add blocks up in float64. Shapes are symbolic, so
// one graph for each element type serves every size.

type Real = 'float32' | 'float64';

const typeOf = (data: Floats): Real => (data instanceof Float64Array ? 'float64' : 'float32');

/** Both in the wider of their two types. */
function alike(a: Floats, b: Floats): [Floats, Floats, Real] {
  if (typeOf(a) === typeOf(b)) return [a, b, typeOf(a)];
  return [Float64Array.from(a), Float64Array.from(b), 'float64'];
}

const feed = (data: Floats, dims: readonly number[]): FeedTensor => ({
  dtype: typeOf(data),
  dims,
  data,
});

const toDouble = (graph: GraphBuilder, value: Value) =>
  graph.op('Cast', [value], { to: { to: 'float64' } });

/** A graph for each element type, built when first used. */
function perType(build: (graph: GraphBuilder, type: Real) => void): (type: Real) => Uint8Array {
  const built = new Map<Real, Uint8Array>();
  return (type) => {
    let bytes = built.get(type);
    if (bytes === undefined) {
      const graph = new GraphBuilder('kernel');
      build(graph, type);
      bytes = graph.finish();
      built.set(type, bytes);
    }
    return bytes;
  };
}

function output(graph: GraphBuilder, value: Value, shape: readonly string[]): void {
  graph.output(graph.op('Identity', [toDouble(graph, value)], {}, 'y'), 'float64', shape);
}

const crossGraph = perType((graph, type) => {
  const a = graph.input('a', type, ['n', 'p']);
  const b = graph.input('b', type, ['n', 'q']);
  output(graph, graph.op('MatMul', [graph.op('Transpose', [a], { perm: [1, 0] }), b]), ['p', 'q']);
});

/** AᵀB for a: n × p and b: n × q; p × q. */
export async function cross(
  engine: Engine,
  n: number,
  a: Floats,
  b: Floats,
): Promise<Float64Array> {
  const [x, y, type] = alike(a, b);
  const feeds = { a: feed(x, [n, x.length / n]), b: feed(y, [n, y.length / n]) };
  return (await engine.run(crossGraph(type), feeds))['y']!.data as Float64Array;
}

const gramGraph = perType((graph, type) => {
  const a = graph.input('a', type, ['m', 'd']);
  const b = graph.input('b', type, ['n', 'd']);
  output(graph, graph.op('MatMul', [a, graph.op('Transpose', [b], { perm: [1, 0] })]), ['m', 'n']);
});

/** ABᵀ for a: m × d and b: n × d of one element type; m × n. */
export async function gram(engine: Engine, d: number, a: Floats, b: Floats): Promise<Float64Array> {
  const feeds = { a: feed(a, [a.length / d, d]), b: feed(b, [b.length / d, d]) };
  return (await engine.run(gramGraph(typeOf(a)), feeds))['y']!.data as Float64Array;
}

function squaredDistances(graph: GraphBuilder, a: Value, b: Value): Value {
  const norm = (x: Value) =>
    graph.op('ReduceSum', [graph.op('Mul', [x, x]), graph.ints(1)], { keepdims: 1 });
  const transposed = (x: Value) => graph.op('Transpose', [x], { perm: [1, 0] });
  const product = graph.op('MatMul', [a, transposed(b)]);
  const norms = graph.op('Add', [norm(a), transposed(norm(b))]);
  const distances = graph.op('Sub', [norms, graph.op('Add', [product, product])]);
  // Rounding may push the distance between copies below zero.
  return graph.op('Relu', [distances]);
}

const distanceGraph = perType((graph, type) => {
  const a = graph.input('a', type, ['m', 'd']);
  const b = graph.input('b', type, ['n', 'd']);
  output(graph, squaredDistances(graph, a, b), ['m', 'n']);
});

/** Squared Euclidean distances between rows of a: m × d and b: n × d of one element type; m × n. */
export async function distances(
  engine: Engine,
  d: number,
  a: Floats,
  b: Floats,
): Promise<Float64Array> {
  const feeds = { a: feed(a, [a.length / d, d]), b: feed(b, [b.length / d, d]) };
  return (await engine.run(distanceGraph(typeOf(a)), feeds))['y']!.data as Float64Array;
}

const nearestGraph = perType((graph, type) => {
  const a = graph.input('a', type, ['m', 'd']);
  const b = graph.input('b', type, ['n', 'd']);
  const k = graph.input('k', 'int64', [1]);
  const [values, indices] = graph.ops(
    'TopK',
    [squaredDistances(graph, a, b), k],
    { largest: 0, axis: 1 },
    2,
  ) as [Value, Value];
  output(graph, values, ['m', 'k']);
  graph.output(graph.op('Identity', [indices], {}, 'i'), 'int64', ['m', 'k']);
});

/** The k rows of b: n × d nearest to each row of a: m × d, as indices, nearest first; m × k. */
export async function nearest(
  engine: Engine,
  d: number,
  a: Floats,
  b: Floats,
  k: number,
): Promise<BigInt64Array> {
  const feeds = {
    a: feed(a, [a.length / d, d]),
    b: feed(b, [b.length / d, d]),
    k: { dtype: 'int64', dims: [1], data: BigInt64Array.of(BigInt(k)) } as const,
  };
  return (await engine.run(nearestGraph(typeOf(a)), feeds))['i']!.data as BigInt64Array;
}

const dotsGraph = perType((graph, type) => {
  const a = graph.input('a', type, ['p', 'm']);
  const b = graph.input('b', type, ['q', 'm']);
  graph.output(graph.op('Gemm', [a, b], { transB: 1 }, 'y'), type, ['p', 'q']);
});

/** All inner products of p vectors with q vectors of length m, in float64; p × q. */
export async function dots(
  engine: Engine,
  m: number,
  a: Float64Array,
  b: Float64Array,
): Promise<Float64Array> {
  const feeds = { a: feed(a, [a.length / m, m]), b: feed(b, [b.length / m, m]) };
  return (await engine.run(dotsGraph('float64'), feeds))['y']!.data as Float64Array;
}
