import type { Floats } from '../tensor/matrix.ts';
import type { Engine, FeedTensor, OutputTensor } from './device-engine.ts';
import type { Operand } from './device-matrix.ts';
import { feed, graphOf, rowsOf, typeOf, type Real } from './kernel-graph.ts';

// Sums over blocks of rows with the class of each, in the rows' own element type; callers add blocks
// up in float64.

/** The same numbers in the element type of a block. */
const as = (type: Real, data: Float64Array): Floats =>
  type === 'float64' ? data : Float32Array.from(data);

const classFeed = (classes: Int32Array): FeedTensor => ({
  dtype: 'int32',
  dims: [classes.length],
  data: classes,
});

const floatsOf = (tensor: OutputTensor | undefined) => tensor!.data as Floats;

/** Rows less the mean of their class: what is added up of them. */
const withinGraph = graphOf((graph, type: Real, projected: 'whole' | 'projected') => {
  const x = graph.input('x', type, ['n', 'd']);
  const y = graph.input('y', 'int32', ['n']);
  const means = graph.input('means', type, ['c', 'd']);
  const rest = graph.op('Sub', [x, graph.op('Gather', [means, y])]);
  const squares = (axis: number, value: typeof rest, name: string) =>
    graph.op('ReduceSumSquare', [value, graph.ints(axis)], { keepdims: 0 }, name);
  graph.output(squares(1, rest, 'squares'), type, ['n']);
  if (projected === 'projected') {
    const basis = graph.input('basis', type, ['r', 'd']);
    const along = graph.op('Gemm', [rest, basis], { transB: 1 });
    graph.output(squares(0, along, 'scatter'), type, ['r']);
  } else {
    graph.output(graph.op('Gemm', [rest, rest], { transA: 1 }, 'scatter'), type, ['d', 'd']);
  }
});

export interface WithinBlock {
  /** Squared distance of each row to the mean of its class; n. */
  squares: Floats;
  /** RᵀR of the rows less their means R; d × d. With a basis V, its squared columns of RVᵀ; r. */
  scatter: Floats;
}

/**
 * Scatter of rows about the means of their classes, in the rows' own element type.
 * @param x n × d, with the class of each row in `classes`
 * @param means C × d
 * @param basis r × d: only the scatter along its rows
 */
export async function withinScatter(
  engine: Engine,
  d: number,
  x: Operand,
  classes: Int32Array,
  means: Float64Array,
  basis?: Float64Array,
): Promise<WithinBlock> {
  const type = typeOf(x);
  const { squares, scatter } = await engine.run(withinGraph(type, basis ? 'projected' : 'whole'), {
    x: feed(x, [classes.length, d]),
    y: classFeed(classes),
    means: feed(as(type, means), [means.length / d, d]),
    ...(basis ? { basis: feed(as(type, basis), [basis.length / d, d]) } : {}),
  });
  return { squares: floatsOf(squares), scatter: floatsOf(scatter) };
}

const decisionGraph = graphOf((graph, type: Real) => {
  const x = graph.input('x', type, ['n', 'd']);
  const best = (rows: typeof x, weights: string, offsets: string) => {
    const w = graph.input(weights, type, ['c', 'd']);
    const b = graph.input(offsets, type, ['c']);
    const score = graph.op('Gemm', [rows, w, b], { transB: 1 });
    return graph.op('ArgMax', [score], { axis: 1, keepdims: 0 });
  };
  const linear = best(x, 'w', 'b');
  const shifted = graph.op('Sub', [x, graph.input('shift', type, ['d'])]);
  const nearest = best(shifted, 'm', 'h');
  const differ = graph.op('Not', [graph.op('Equal', [linear, nearest])]);
  const counted = graph.op('Cast', [differ], { to: { to: 'int32' } });
  graph.output(
    graph.op('ReduceSum', [counted, graph.ints(0)], { keepdims: 0 }, 'differ'),
    'int32',
    [],
  );
});

export interface Decisions {
  /** Linear classifier: C × d weights and C offsets. */
  weights: Float64Array;
  bias: Float64Array;
  /** Class means less `shift`, C × d. */
  centres: Float64Array;
  shift: Float64Array;
}

/**
 * For how many rows of x: n × d the class of highest score ⟨w, x⟩ + b is not that of the nearest
 * centre. Of equal scores the first class counts.
 */
export async function disagreements(
  engine: Engine,
  d: number,
  x: Operand,
  { weights, bias, centres, shift }: Decisions,
): Promise<number> {
  const type = typeOf(x);
  const classes = bias.length;
  // The nearest centre m is the one of largest ⟨m, x⟩ − ‖m‖²/2.
  const halves = bias.map((_, at) => {
    let squares = 0;
    for (const value of centres.subarray(at * d, (at + 1) * d)) squares += value * value;
    return -squares / 2;
  });
  const { differ } = await engine.run(decisionGraph(type), {
    x: feed(x, [rowsOf(x, d), d]),
    w: feed(as(type, weights), [classes, d]),
    b: feed(as(type, bias), [classes]),
    shift: feed(as(type, shift), [d]),
    m: feed(as(type, centres), [classes, d]),
    h: feed(as(type, halves), [classes]),
  });
  return Number(differ!.data[0]);
}
