import type { GraphBuilder, Value } from '../onnx/graph-builder.ts';

/**
 * Nodes of reductions, in operators that all opsets from 11 on share: sums are products with a
 * vector, since ReduceSum takes its axes as an attribute before opset 13 and as an input after.
 */
export class Terms {
  readonly #graph: GraphBuilder;
  readonly #type: 'float32' | 'float64';

  constructor(graph: GraphBuilder, type: 'float32' | 'float64') {
    this.#graph = graph;
    this.#type = type;
  }

  scalar(value: number): Value {
    const data = this.#type === 'float64' ? Float64Array.of(value) : Float32Array.of(value);
    return this.#graph.constant(data, []);
  }

  op(kind: string, ...values: Value[]): Value {
    return this.#graph.op(kind, values);
  }

  shaped(value: Value, ...shape: number[]): Value {
    return this.#graph.op('Reshape', [value, this.#graph.ints(...shape)]);
  }

  /** The value where the mask is 1, and 0 elsewhere: padding may hold NaN. */
  masked(value: Value, mask: Value): Value {
    const isReal = this.#graph.op('Cast', [mask], { to: { to: 'bool' } });
    return this.op('Where', isReal, value, this.scalar(0));
  }

  /** Σ_ij over the last two axes of a value that is 0 where either is padding. */
  total(value: Value, rows: Value, columns: Value): Value {
    return this.op('MatMul', columns, this.op('MatMul', value, rows));
  }

  /** [batch, tokens], the place of each token among the real ones, from 1. */
  places(mask: Value): Value {
    return this.#graph.op('CumSum', [mask, this.#graph.constant(BigInt64Array.of(1n), [])]);
  }

  /** [batch, tokens], 1 for the first real token. */
  first(mask: Value, places: Value): Value {
    return this.op('Mul', mask, this.op('Relu', this.op('Sub', this.scalar(2), places)));
  }
}
