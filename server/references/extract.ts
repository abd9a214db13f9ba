import { fileURLToPath } from 'node:url';
import type { Node } from '@vscode/tree-sitter-wasm';
import { Bindings } from './bindings.ts';
import { findNode, type Fact } from './facts.ts';
import { looksLikeModelFile, modelExtensions, type Language, type LoaderCall } from './language.ts';

/** An expression that names a model, before it is looked for on disk. */
export interface Mention {
  /** Offsets in the document, in UTF-16 units. */
  start: number;
  end: number;
  /** As written, with constants followed. */
  name: string;
  /** The loader call whose argument it is; absent for a bare string. */
  loader?: Omit<LoaderCall, 'argument'>;
}

const worthParsing = new RegExp(
  [
    'from_pretrained',
    'pipeline',
    'SentenceTransformer',
    'InferenceSession',
    'create_model',
    'onnx',
    'torch',
    'load_file',
    'load(Layers|Graph)Model',
    'safe_open',
    ...modelExtensions.map((extension) => `\\${extension}\\b`),
  ].join('|'),
);

/** A cheap look that tells whether a file can mention a model at all. */
export function mayMentionModels(text: string): boolean {
  return worthParsing.test(text);
}

/** Hub ids and paths are short; a longer string is data. */
const maxName = 1024;

/** One version of a source file, with the facts of its tree. */
export interface Source {
  language: Language;
  root: Node;
  text: string;
  /** Absolute path; absent for a document that was never saved. */
  file: string | undefined;
  facts: readonly Fact[];
}

/**
 * Model mentions in document order: arguments of loader calls, and strings that end in a model
 * extension. What cannot be known from the file itself is left out.
 *
 * @param at only mentions that hold this offset, which is much faster
 */
export function findMentions(source: Source, at?: number): Mention[] {
  const { language, root, text, facts } = source;
  const bindings = new Bindings(language, source, facts);
  const mentions: Mention[] = [];
  const taken = new Set<number>();
  const add = (node: Node, name: string, loader?: Mention['loader']): void => {
    const local = withoutScheme(name);
    const { startIndex: start, endIndex: end } = node;
    if (local === undefined || local === '' || local.length > maxName) return;
    if (at !== undefined && (at < start || at > end)) return;
    mentions.push({ start, end, name: local, ...(loader ? { loader } : {}) });
  };
  const nodes = (kind: Fact['kind'], wanted: (fact: Fact) => boolean): Node[] =>
    facts.flatMap((fact) => {
      if (fact.kind !== kind || !wanted(fact)) return [];
      const { start, end } = fact.node;
      if (at !== undefined && (at < start || at > end)) return [];
      return findNode(root, fact.node) ?? [];
    });

  for (const call of nodes('call', ({ name }) => bindings.mayLoad(name))) {
    const found = language.loader(call, bindings);
    if (!found) continue;
    const { argument, ...loader } = found;
    const value = bindings.evaluate(argument);
    taken.add(argument.id);
    if (value && value.kind !== 'number') add(argument, value.text, loader);
  }
  const endsLikeModel = ({ node: { start, end } }: Fact): boolean =>
    stringEnd.test(text.slice(Math.max(start, end - 20), end));
  for (const node of nodes('string', endsLikeModel)) {
    const name = standsFor(node, language, bindings, taken);
    if (name !== undefined && looksLikeModelFile(name)) add(node, name);
  }
  return mentions.sort((a, b) => a.start - b.start || a.end - b.end);
}

const stringEnd = /\.\w+['"`]+$/;

/**
 * The value of the widest expression that a string helps to build; undefined where that is unknown
 * or the string is part of a loader's argument.
 */
function standsFor(
  node: Node,
  language: Language,
  bindings: Bindings,
  taken: ReadonlySet<number>,
): string | undefined {
  let value = bindings.evaluate(node);
  for (let at: Node | null = node; at && value; at = at.parent) {
    if (taken.has(at.id)) return undefined;
    const { parent }: Node = at;
    if (!parent) break;
    const wider = bindings.evaluate(parent);
    if (wider) value = wider;
    else if (language.combines(parent, bindings)) return undefined;
    else if (!parent.type.startsWith('argument')) break;
  }
  return value?.kind === 'number' ? undefined : value?.text;
}

/** The path of a `file:` address; undefined for addresses elsewhere. */
function withoutScheme(name: string): string | undefined {
  if (name.startsWith('file:///')) {
    try {
      return fileURLToPath(name);
    } catch {
      return undefined;
    }
  }
  // `file://model/model.json` is how TensorFlow.js names a relative path.
  if (name.startsWith('file://')) return name.slice('file://'.length);
  const hub = /^hf[-_]hub:(.+)$/.exec(name);
  if (hub) return hub[1];
  return /^[a-z][a-z0-9+.-]+:\/\//i.test(name) ? undefined : name;
}
