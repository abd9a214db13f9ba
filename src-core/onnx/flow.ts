import type { Inferred } from './rule.ts';
import type { OnnxGraph, OnnxNode } from './outline.ts';

/** Operators whose output is their input for our purposes. */
const aliases = new Set([
  'Identity',
  'Dropout',
  'Cast',
  'QuantizeLinear',
  'DequantizeLinear',
  'DynamicQuantizeLinear',
]);

export const isAlias = (node: OnnxNode) => aliases.has(node.op);

/** Enough to tell one user from several; keeps hostile graphs linear. */
const maxUses = 64;
const maxSteps = 64;

/** Names that a node reads, those its bodies take from outside included. */
function reads(node: OnnxNode): string[] {
  const names = [...node.inputs];
  for (const body of node.subgraphs) for (const inner of body.nodes) names.push(...reads(inner));
  return names;
}

/** Who makes and who uses each value; quantisation pairs, casts and the like are looked through. */
export class Flow {
  readonly values: ReadonlyMap<string, Inferred>;
  readonly #producers = new Map<string, OnnxNode>();
  readonly #uses = new Map<string, OnnxNode[]>();
  readonly #outputs: Set<string>;

  constructor(graph: OnnxGraph, values: ReadonlyMap<string, Inferred>) {
    this.values = values;
    this.#outputs = new Set(graph.outputs.map(({ name }) => name));
    for (const node of graph.nodes) {
      for (const output of node.outputs) this.#producers.set(output, node);
    }
    // Backwards, so that what follows an alias is known when the alias is met.
    for (const node of graph.nodes.toReversed()) {
      const users = isAlias(node) ? this.uses(node.outputs[0] ?? '') : [node];
      for (const name of isAlias(node) ? node.inputs.slice(0, 1) : new Set(reads(node))) {
        const known = this.#uses.get(name) ?? [];
        this.#uses.set(name, known);
        for (const user of users) if (known.length < maxUses) known.push(user);
      }
    }
  }

  /** Nodes that use a value, aliases looked through. */
  uses(name: string): readonly OnnxNode[] {
    return this.#uses.get(name) ?? [];
  }

  /** The only user, unless the value also leaves the graph. */
  onlyUse(name: string): OnnxNode | undefined {
    const users = this.uses(name);
    return users.length === 1 && !this.#outputs.has(name) ? users[0] : undefined;
  }

  isOutput(name: string): boolean {
    return this.#outputs.has(name);
  }

  /** The value behind casts, quantisation and other aliases. */
  origin(name: string): string {
    let current = name;
    for (let step = 0; step < maxSteps; step++) {
      const node = this.#producers.get(current);
      if (!node || !isAlias(node)) break;
      current = node.inputs[0] ?? '';
    }
    return current;
  }

  /** The node that computes a value, aliases looked through. */
  producer(name: string): OnnxNode | undefined {
    return this.#producers.get(this.origin(name));
  }

  isDynamic(name: string): boolean {
    return this.values.get(name)?.dynamic ?? false;
  }

  dynamicInputs(node: OnnxNode): string[] {
    return node.inputs.filter((name) => this.isDynamic(name));
  }

  /** Whether the node combines one computed value with constants or weights. */
  hasOneDynamicInput(node: OnnxNode): boolean {
    return this.dynamicInputs(node).length === 1;
  }

  /**
   * Goes on from a value while its only user is one of `ops` with constants, at most `steps` times,
   * and gives the last value.
   */
  followConstant(name: string, ops: readonly string[], steps: number): string {
    let current = name;
    for (let step = 0; step < steps; step++) {
      const user = this.onlyUse(current);
      if (!user || !ops.includes(user.op) || !this.hasOneDynamicInput(user)) break;
      current = user.outputs[0] ?? '';
    }
    return current;
  }
}
