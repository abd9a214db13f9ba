import {
  GraphBuilder,
  type Attribute,
  type ConstantData,
  type OnnxType,
  type Value,
} from '../../onnx/graph-builder.ts';
import { elementCount } from '../../tensor/convert.ts';
import type { LayerInfo, ValueInfo } from '../model.ts';
import {
  asFloat32,
  storedWeight,
  type ArchitecturePlan,
  type Weight,
  type WeightTable,
} from './architecture.ts';

/** A value of a network: what makes it, and from which values. */
export interface Node {
  readonly inputs: readonly Node[];
  readonly emit: (graph: GraphBuilder, inputs: readonly Value[], name?: string) => Value;
  /** Set where the node is a tensor of the checkpoint. */
  readonly weight?: Weight;
  /** Set where the node is an input of the model. */
  readonly input?: ValueInfo;
  /** Set where the value can be captured. */
  name?: string;
}

type Shape = NonNullable<LayerInfo['shape']>;

/**
 * A forward pass, written down once. Planning keeps its named values as layers; a graph for some of
 * them holds the nodes, weights and inputs that these need and no others.
 */
export class Network {
  readonly #label: string;
  readonly #table: WeightTable;
  readonly #nodes: Node[] = [];
  readonly #weights = new Map<string, Node>();
  readonly #counted = new Set<Node>();
  readonly #layers = new Map<Node, LayerInfo>();

  constructor(label: string, table: WeightTable) {
    this.#label = label;
    this.#table = table;
  }

  #add(node: Node): Node {
    this.#nodes.push(node);
    return node;
  }

  input(name: string, dtype: OnnxType, shape: readonly (number | string)[]): Node {
    return this.#add({
      inputs: [],
      input: { name, dtype, shape: [...shape] },
      emit: (graph) => graph.input(name, dtype, shape),
    });
  }

  op(
    op: string,
    inputs: readonly Node[],
    attributes: Readonly<Record<string, Attribute>> = {},
  ): Node {
    return this.#add({
      inputs,
      emit: (graph, values, name) => graph.op(op, values, attributes, name),
    });
  }

  /** Entries `[start, end)` along an axis. */
  slice(value: Node, start: number, end: number, axis: number): Node {
    return this.op('Slice', [value, this.ints(start), this.ints(end), this.ints(axis)]);
  }

  constant(data: ConstantData, shape: readonly number[] = [data.length]): Node {
    return this.#add({ inputs: [], emit: (graph) => graph.constant(data, shape) });
  }

  ints(...values: number[]): Node {
    return this.constant(BigInt64Array.from(values, BigInt));
  }

  scalar(value: number): Node {
    return this.constant(Float32Array.of(value), []);
  }

  /** An int64 scalar. */
  int(value: number): Node {
    return this.constant(BigInt64Array.of(BigInt(value)), []);
  }

  has(name: string): boolean {
    return this.#table.has(name);
  }

  /** A tensor of the checkpoint (the first of the names there is) in its own precision. */
  #stored(names: readonly string[], shape: readonly number[]): { node: Node; weight: Weight } {
    const found = this.#table.find(names, shape);
    let node = this.#weights.get(found.name);
    if (node === undefined) {
      node = this.#add({
        inputs: [],
        weight: found.weight,
        emit: (graph) => storedWeight(graph, found),
      });
      this.#weights.set(found.name, node);
    }
    return { node, weight: found.weight };
  }

  #asFloat32(value: Node, weight: Weight): Node {
    if (weight.dtype === 'float32') return value;
    return this.#add({
      inputs: [value],
      emit: (graph, [x], name) => asFloat32(graph, x!, weight.dtype, name),
    });
  }

  /** A tensor of the checkpoint as float32: the first of the names that is there. */
  weight(names: string | readonly string[], shape: readonly number[]): Node {
    const { node, weight } = this.#stored(typeof names === 'string' ? [names] : names, shape);
    return this.#asFloat32(node, weight);
  }

  /** Rows of a table: looked up first, converted after, so that the whole table is not. */
  lookUp(names: string | readonly string[], shape: readonly number[], indices: Node): Node {
    const { node, weight } = this.#stored(typeof names === 'string' ? [names] : names, shape);
    return this.#asFloat32(this.op('Gather', [node, indices], { axis: 0 }), weight);
  }

  /** Let a value be captured under `name`. The weights behind it that no earlier layer owns are its own. */
  layer(
    value: Node,
    name: string,
    about: { kind: string; axes: LayerInfo['axes']; shape: Shape; inputs?: string[] },
  ): Node {
    // A value that has its name already is given out a second time under the new one.
    const named = value.name === undefined ? value : this.op('Identity', [value]);
    named.name = name;
    const parameters = this.#claim(named);
    this.#layers.set(named, {
      name,
      ...about,
      ...(parameters > 0 ? { parameters } : {}),
      default: about.kind === 'hidden state',
    });
    return named;
  }

  #claim(value: Node): number {
    let parameters = 0;
    const waiting = [value];
    for (let node = waiting.pop(); node !== undefined; node = waiting.pop()) {
      if (this.#counted.has(node)) continue;
      this.#counted.add(node);
      if (node.weight !== undefined) parameters += elementCount(node.weight.shape);
      waiting.push(...node.inputs);
    }
    return parameters;
  }

  /** All that the values are made from, themselves included. */
  #behind(values: readonly Node[]): Set<Node> {
    const found = new Set(values);
    for (const node of found) for (const input of node.inputs) found.add(input);
    return found;
  }

  /** The plan; `outputs` are the model's results among the named values. */
  plan(outputs: readonly Node[]): ArchitecturePlan {
    const inputs = this.#nodes.flatMap((node) => node.input ?? []);
    return {
      inputs,
      outputs: outputs.map((node) => {
        const { name, shape } = this.#layers.get(node)!;
        return { name, dtype: 'float32', shape: shape! };
      }),
      layers: [...this.#layers.values()],
      graph: (names) => this.#graph(names),
    };
  }

  #graph(names: readonly string[]): Uint8Array {
    const byName = new Map([...this.#layers].map(([node, layer]) => [layer.name, { node, layer }]));
    const wanted = names.map((name) => {
      const found = byName.get(name);
      if (found === undefined) throw new Error(`no value is called ${name}`);
      return found;
    });
    const graph = new GraphBuilder(this.#label);
    const needed = this.#behind(wanted.map(({ node }) => node));
    const values = new Map<Node, Value>();
    for (const node of this.#nodes) {
      if (!needed.has(node)) continue;
      const inputs = node.inputs.map((input) => values.get(input)!);
      values.set(node, node.emit(graph, inputs, node.name));
    }
    for (const { node, layer } of wanted) {
      const shape = layer.shape!.map((dimension) => dimension ?? '?');
      graph.output(values.get(node)!, 'float32', shape);
    }
    return graph.finish();
  }
}
