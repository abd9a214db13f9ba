import type { Edit, Node, QueryMatch } from '@vscode/tree-sitter-wasm';
import type { Language } from './language.ts';

/** A node's place and type: enough to find it again in a later tree of the same text. */
export interface Span {
  start: number;
  end: number;
  type: string;
}

/** What the query found at one place, kept as offsets so that it outlives its tree. */
export interface Fact {
  kind:
    | 'call'
    | 'string'
    | 'assign'
    | 'augment'
    | 'declare'
    | 'opaque'
    | 'foreign'
    | 'function'
    | 'import';
  node: Span;
  /** The name bound; for calls the text of the called expression. */
  name: string;
  /** Span of the bound name, where it is not the node itself. */
  named?: Span;
  value?: Span;
  /** Dotted name that an imported name stands for. */
  target?: string;
}

const bindingKinds = ['assign', 'augment', 'declare'] as const;
const nameKinds = ['opaque', 'foreign', 'function'] as const;
const longestCallee = 200;

const spanOf = (node: Node): Span => ({
  start: node.startIndex,
  end: node.endIndex,
  type: node.type,
});

/** The facts of one query match. */
export function factsOf(language: Language, text: string, { captures }: QueryMatch): Fact[] {
  const node = (name: string): Node | undefined =>
    captures.find((capture) => capture.name === name)?.node;
  const textOf = (at: Node): string => text.slice(at.startIndex, at.endIndex);
  const [first] = captures;
  if (!first) return [];
  if (first.name === 'string') return [{ kind: 'string', name: '', node: spanOf(first.node) }];
  if (first.name === 'call') {
    const callee = node('callee');
    if (!callee || callee.endIndex - callee.startIndex > longestCallee) return [];
    return [{ kind: 'call', name: textOf(callee), node: spanOf(first.node) }];
  }
  if (first.name === 'import') {
    return language
      .imports(first.node)
      .map(({ name, target }) => ({ kind: 'import', name, target, node: spanOf(first.node) }));
  }
  for (const kind of bindingKinds) {
    const statement = node(kind);
    const named = node('name');
    if (!statement || !named) continue;
    const value = node('value');
    const target = value && language.moduleOf(value);
    return [
      {
        kind,
        name: textOf(named),
        named: spanOf(named),
        node: spanOf(statement),
        ...(value ? { value: spanOf(value) } : {}),
        ...(target === undefined ? {} : { target }),
      },
    ];
  }
  for (const kind of nameKinds) {
    const named = node(kind);
    if (!named) continue;
    const name = textOf(named);
    const module = node('module');
    const target = module && language.moduleOf(module);
    return [
      {
        kind,
        name,
        node: spanOf(named),
        ...(target === undefined ? {} : { target: `${target}.${name}` }),
      },
    ];
  }
  return [];
}

/** Whether an edit reaches a fact, its borders included. */
export function isTouched({ node }: Fact, { startIndex, oldEndIndex }: Edit): boolean {
  return node.start <= oldEndIndex && node.end >= startIndex;
}

/** Moves a fact that lies wholly behind an edit to its new place. */
export function shift(fact: Fact, by: number): void {
  for (const span of [fact.node, fact.named, fact.value]) {
    if (!span) continue;
    span.start += by;
    span.end += by;
  }
}

/** The node of a span in the present tree. */
export function findNode(root: Node, { start, end, type }: Span): Node | undefined {
  let at: Node | null = root.descendantForIndex(start, end);
  while (at && at.type !== type && at.startIndex === start && at.endIndex === end) at = at.parent;
  return at?.type === type ? at : undefined;
}
