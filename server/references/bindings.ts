import type { Node, QueryMatch } from '@vscode/tree-sitter-wasm';
import type { Language, Value } from './language.ts';

/** Deeper chains of constants are given up: they are cycles or generated code. */
const maxDepth = 40;
const maxText = 4096;

interface Binding {
  name: string;
  kind: 'assign' | 'declare' | 'augment' | 'opaque' | 'import' | 'foreign';
  /** The binding statement or identifier. */
  node: Node;
  value?: Node;
  /** What an imported name stands for. */
  target?: string;
  /** Climb from here to find the scope. */
  from: Node;
}

interface PlacedBinding extends Binding {
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
  readonly #byName = new Map<string, Binding[]>();
  readonly #placed = new Map<string, PlacedBinding[]>();
  #depth = 0;

  constructor(language: Language, text: string, file: string | undefined, matches: QueryMatch[]) {
    this.#language = language;
    this.text = text;
    this.file = file;
    for (const match of matches) this.#collect(match);
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
    if (this.#bindings(name).some(({ kind }) => kind === 'foreign')) return undefined;
    if (outer) {
      // Read at an unknown later time: certain only where it is bound once.
      const bound = own.filter((binding) => binding.kind !== 'declare' || binding.value);
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
    const targets = new Set(own.map((binding) => binding.target));
    if (own.length === 0) return dotted.join('.');
    const target = targets.size === 1 ? own[0]?.target : undefined;
    return target === undefined ? undefined : [target, ...rest].join('.');
  }

  #collect(match: QueryMatch): void {
    const capture = new Map(match.captures.map((item) => [item.name, item.node]));
    const add = (binding: Binding): void => {
      const list = this.#byName.get(binding.name);
      if (list) list.push(binding);
      else this.#byName.set(binding.name, [binding]);
    };
    const name = capture.get('name');
    for (const kind of ['assign', 'augment', 'declare'] as const) {
      const node = capture.get(kind);
      if (!node || !name) continue;
      const value = capture.get('value');
      const target = value && this.#language.moduleOf(value);
      add({
        name: this.textOf(name),
        kind,
        node,
        from: name,
        ...(value ? { value } : {}),
        ...(target === undefined ? {} : { target }),
      });
    }
    for (const kind of ['opaque', 'foreign'] as const) {
      const node = capture.get(kind);
      if (!node) continue;
      const module = capture.get('module');
      const target = module && this.#language.moduleOf(module);
      const text = this.textOf(node);
      add({
        name: text,
        kind,
        node,
        from: node,
        ...(target === undefined ? {} : { target: `${target}.${text}` }),
      });
    }
    const named = capture.get('function');
    if (named) {
      const from = named.parent?.parent ?? named;
      add({ name: this.textOf(named), kind: 'opaque', node: named, from });
    }
    const statement = capture.get('import');
    if (statement) {
      for (const { name: bound, target } of this.#language.imports(statement)) {
        add({ name: bound, kind: 'import', node: statement, from: statement, target });
      }
    }
  }

  /** Scopes are found only for names that are asked for: climbing a tree is slow. */
  #bindings(name: string): PlacedBinding[] {
    let placed = this.#placed.get(name);
    if (!placed) {
      placed = this.#place(this.#byName.get(name) ?? []);
      this.#placed.set(name, placed);
    }
    return placed;
  }

  #place(bindings: Binding[]): PlacedBinding[] {
    const declares = (binding: Binding): boolean =>
      this.#language.assignmentDeclares || !['assign', 'augment'].includes(binding.kind);
    const declared = bindings.filter(declares).map((binding) => ({
      ...binding,
      scope: this.#scopes(binding.from)[0]!.scope,
      home: this.#home(binding.from),
    }));
    const scopes = new Set(declared.map((binding) => binding.scope.id));
    const rebound = bindings
      .filter((binding) => !declares(binding))
      .map((binding) => {
        const chain = this.#scopes(binding.from);
        const scope = chain.find((item) => scopes.has(item.scope.id)) ?? chain.at(-1)!;
        return { ...binding, scope: scope.scope, home: this.#home(binding.from) };
      });
    return [...declared, ...rebound].sort((a, b) => a.node.endIndex - b.node.endIndex);
  }

  /** Bindings of the innermost scope that has any; `outer` where another function runs them. */
  #visible(name: string, use: Node): { own: PlacedBinding[]; outer: boolean } {
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

  #held(binding: PlacedBinding): Value | undefined {
    if (!binding.value) return undefined;
    if (binding.kind === 'augment') return this.evaluate(binding.node);
    return this.evaluate(binding.value);
  }

  /** Whether the flow can pass by `binding` on its way to `use`. */
  #mayBeSkipped(binding: PlacedBinding, use: Node): boolean {
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
  #repeats(binding: PlacedBinding, use: Node): boolean {
    for (let at: Node | null = binding.node; at && at.id !== binding.scope.id; at = at.parent) {
      if (this.#language.isLoop(at.type) && contains(at, use)) return true;
    }
    return false;
  }
}

function contains(outer: Node, inner: Node): boolean {
  return outer.startIndex <= inner.startIndex && inner.endIndex <= outer.endIndex;
}
