import { fileURLToPath } from 'node:url';
import type { Node, Tree } from '@vscode/tree-sitter-wasm';
import { Bindings } from './bindings.ts';
import { looksLikeModelFile, modelExtensions, type LoaderCall } from './language.ts';
import type { Syntax } from './syntax.ts';

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

/**
 * Model mentions of a file in document order: arguments of loader calls, and strings that end in a
 * model extension. What cannot be known from the file itself is left out.
 */
export function findMentions(
  syntax: Syntax,
  tree: Tree,
  text: string,
  file: string | undefined,
): Mention[] {
  const { language, query } = syntax;
  const matches = query.matches(tree.rootNode);
  const bindings = new Bindings(language, text, file, matches);
  const mentions: Mention[] = [];
  const taken = new Set<number>();
  const add = (node: Node, name: string, loader?: Mention['loader']): void => {
    const local = withoutScheme(name);
    if (local === undefined || local === '' || local.length > maxName) return;
    mentions.push({
      start: node.startIndex,
      end: node.endIndex,
      name: local,
      ...(loader ? { loader } : {}),
    });
  };

  for (const { captures } of matches) {
    if (captures[0]?.name !== 'call') continue;
    const found = language.loader(captures[0].node, bindings);
    if (!found) continue;
    const { argument, ...loader } = found;
    const value = bindings.evaluate(argument);
    taken.add(argument.id);
    if (value && value.kind !== 'number') add(argument, value.text, loader);
  }
  for (const { captures } of matches) {
    if (captures[0]?.name !== 'string') continue;
    const { node } = captures[0];
    if (
      !/\.\w+['"`]+$/.test(text.slice(Math.max(node.startIndex, node.endIndex - 20), node.endIndex))
    )
      continue;
    const name = standsFor(node, bindings, (candidate) => taken.has(candidate.id));
    if (name !== undefined && looksLikeModelFile(name)) add(node, name);
  }
  return mentions.sort((a, b) => a.start - b.start || a.end - b.end);

  /** The value of the widest expression that `node` helps to build; undefined where unknown. */
  function standsFor(
    node: Node,
    names: Bindings,
    isTaken: (node: Node) => boolean,
  ): string | undefined {
    let value = names.evaluate(node);
    for (let at: Node | null = node; at && value; at = at.parent) {
      if (isTaken(at)) return undefined;
      const { parent } = at;
      if (!parent) break;
      const wider = names.evaluate(parent);
      if (wider) value = wider;
      else if (language.combines(parent, names)) return undefined;
      else if (!parent.type.startsWith('argument')) break;
    }
    return value?.kind === 'number' ? undefined : value?.text;
  }
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
