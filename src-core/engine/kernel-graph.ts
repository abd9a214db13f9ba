import { GraphBuilder, type Value } from '../onnx/graph-builder.ts';
import type { Floats } from '../tensor/matrix.ts';
import type { Engine, Feeds, FeedTensor } from './device-engine.ts';
import { DeviceMatrix, type Operand } from './device-matrix.ts';

// What kernels share: graphs by element type, with symbolic shapes, so that one graph serves every
// size; each is built when first used.

export type Real = 'float32' | 'float64';

export const typeOf = (data: Operand): Real =>
  data instanceof DeviceMatrix ? data.dtype : data instanceof Float64Array ? 'float64' : 'float32';

/** The wider of two element types. */
export const wider = (a: Real, b: Real): Real => (a === b ? a : 'float64');

/** A matrix as a graph's input; a device's own shape stands as it is. */
export const feed = (data: Operand, dims: readonly number[]): FeedTensor | DeviceMatrix =>
  data instanceof DeviceMatrix ? data : { dtype: typeOf(data), dims, data };

/** A scalar input. */
export const scalar = (type: Real, value: number): FeedTensor => ({
  dtype: type,
  dims: [],
  data: type === 'float64' ? Float64Array.of(value) : Float32Array.of(value),
});

/** Rows of a matrix that is `d` wide. */
export const rowsOf = (data: Operand, d: number): number =>
  data instanceof DeviceMatrix ? data.rows : data.length / d;

export const floats = (type: Real, length: number): Floats =>
  type === 'float64' ? new Float64Array(length) : new Float32Array(length);

/**
 * Run a graph over the rows of a: m × d and b: n × d whose only output, m × n, is written to
 * `target`.
 */
export async function runRows(
  engine: Engine,
  graph: (left: Real, right: Real, to: Real) => Uint8Array,
  d: number,
  [a, b]: readonly [Operand, Operand],
  target: Floats,
  more: Feeds = {},
): Promise<void> {
  const [m, n] = [rowsOf(a, d), rowsOf(b, d)];
  await engine.run(
    graph(typeOf(a), typeOf(b), typeOf(target)),
    { a: feed(a, [m, d]), b: feed(b, [n, d]), ...more },
    { y: { data: target, dims: [m, n] } },
  );
}

/** A graph for each list of arguments, e.g. element types, built when first used. */
export function graphOf<A extends readonly (string | number)[]>(
  build: (graph: GraphBuilder, ...args: A) => void,
): (...args: A) => Uint8Array {
  const built = new Map<string, Uint8Array>();
  return (...args) => {
    const key = args.join(' ');
    let bytes = built.get(key);
    if (bytes === undefined) {
      const graph = new GraphBuilder('kernel');
      build(graph, ...args);
      bytes = graph.finish();
      built.set(key, bytes);
    }
    return bytes;
  };
}

/** `value` of type `from` in type `to`. */
export const cast = (graph: GraphBuilder, value: Value, from: Real, to: Real): Value =>
  from === to ? value : graph.op('Cast', [value], { to: { to } });

/** Make `value` an output called `name`. */
export const output = (
  graph: GraphBuilder,
  value: Value,
  [from, to]: readonly [Real, Real],
  shape: readonly string[],
  name = 'y',
): void => {
  const named =
    from === to
      ? graph.op('Identity', [value], {}, name)
      : graph.op('Cast', [value], { to: { to } }, name);
  graph.output(named, to, shape);
};
