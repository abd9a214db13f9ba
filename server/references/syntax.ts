import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import TreeSitter from '@vscode/tree-sitter-wasm';
import type { Language as Grammar, Parser, Query, Tree } from '@vscode/tree-sitter-wasm';
import { javascript } from './javascript.ts';
import type { Language } from './language.ts';
import { python } from './python.ts';

/** A language with its grammar and query loaded. */
export interface Syntax {
  readonly language: Language;
  readonly query: Query;
  /** Parse `text`; an `old` tree must have been edited to match it. */
  parse(text: string, old?: Tree): Tree;
}

const languages: Record<string, { language: Language; grammar: string }> = {
  python: { language: python, grammar: 'python' },
  javascript: { language: javascript('javascript'), grammar: 'javascript' },
  javascriptreact: { language: javascript('javascript'), grammar: 'javascript' },
  typescript: { language: javascript('typescript'), grammar: 'typescript' },
  typescriptreact: { language: javascript('typescript'), grammar: 'tsx' },
};

const languageIds: Record<string, string> = {
  '.py': 'python',
  '.pyi': 'python',
  '.js': 'javascript',
  '.mjs': 'javascript',
  '.cjs': 'javascript',
  '.jsx': 'javascriptreact',
  '.ts': 'typescript',
  '.mts': 'typescript',
  '.cts': 'typescript',
  '.tsx': 'typescriptreact',
};

/** Endings of the source files that are searched for references. */
export const sourceExtensions: readonly string[] = Object.keys(languageIds);

/** Editor's language id for a file ending such as `.py`. */
export function languageIdOf(extension: string): string | undefined {
  return languageIds[extension.toLowerCase()];
}

/** In the product the grammars lie beside the bundle; in a checkout in their npm package. */
function grammarFolder(): string {
  const beside = fileURLToPath(new URL('./grammars/', import.meta.url));
  if (existsSync(join(beside, 'tree-sitter.wasm'))) return beside;
  return dirname(createRequire(import.meta.url).resolve('@vscode/tree-sitter-wasm'));
}

let initialized: Promise<string> | undefined;

/** The WebAssembly runtime is one per process; a parser and a grammar are loaded when first used. */
async function initialize(): Promise<string> {
  const folder = grammarFolder();
  await TreeSitter.Parser.init({ locateFile: (file) => join(folder, file) });
  return folder;
}

const loaded = new Map<string, Promise<Syntax>>();

/** The syntax of an editor language id, or undefined where references are not looked for. */
export function syntaxOf(languageId: string): Promise<Syntax> | undefined {
  const entry = languages[languageId];
  if (!entry) return undefined;
  let syntax = loaded.get(entry.grammar);
  if (!syntax) {
    syntax = load(entry.language, entry.grammar);
    loaded.set(entry.grammar, syntax);
  }
  return syntax;
}

async function load(language: Language, name: string): Promise<Syntax> {
  const folder = await (initialized ??= initialize());
  const grammar: Grammar = await TreeSitter.Language.load(join(folder, `tree-sitter-${name}.wasm`));
  const parser: Parser = new TreeSitter.Parser();
  parser.setLanguage(grammar);
  return {
    language,
    query: new TreeSitter.Query(grammar, language.query),
    parse(text, old) {
      const tree = parser.parse(text, old);
      // Null only without a grammar or when a progress callback stops it: neither applies.
      if (!tree) throw new Error(`no tree for ${name}`);
      return tree;
    },
  };
}
