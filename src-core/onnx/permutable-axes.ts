import type { OnnxGraph, OnnxNode, OnnxTensor } from './outline.ts';

/** An axis of a tensor that follows the units of a hidden layer. */
export interface TiedAxis {
  readonly tensor: string;
  readonly axis: number;
  /** Index into {@link PermutableUnits.layers}. */
  readonly layer: number;
  /** Neighbouring places of the axis that belong to one unit: pixels of a flattened channel. */
  readonly inner: number;
}

/** Where a layer's units enter the next one. */
export interface TapPoint {
  readonly value: string;
  readonly layer: number;
  /** Axes behind that of the units. */
  readonly trailing: number;
  readonly inner: number;
}

/** Hidden units of a network that may be put in another order without a change of its function. */
export interface PermutableUnits {
  readonly layers: readonly { readonly name: string; readonly units: number }[];
  readonly axes: readonly TiedAxis[];
  readonly points: readonly TapPoint[];
  /** What keeps units of other layers where they are, e.g. `Concat`. */
  readonly obstacles: readonly string[];
  /** Whether running statistics follow units: mixed weights have statistics of their own. */
  readonly batchNorm: boolean;
}

/** A value whose units are those of a layer. */
interface Carrier {
  units: number;
  trailing: number;
  /** Undefined after flattening, until a weight says how many pixels there were. */
  inner: number | undefined;
  /** Axes of the value, where known. */
  rank: number | undefined;
}

const unary = new Set(
  'Relu LeakyRelu Elu Selu Celu ThresholdedRelu HardSigmoid HardSwish Sigmoid Tanh Gelu Mish Softplus Softsign Erf Exp Log Sqrt Abs Neg Reciprocal Ceil Floor Sign Clip Identity Dropout Cast'.split(
    ' ',
  ),
);
const elementwise = new Set('Add Sub Mul Div Pow Max Min Sum Mean PRelu'.split(' '));
const pools = new Set(
  'MaxPool AveragePool LpPool GlobalAveragePool GlobalMaxPool GlobalLpPool'.split(' '),
);

/** Names that a node reads, those of its bodies included. */
function reads(node: OnnxNode): string[] {
  return [...node.inputs, ...node.subgraphs.flatMap((body) => body.nodes.flatMap(reads))];
}

/**
 * Follows units through a graph of linear layers (Gemm, MatMul, Conv), elementwise functions, sums
 * of layers (whose units then move together), pooling, flattening and normalisation. Whatever else
 * a layer's units meet keeps them in their order, and so does leaving the graph.
 */
export function permutableUnits(graph: OnnxGraph): PermutableUnits {
  return new UnitWalk(graph).walk();
}

class UnitWalk {
  readonly #graph: OnnxGraph;
  readonly #tensors: ReadonlyMap<string, OnnxTensor>;
  /** Outputs of Constant nodes, which stay as they are. */
  readonly #constants = new Map<string, OnnxTensor>();
  readonly #carriers = new Map<string, Carrier>();
  /** Layers that have become one have one root. */
  readonly #parents: number[] = [];
  readonly #layers: { name: string; units: number; fixed: boolean }[] = [];
  readonly #axes: TiedAxis[] = [];
  readonly #points: TapPoint[] = [];
  readonly #obstacles = new Set<string>();
  /** How often each tensor is used, and how often in a way that is understood. */
  readonly #uses = new Map<string, { all: number; understood: number }>();
  #batchNorm = false;

  constructor(graph: OnnxGraph) {
    this.#graph = graph;
    this.#tensors = new Map(graph.initializers.map((tensor) => [tensor.name, tensor]));
  }

  walk(): PermutableUnits {
    for (const node of this.#graph.nodes) {
      for (const name of reads(node)) {
        if (this.#tensors.has(name)) this.#use(name).all += 1;
      }
      this.#visit(node);
    }
    for (const { name } of this.#graph.outputs) {
      const carrier = this.#carriers.get(name);
      if (carrier) this.#fix(carrier.units);
    }
    for (const { tensor, layer } of this.#axes) {
      const { all, understood } = this.#use(tensor);
      if (all > understood) this.#fix(layer, `another use of ${tensor}`);
    }
    return this.#result();
  }

  #result(): PermutableUnits {
    const free = [...this.#layers.keys()].filter(
      (at) => this.#root(at) === at && !this.#layers[at]!.fixed && this.#layers[at]!.units > 1,
    );
    const position = new Map(free.map((from, to) => [from, to]));
    const kept = <T extends { layer: number }>(items: readonly T[]): T[] =>
      items.flatMap((item) => {
        const layer = position.get(this.#root(item.layer));
        return layer === undefined ? [] : [{ ...item, layer }];
      });
    return {
      layers: free.map((at) => ({ name: this.#layers[at]!.name, units: this.#layers[at]!.units })),
      axes: kept(this.#axes),
      points: kept(this.#points),
      obstacles: [...this.#obstacles],
      batchNorm: this.#batchNorm,
    };
  }

  #use(tensor: string): { all: number; understood: number } {
    let use = this.#uses.get(tensor);
    if (use === undefined) this.#uses.set(tensor, (use = { all: 0, understood: 0 }));
    return use;
  }

  #root(layer: number): number {
    let root = layer;
    while (this.#parents[root] !== root) root = this.#parents[root]!;
    return root;
  }

  /** Keep a layer's units where they are. */
  #fix(layer: number, reason?: string): void {
    const found = this.#layers[this.#root(layer)]!;
    if (!found.fixed && reason !== undefined) this.#obstacles.add(reason);
    found.fixed = true;
  }

  /** Units of both layers move together from here on. */
  #unite(first: number, second: number): void {
    const [a, b] = [this.#root(first), this.#root(second)];
    if (a === b) return;
    const [low, high] = a < b ? [a, b] : [b, a];
    this.#parents[high] = low;
    this.#layers[low]!.fixed ||= this.#layers[high]!.fixed;
  }

  #newLayer(name: string, units: number): number {
    this.#layers.push({ name, units, fixed: false });
    this.#parents.push(this.#parents.length);
    return this.#layers.length - 1;
  }

  #tie(tensor: string, axis: number, layer: number, inner: number): void {
    const twin = this.#axes.find((tied) => tied.tensor === tensor && tied.axis === axis);
    if (twin === undefined) this.#axes.push({ tensor, axis, layer, inner });
    else if (twin.inner === inner && this.#unitsOf(twin.layer) === this.#unitsOf(layer)) {
      this.#unite(twin.layer, layer);
    } else {
      this.#fix(twin.layer, `two uses of ${tensor}`);
      this.#fix(layer, `two uses of ${tensor}`);
    }
  }

  #unitsOf(layer: number): number {
    return this.#layers[this.#root(layer)]!.units;
  }

  #visit(node: OnnxNode): void {
    const { op, inputs, outputs } = node;
    const output = outputs[0] ?? '';
    const carrier = this.#carriers.get(inputs[0] ?? '');
    if (op === 'Constant') {
      const value = node.tensors.get('value');
      if (value) this.#constants.set(output, value);
      return;
    }
    const carried = this.#apply(node, carrier, output);
    if (carried === 'unknown') this.#stop(node);
    else if (carried) this.#carriers.set(output, carried);
  }

  /** An operator that units cannot be followed through. */
  #stop(node: OnnxNode): void {
    for (const name of reads(node)) {
      const carrier = this.#carriers.get(name);
      if (carrier) this.#fix(carrier.units, node.op);
    }
  }

  #apply(
    node: OnnxNode,
    carrier: Carrier | undefined,
    output: string,
  ): Carrier | undefined | 'unknown' {
    const { op } = node;
    if (op === 'Gemm' || op === 'MatMul') return this.#product(node, carrier, output);
    if (op === 'Conv') return this.#convolution(node, carrier, output);
    if (elementwise.has(op)) return this.#combined(node);
    if (carrier === undefined) {
      // Untouched by hidden units, unless a later input is.
      return node.inputs.some((name) => this.#carriers.has(name)) ? 'unknown' : undefined;
    }
    if (unary.has(op)) return carrier;
    if (pools.has(op)) return carrier.trailing > 0 ? carrier : 'unknown';
    if (op === 'BatchNormalization') return this.#normalised(node, carrier);
    if (op === 'LayerNormalization') {
      const axis = node.ints.get('axis')?.[0] ?? -1;
      const last = axis === -1 || (carrier.rank !== undefined && axis === carrier.rank - 1);
      return carrier.trailing === 0 && last ? this.#combined(node) : 'unknown';
    }
    if (op === 'Softmax' || op === 'LogSoftmax') {
      const axis = node.ints.get('axis')?.[0] ?? -1;
      const last = axis === -1 || (carrier.rank !== undefined && axis === carrier.rank - 1);
      return carrier.trailing === 0 && last ? carrier : 'unknown';
    }
    if (op === 'Flatten') {
      return (node.ints.get('axis')?.[0] ?? 1) === 1 ? this.#flattened(carrier) : 'unknown';
    }
    if (op === 'Reshape') {
      const shape = this.#ints(node.inputs[1]);
      return shape?.length === 2 && shape[0] !== shape[1] ? this.#flattened(carrier) : 'unknown';
    }
    if (op === 'Squeeze' || op === 'ReduceMean') return this.#reduced(node, carrier);
    return 'unknown';
  }

  #ints(name: string | undefined): number[] | undefined {
    if (name === undefined) return undefined;
    return this.#tensors.get(name)?.ints ?? this.#constants.get(name)?.ints;
  }

  /** Ties the axis of a weight that takes a value's units; false where they do not fit. */
  #enter(value: string, carrier: Carrier, weight: OnnxTensor, axis: number): boolean {
    const units = this.#unitsOf(carrier.units);
    const inner = weight.shape[axis]! / units;
    if (!Number.isInteger(inner) || (carrier.inner !== undefined && carrier.inner !== inner)) {
      return false;
    }
    this.#tie(weight.name, axis, carrier.units, inner);
    this.#points.push({ value, layer: carrier.units, trailing: carrier.trailing, inner });
    return true;
  }

  #product(node: OnnxNode, carrier: Carrier | undefined, output: string): Carrier | 'unknown' {
    const [x = '', w = '', bias] = node.inputs;
    const weight = this.#tensors.get(w);
    const flag = (name: string) => (node.ints.get(name)?.[0] ?? 0) !== 0;
    if (weight?.shape.length !== 2 || flag('transA') || this.#tensors.has(x)) return 'unknown';
    const to = flag('transB') ? 0 : 1;
    if (carrier && (carrier.trailing > 0 || !this.#enter(x, carrier, weight, 1 - to))) {
      return 'unknown';
    }
    const units = this.#newLayer(output, weight.shape[to]!);
    this.#tie(w, to, units, 1);
    this.#use(w).understood += 1;
    const rank = node.op === 'Gemm' ? 2 : carrier?.rank;
    const made: Carrier = { units, trailing: 0, inner: 1, rank };
    if (bias !== undefined && bias !== '' && node.op === 'Gemm') this.#spread(bias, made, 'Gemm');
    return made;
  }

  #convolution(
    node: OnnxNode,
    carrier: Carrier | undefined,
    output: string,
  ): Carrier | undefined | 'unknown' {
    const [x = '', w = '', bias] = node.inputs;
    const weight = this.#tensors.get(w);
    if (!weight || weight.shape.length < 3) return 'unknown';
    const trailing = weight.shape.length - 2;
    const group = node.ints.get('group')?.[0] ?? 1;
    if (carrier && (carrier.trailing !== trailing || carrier.inner !== 1)) return 'unknown';
    let made: Carrier;
    if (group === 1) {
      if (carrier && !this.#enter(x, carrier, weight, 1)) return 'unknown';
      const units = this.#newLayer(output, weight.shape[0]!);
      made = { units, trailing, inner: 1, rank: trailing + 2 };
    } else if (group === weight.shape[0] && weight.shape[1] === 1) {
      // One filter a channel: it goes where its channel goes.
      if (!carrier || this.#unitsOf(carrier.units) !== group)
        return carrier ? 'unknown' : undefined;
      made = carrier;
    } else {
      return 'unknown';
    }
    this.#tie(w, 0, made.units, 1);
    this.#use(w).understood += 1;
    if (bias !== undefined && bias !== '') {
      if (this.#tensors.has(bias)) {
        this.#tie(bias, 0, made.units, 1);
        this.#use(bias).understood += 1;
      } else {
        this.#fix(made.units, 'Conv with a computed bias');
      }
    }
    return made;
  }

  /** A tensor that is broadcast over a value: tied where it has an entry for each unit. */
  #spread(name: string, carrier: Carrier, op: string): void {
    const stored = this.#tensors.get(name);
    const shape = (stored ?? this.#constants.get(name))?.shape;
    if (shape === undefined) {
      this.#fix(carrier.units, `${op} of a computed value`);
      return;
    }
    const axis = shape.length - 1 - carrier.trailing;
    const size = axis < 0 ? 1 : shape[axis]!;
    if (stored) this.#use(name).understood += 1;
    if (size === 1) return;
    const units = this.#unitsOf(carrier.units);
    const leading = shape.slice(0, axis).every((dimension) => dimension === 1);
    const inner = size / units;
    const fits = carrier.inner === undefined ? Number.isInteger(inner) : carrier.inner === inner;
    if (stored && leading && fits) this.#tie(name, axis, carrier.units, inner);
    else this.#fix(carrier.units, `${op} of a constant for each unit`);
  }

  /** Elementwise functions of several values: units at the same place move together. */
  #combined(node: OnnxNode): Carrier | undefined | 'unknown' {
    const carriers = node.inputs.flatMap((name) => this.#carriers.get(name) ?? []);
    const [first, ...others] = carriers;
    if (first === undefined) return undefined;
    const known = (name: string) => this.#tensors.has(name) || this.#constants.has(name);
    if (node.inputs.some((name) => name !== '' && !this.#carriers.has(name) && !known(name))) {
      // A value of other making, the input among them, meets units by their place.
      return 'unknown';
    }
    const alike = others.every(
      (other) =>
        other.trailing === first.trailing &&
        other.inner === first.inner &&
        this.#unitsOf(other.units) === this.#unitsOf(first.units),
    );
    if (!alike) return 'unknown';
    for (const other of others) this.#unite(first.units, other.units);
    for (const name of node.inputs) if (known(name)) this.#spread(name, first, node.op);
    return { ...first, rank: Math.max(...carriers.map(({ rank }) => rank ?? NaN)) || undefined };
  }

  #normalised(node: OnnxNode, carrier: Carrier): Carrier | 'unknown' {
    const channels = carrier.trailing > 0 || carrier.rank === 2;
    const tensors = node.inputs.slice(1, 5);
    if (!channels || carrier.inner !== 1 || !tensors.every((name) => this.#tensors.has(name))) {
      return 'unknown';
    }
    for (const name of tensors) {
      this.#tie(name, 0, carrier.units, 1);
      this.#use(name).understood += 1;
    }
    this.#batchNorm = true;
    return carrier;
  }

  #flattened(carrier: Carrier): Carrier | 'unknown' {
    if (carrier.trailing > 0) return { ...carrier, trailing: 0, inner: undefined, rank: 2 };
    return carrier.rank === 2 ? carrier : 'unknown';
  }

  /** All pixels of a channel made one: a mean over them, or the loss of axes of size 1. */
  #reduced(node: OnnxNode, carrier: Carrier): Carrier | 'unknown' {
    const { trailing, rank } = carrier;
    if (trailing === 0 || rank === undefined) return 'unknown';
    const axes = node.ints.get('axes') ?? this.#ints(node.inputs[1]);
    const behind = new Set(axes?.map((axis) => (axis < 0 ? axis + rank : axis)));
    if (behind.size !== trailing || [...behind].some((axis) => axis < 2)) return 'unknown';
    const keeps = node.op === 'ReduceMean' && (node.ints.get('keepdims')?.[0] ?? 1) !== 0;
    return keeps ? carrier : { ...carrier, trailing: 0, inner: 1, rank: rank - trailing };
  }
}
