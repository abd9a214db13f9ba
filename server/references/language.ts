import type { Node } from '@vscode/tree-sitter-wasm';
import type { Bindings } from './bindings.ts';

/** What an expression is known to be. A `path` joins with `/` where a string concatenates. */
export interface Value {
  kind: 'string' | 'path' | 'number';
  text: string;
}

/** An argument of a call that names a model. */
export interface LoaderCall {
  argument: Node;
  /** The called function as users know it, for messages: `onnx.load`. */
  name: string;
  /** Whether an id of a model hub may stand there, or only a path. */
  accepts: 'hub' | 'path';
  /** False for calls that name a model without loading it (tokenizers): no lens there. */
  loads: boolean;
}

/**
 * One programming language: its queries, its scopes, its expressions and its loader calls.
 *
 * The query captures: `@call` with `@callee`, `@string` (literals) and bindings: `@name` inside `@assign`,
 * `@augment` or `@declare` with `@value`; `@opaque` (bound to what is not known); `@function` (a
 * name bound outside the definition it names); `@import` (import statements); `@foreign` (rebound
 * from another scope).
 */
export interface Language {
  readonly query: string;
  /** Opens a scope for names. */
  isScope(type: string): boolean;
  /** Its body runs at another time than the code around it. */
  isFunction(type: string): boolean;
  /** Its names are not seen from functions inside it. */
  isClass(type: string): boolean;
  isLoop(type: string): boolean;
  /** Its children other than the condition may run or not. */
  isBranching(type: string): boolean;
  /** True where an assignment creates a name (Python); false where a declaration does. */
  readonly assignmentDeclares: boolean;
  /** Names that an import statement binds, with the dotted name each stands for. */
  imports(node: Node): { name: string; target: string }[];
  /** Dotted name for a module that `value` loads (`require('path')`), where it does. */
  moduleOf(value: Node): string | undefined;
  evaluate(node: Node, bindings: Bindings): Value | undefined;
  /** Whether `node` builds a path or string from its parts, so that a part alone means nothing. */
  combines(node: Node, bindings: Bindings): boolean;
  /** Last names of the functions that {@link loader} knows. */
  readonly loaderNames: RegExp;
  loader(call: Node, bindings: Bindings): LoaderCall | undefined;
}

/** Endings of model files. */
export const modelExtensions = [
  '.onnx',
  '.safetensors',
  '.gguf',
  '.pt',
  '.pth',
  '.bin',
  '.h5',
  '.keras',
  '.tflite',
] as const;

const modelFile = new RegExp(
  `[^/\\\\]\\.(${modelExtensions.map((e) => e.slice(1)).join('|')})$`,
  'i',
);

/** Formats that Repscope knows of but does not read. */
export function isForeignFormat(path: string): boolean {
  return /\.tflite$/i.test(path);
}

/** Endings that files of every kind have: such a file need not be a model. */
export function isCommonEnding(path: string): boolean {
  return /\.(bin|h5|pt|pth|json)$/i.test(path);
}

export function looksLikeModelFile(name: string): boolean {
  return modelFile.test(name);
}
