import type { Value } from '../onnx/graph-builder.ts';
import type { Floats } from '../tensor/matrix.ts';
import type { Engine } from './device-engine.ts';
import type { Operand } from './device-matrix.ts';
import {
  cast,
  feed,
  floats,
  graphOf,
  output,
  rowsOf,
  runRows,
  typeOf,
  wider,
  type Real,
} from './kernel-graph.ts';

// Products of blocks of rows. Two element types are multiplied in the wider one.

const crossGraph = graphOf((graph, left: Real, right: Real, to: Real) => {
  const type = wider(left, right);
  const a = cast(graph, graph.input('a', left, ['n', 'p']), left, type);
  const b = cast(graph, graph.input('b', right, ['n', 'q']), right, type);
  output(graph, graph.op('Gemm', [a, b], { transA: 1 }), [type, to], ['p', 'q']);
});

/** AᵀB for a: n × p and b: n × q; p × q, in float64. */
export async function cross(
  engine: Engine,
  n: number,
  a: Operand,
  b: Operand,
): Promise<Float64Array> {
  const [p, q] = [columnsOf(a, n), columnsOf(b, n)];
  const sum = new Float64Array(p * q);
  await crossInto(engine, n, a, b, sum);
  return sum;
}

/** {@link cross} written to `target` in its element type; p·q values. */
async function crossInto(
  engine: Engine,
  n: number,
  a: Operand,
  b: Operand,
  target: Floats,
): Promise<void> {
  const [p, q] = [columnsOf(a, n), columnsOf(b, n)];
  await engine.run(
    crossGraph(typeOf(a), typeOf(b), typeOf(target)),
    { a: feed(a, [n, p]), b: feed(b, [n, q]) },
    { y: { data: target, dims: [p, q] } },
  );
}

const columnsOf = (data: Operand, n: number) =>
  'columns' in data ? data.columns : data.length / n;

const gramGraph = graphOf((graph, left: Real, right: Real, to: Real) => {
  const type = wider(left, right);
  const a = cast(graph, graph.input('a', left, ['m', 'd']), left, type);
  const b = cast(graph, graph.input('b', right, ['n', 'd']), right, type);
  output(graph, graph.op('Gemm', [a, b], { transB: 1 }), [type, to], ['m', 'n']);
});

/** ABᵀ for a: m × d and b: n × d; m × n, in float64. */
export async function gram(
  engine: Engine,
  d: number,
  a: Operand,
  b: Operand,
): Promise<Float64Array> {
  const product = new Float64Array(rowsOf(a, d) * rowsOf(b, d));
  await gramInto(engine, d, a, b, product);
  return product;
}

/** {@link gram} written to `target` in its element type; m·n values. */
export const gramInto = (
  engine: Engine,
  d: number,
  a: Operand,
  b: Operand,
  target: Floats,
): Promise<void> => runRows(engine, gramGraph, d, [a, b], target);

/** All inner products of p vectors with q vectors of length m, in their element type; p × q. */
export async function dots(engine: Engine, m: number, a: Operand, b: Operand): Promise<Floats> {
  const products = floats(wider(typeOf(a), typeOf(b)), rowsOf(a, m) * rowsOf(b, m));
  await gramInto(engine, m, a, b, products);
  return products;
}

/** Columns of a panel of a symmetric product: narrow enough that the half left out counts. */
const panelColumns = 256;
const mostPanels = 6;

const symmetricGraph = graphOf((graph, type: Real, count: number) => {
  const a = graph.input('a', type, ['n', 'p']);
  const panels: Value[] = graph.ops('Split', [a], { axis: 1, num_outputs: count }, count);
  panels.forEach((left, i) =>
    panels.slice(i).forEach((right, offset) => {
      const product = graph.op('Gemm', [left, right], { transA: 1 });
      output(graph, product, [type, type], [`p${i}`, `p${i + offset}`], `y${i}_${i + offset}`);
    }),
  );
});

/** A block of the product: what the kernel writes, and the sum over blocks of rows. */
interface Panel {
  name: string;
  dims: readonly [number, number];
  part: Floats;
  sum: Float64Array;
  /** 2 where the block stands for its mirror image too. */
  weight: 1 | 2;
}

/**
 * AᵀB, p × q, added up in float64 over blocks of rows; AᵀA by its upper half where `q` is absent.
 */
export class CrossSum {
  readonly #engine: Engine;
  readonly #p: number;
  readonly #q: number | undefined;
  #panels: Panel[] | undefined;

  constructor(engine: Engine, p: number, q?: number) {
    this.#engine = engine;
    this.#p = p;
    this.#q = q;
  }

  /** Bytes that a sum of float32 products takes. */
  static bytes(p: number, q = p): number {
    return 12 * p * q;
  }

  /** Take in n rows of A, and of B where it is another matrix. */
  async add(n: number, a: Operand, b?: Operand): Promise<void> {
    const type = b === undefined ? typeOf(a) : wider(typeOf(a), typeOf(b));
    this.#panels ??= this.#q === undefined ? this.#symmetric(type) : [this.#whole(type, this.#q)];
    if (b === undefined) {
      const into = Object.fromEntries(
        this.#panels.map(({ name, dims, part }) => [name, { data: part, dims }] as const),
      );
      const graph = symmetricGraph(type, this.#count());
      await this.#engine.run(graph, { a: feed(a, [n, this.#p]) }, into);
    } else {
      await crossInto(this.#engine, n, a, b, this.#panels[0]!.part);
    }
    for (const { part, sum } of this.#panels) {
      for (let at = 0; at < sum.length; at++) sum[at]! += part[at]!;
    }
  }

  /** ‖AᵀB‖²_F of all rows so far. */
  squaredNorm(): number {
    let norm = 0;
    for (const { sum, weight } of this.#panels ?? []) {
      let part = 0;
      for (const value of sum) part += value * value;
      norm += weight * part;
    }
    return norm;
  }

  /** Lower triangle of AᵀA of all rows so far, p × p; zero above it. */
  lowerTriangle(): Float64Array {
    const p = this.#p;
    const matrix = new Float64Array(p * p);
    let [left, top, width] = [0, 0, 0];
    for (const { dims, sum, weight } of this.#panels ?? []) {
      // Panels of one block of rows of the product stand together, the one on the diagonal first.
      if (weight === 1) [left, top, width] = [left + width, left + width, dims[0]];
      for (let column = 0; column < dims[1]; column++) {
        const end = weight === 1 ? column + 1 : dims[0];
        const at = (top + column) * p + left;
        for (let row = 0; row < end; row++) matrix[at + row] = sum[row * dims[1] + column]!;
      }
      top += dims[1];
    }
    return matrix;
  }

  #count(): number {
    return Math.max(1, Math.min(mostPanels, Math.floor(this.#p / panelColumns)));
  }

  #whole(type: Real, q: number): Panel {
    return panel(type, 'y', [this.#p, q], 1);
  }

  #symmetric(type: Real): Panel[] {
    const count = this.#count();
    // As the Split operator deals the columns out: alike, and the last takes what is left.
    const width = Math.ceil(this.#p / count);
    const widths = Array.from({ length: count }, (_, at) => Math.min(width, this.#p - at * width));
    return widths.flatMap((rows, i) =>
      widths.slice(i).map((columns, offset) => {
        const weight = offset === 0 ? 1 : 2;
        return panel(type, `y${i}_${i + offset}`, [rows, columns], weight);
      }),
    );
  }
}

const panel = (type: Real, name: string, dims: [number, number], weight: 1 | 2): Panel => ({
  name,
  dims,
  part: floats(type, dims[0] * dims[1]),
  sum: new Float64Array(dims[0] * dims[1]),
  weight,
});
