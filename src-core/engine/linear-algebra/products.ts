import { GraphBuilder } from '../../onnx/graph-builder.ts';
import { createEngine, type Engine, type FeedTensor } from '../device-engine.ts';
import { callBudget } from '../call-budget.ts';

// Products in float64 run on onnxruntime's processor kernels, whichever device the analyses use:
// accelerators that it reaches have no float64 or little of it.

let engine: Promise<Engine> | undefined;
const cpu = () => (engine ??= createEngine('cpu'));

const feed = (data: Float64Array, rows: number): FeedTensor => ({
  dtype: 'float64',
  dims: [rows, data.length / rows],
  data,
});

function graphOf(build: (graph: GraphBuilder) => void): () => Uint8Array {
  let bytes: Uint8Array | undefined;
  return () => {
    if (bytes === undefined) {
      const graph = new GraphBuilder('product');
      build(graph);
      bytes = graph.finish();
    }
    return bytes;
  };
}

const productGraph = graphOf((graph) => {
  const a = graph.input('a', 'float64', ['m', 'k']);
  const b = graph.input('b', 'float64', ['k', 'n']);
  graph.output(graph.op('MatMul', [a, b], {}, 'y'), 'float64', ['m', 'n']);
});

const innerGraph = graphOf((graph) => {
  const a = graph.input('a', 'float64', ['m', 'k']);
  const b = graph.input('b', 'float64', ['n', 'k']);
  graph.output(graph.op('Gemm', [a, b], { transB: 1 }, 'y'), 'float64', ['m', 'n']);
});

const reflectGraph = graphOf((graph) => {
  const v = graph.input('v', 'float64', ['k', 'm']);
  const t = graph.input('t', 'float64', ['k', 'k']);
  const x = graph.input('x', 'float64', ['m', 'n']);
  const inner = graph.op('MatMul', [t, graph.op('MatMul', [v, x])]);
  const turned = graph.op('Gemm', [v, inner, x], { transA: 1, alpha: { float: -1 } }, 'y');
  graph.output(turned, 'float64', ['m', 'n']);
});

const reflectRowsGraph = graphOf((graph) => {
  const v = graph.input('v', 'float64', ['k', 'm']);
  const t = graph.input('t', 'float64', ['k', 'k']);
  const x = graph.input('x', 'float64', ['n', 'm']);
  const across = graph.op('Gemm', [x, v], { transB: 1 });
  const inner = graph.op('Gemm', [across, t], { transB: 1 });
  graph.output(graph.op('Gemm', [inner, v, x], { alpha: { float: -1 } }, 'y'), 'float64', [
    'n',
    'm',
  ]);
});

async function run(graph: Uint8Array, feeds: Record<string, FeedTensor>): Promise<Float64Array> {
  return (await (await cpu()).run(graph, feeds))['y']!.data as Float64Array;
}

/** A·B for A: m × k and B: k × n, given to `take` in blocks of rows: their values and the first row. */
export async function product(
  a: Float64Array,
  b: Float64Array,
  m: number,
  k: number,
  take: (rows: Float64Array, first: number) => Promise<void> | void,
): Promise<void> {
  const size = Math.max(16, Math.floor(callBudget / b.length));
  for (let first = 0; first < m; first += size) {
    const rows = Math.min(size, m - first);
    const part = a.subarray(first * k, (first + rows) * k);
    await take(await run(productGraph(), { a: feed(part, rows), b: feed(b, k) }), first);
  }
}

/** AAᵀ for A of m rows. */
export async function rowGram(a: Float64Array, m: number): Promise<Float64Array> {
  const k = a.length / m;
  const size = Math.max(16, Math.floor(callBudget / a.length));
  const result = new Float64Array(m * m);
  for (let first = 0; first < m; first += size) {
    const rows = Math.min(size, m - first);
    const part = a.subarray(first * k, (first + rows) * k);
    result.set(await run(innerGraph(), { a: feed(part, rows), b: feed(a, m) }), first * m);
  }
  return result;
}

/** X − VᵀTVX for V: k × m, T: k × k and X: m × n. */
export function reflected(
  v: Float64Array,
  t: Float64Array,
  x: Float64Array,
  k: number,
  m: number,
): Promise<Float64Array> {
  return run(reflectGraph(), { v: feed(v, k), t: feed(t, k), x: feed(x, m) });
}

/** X ← X − X·VᵀTᵀV for X: n × m, V: k × m and T: k × k. */
export async function reflectedRows(
  x: Float64Array,
  v: Float64Array,
  t: Float64Array,
  n: number,
  k: number,
  m: number,
): Promise<void> {
  const size = Math.max(16, Math.floor(callBudget / (k * m)));
  for (let first = 0; first < n; first += size) {
    const rows = Math.min(size, n - first);
    const part = x.subarray(first * m, (first + rows) * m);
    part.set(await run(reflectRowsGraph(), { v: feed(v, k), t: feed(t, k), x: feed(part, rows) }));
  }
}
