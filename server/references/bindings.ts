import type { Node } from '@vscode/tree-sitter-wasm';
import { findNode, type Fact } from './facts.ts';
import type { Language, Value } from './language.ts';

/** Deeper chains of constants are given up: they are cycles or generated code. */
const maxDepth = 40;
const maxText = 4096;

interface Binding {
  fact: Fact;
  node: Node;
  scope: Node;
  /** The function (or file) that executes it. */
  home: Node;
}

/**
 * The names of one file and what they hold. A name is followed only where a single assignment can
 * have reached the use; otherwise it is unknown.
 */
export class Bindings {
  readonly text: string;
  /** Absolute path of the file; absent for a document that was never saved. */
  readonly file: string | undefined;
  readonly #language: Language;
  readonly #root: Node;
  readonly #byName = new Map<string, Fact[]>();
  readonly #placed = new Map<string, Binding[]>();
  #depth = 0;

  constructor(
    language: Language,
    source: { root: Node; text: string; file: string | undefined },
    facts: readonly Fact[],
  ) {
    this.#language = language;
    this.#root = source.root;
    this.text = source.text;
    this.file = source.file;
    for (const fact of facts) {
      if (fact.kind === 'call' || fact.kind === 'string') continue;
      const list = this.#byName.get(fact.name);
      if (list) list.push(fact);
      else this.#byName.set(fact.name, [fact]);
    }
  }

  /** Whether a call of `callee` can be one of the language's loaders, by its last name. */
  mayLoad(callee: string): boolean {
    const last = /(\w+)\s*$/.exec(callee)?.[1];
    if (last === undefined) return false;
    const { loaderNames } = this.#language;
    if (loaderNames.test(last)) return true;
    const targets = this.#byName.get(last) ?? [];
    return targets.some(({ target }) => {
      const name = target?.slice(target.lastIndexOf('.') + 1);
      return name !== undefined && loaderNames.test(name);
    });
  }

  textOf(node: Node): string {
    return this.text.slice(node.startIndex, node.endIndex);
  }

  evaluate(node: Node): Value | undefined {
    if (this.#depth >= maxDepth) return undefined;
    this.#depth += 1;
    try {
      const value = this.#language.evaluate(node, this);
      return value && value.text.length <= maxText ? value : undefined;
    } finally {
      this.#depth -= 1;
    }
  }

  /** What `name` holds where `use` stands. */
  valueOf(name: string, use: Node): Value | undefined {
    const { own, outer } = this.#visible(name, use);
    // Rebound from inside a function: when, is not known.
    if (this.#bindings(name).some(({ fact }) => fact.kind === 'foreign')) return undefined;
    if (outer) {
      // Read at an unknown later time: certain only where it is bound once.
      const bound = own.filter(({ fact }) => fact.kind !== 'declare' || fact.value);
      return bound.length === 1 ? this.#held(bound[0]!) : undefined;
    }
    if (own.some((binding) => binding.home.id !== this.#home(use).id)) return undefined;
    const before = own.filter((binding) => binding.node.endIndex <= use.startIndex);
    const after = own.filter((binding) => binding.node.endIndex > use.startIndex);
    const last = before.at(-1);
    if (!last || after.some((binding) => this.#repeats(binding, use))) return undefined;
    return this.#mayBeSkipped(last, use) ? undefined : this.#held(last);
  }

  /**
   * Dotted name that an identifier or member chain stands for, through imports: `ort.X` is
   * `onnxruntime.X`. Unbound names stand for themselves; names of this file's own for nothing.
   */
  canonical(dotted: readonly string[], use: Node): string | undefined {
    const [head, ...rest] = dotted;
    if (head === undefined) return undefined;
    const { own } = this.#visible(head, use);
    const targets = new Set(own.map(({ fact }) => fact.target));
    if (own.length === 0) return dotted.join('.');
    const target = targets.size === 1 ? own[0]?.fact.target : undefined;
    return target === undefined ? undefined : [target, ...rest].join('.');
  }

  /** Nodes and scopes are found only for names that are asked for: climbing a tree is slow. */
  #bindings(name: string): Binding[] {
    let placed = this.#placed.get(name);
    if (!placed) {
      placed = this.#place(this.#byName.get(name) ?? []);
      this.#placed.set(name, placed);
    }
    return placed;
  }

  #place(facts: readonly Fact[]): Binding[] {
    const found = facts.flatMap((fact) => {
      const node = findNode(this.#root, fact.node);
      const named = fact.named && findNode(this.#root, fact.named);
      // A definition's name belongs to the scope around the definition.
      const from = fact.kind === 'function' ? node?.parent?.parent : (named ?? node);
      return node && from
        ? [{ fact, node, chain: this.#scopes(from), home: this.#home(from) }]
        : [];
    });
    const declares = ({ kind }: Fact): boolean =>
      this.#language.assignmentDeclares || (kind !== 'assign' && kind !== 'augment');
    const declared = new Set(
      found.filter(({ fact }) => declares(fact)).map(({ chain }) => chain[0]!.scope.id),
    );
    return found
      .map(({ fact, node, chain, home }) => {
        const holder = declares(fact)
          ? chain[0]!
          : (chain.find(({ scope }) => declared.has(scope.id)) ?? chain.at(-1)!);
        return { fact, node, home, scope: holder.scope };
      })
      .sort((a, b) => a.node.endIndex - b.node.endIndex);
  }

  /** Bindings of the innermost scope that has any; `outer` where another function runs them. */
  #visible(name: string, use: Node): { own: Binding[]; outer: boolean } {
    const bindings = this.#bindings(name);
    if (bindings.length > 0) {
      for (const { scope, outer } of this.#scopes(use)) {
        if (outer && this.#language.isClass(scope.type)) continue;
        const own = bindings.filter((binding) => binding.scope.id === scope.id);
        if (own.length > 0) return { own, outer };
      }
    }
    return { own: [], outer: false };
  }

  /** Scopes around a node from the inside out, ending with the file. */
  #scopes(node: Node): { scope: Node; outer: boolean }[] {
    const scopes: { scope: Node; outer: boolean }[] = [];
    let outer = false;
    let last = node;
    for (let next = node.parent; next; next = next.parent) {
      if (this.#language.isScope(last.type)) scopes.push({ scope: last, outer });
      if (this.#language.isFunction(last.type)) outer = true;
      last = next;
    }
    scopes.push({ scope: last, outer });
    return scopes;
  }

  #home(node: Node): Node {
    let at = node;
    while (!this.#language.isFunction(at.type) && at.parent) at = at.parent;
    return at;
  }

  #held({ fact, node }: Binding): Value | undefined {
    if (!fact.value) return undefined;
    if (fact.kind === 'augment') return this.evaluate(node);
    const value = findNode(this.#root, fact.value);
    return value && this.evaluate(value);
  }

  /** Whether the flow can pass by `binding` on its way to `use`. */
  #mayBeSkipped(binding: Binding, use: Node): boolean {
    for (let at = binding.node; at.id !== binding.scope.id && at.parent; at = at.parent) {
      const { parent } = at;
      const condition = parent.childForFieldName('condition');
      if (
        this.#language.isBranching(parent.type) &&
        at.id !== condition?.id &&
        !contains(at, use)
      ) {
        return true;
      }
    }
    return false;
  }

  /** Whether a loop brings a later `binding` before `use`. */
  #repeats(binding: Binding, use: Node): boolean {
    for (let at: Node | null = binding.node; at && at.id !== binding.scope.id; at = at.parent) {
      if (this.#language.isLoop(at.type) && contains(at, use)) return true;
    }
    return false;
  }
}

function contains(outer: Node, inner: Node): boolean {
  return outer.startIndex <= inner.startIndex && inner.endIndex <= outer.endIndex;
}
