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

/**
 * The k rows of b: n × d nearest to each row of a: m × d, nearest first: indices, and squared
 * distances as the kernel's precision has them; m × k each.
 */
export async function nearest(engine: Engine, d: number, a: Floats, b: Floats, k: number) {
  const feeds = {
    a: feed(a, [a.length / d, d]),
    b: feed(b, [b.length / d, d]),
    k: { dtype: 'int64', dims: [1], data: BigInt64Array.of(BigInt(k)) } as const,
  };
  const { y, i } = await engine.run(nearestGraph(typeOf(a)), feeds);
  return { distances: y!.data as Float64Array, indices: i!.data as BigInt64Array };
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

/** Sums over a block M of a kernel matrix with columns of weights A (its rows) and B (its columns). */
const productsGraph = perType((graph, type) => {
  const m = graph.input('m', type, ['a', 'b']);
  const a = graph.input('A', type, ['a', 'k']);
  const b = graph.input('B', type, ['b', 'k']);
  const transposed = graph.op('Transpose', [m], { perm: [1, 0] });
  graph.output(graph.op('MatMul', [m, b], {}, 'down'), type, ['a', 'k']);
  graph.output(graph.op('MatMul', [transposed, a], {}, 'up'), type, ['b', 'k']);
});

const formsGraph = perType((graph, type) => {
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
  const named = (value: Value, name: string) =>
    graph.output(graph.op('Identity', [value], {}, name), type, ['k']);
  named(form(a, byB), 'plain');
  named(graph.op('Add', [form(a, byB2), form(square(a), byB)]), 'mixed');
  named(form(square(a), byB2), 'squared');
});

/** Quadratic forms of resampling weights, k draws at a time; all in float64. */
export const weightedForms = {
  /** M·B and Mᵀ·A for M: a × b with weights A: a × k and B: b × k. */
  async products(engine: Engine, k: number, m: Float64Array, a: Float64Array, b: Float64Array) {
    const shape = [a.length / k, b.length / k];
    const feeds = { m: feed(m, shape), A: feed(a, [shape[0]!, k]), B: feed(b, [shape[1]!, k]) };
    const { down, up } = await engine.run(productsGraph('float64'), feeds);
    return { down: down!.data as Float64Array, up: up!.data as Float64Array };
  },

  /** With W = M∘N, for each draw: αᵀWβ, αᵀWβ² + α²ᵀWβ, and α²ᵀWβ². */
  async pair(
    engine: Engine,
    k: number,
    m: Float64Array,
    n: Float64Array,
    a: Float64Array,
    b: Float64Array,
  ) {
    const shape = [a.length / k, b.length / k];
    const { plain, mixed, squared } = await engine.run(formsGraph('float64'), {
      m: feed(m, shape),
      n: feed(n, shape),
      A: feed(a, [shape[0]!, k]),
      B: feed(b, [shape[1]!, k]),
    });
    return {
      plain: plain!.data as Float64Array,
      mixed: mixed!.data as Float64Array,
      squared: squared!.data as Float64Array,
    };
  },
};
