import { homedir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import type { Node } from '@vscode/tree-sitter-wasm';
import type { Bindings } from './bindings.ts';
import { joinPython, unescapeText } from './text.ts';
import type { Language, LoaderCall, Value } from './language.ts';

const scopes = new Set([
  'function_definition',
  'lambda',
  'class_definition',
  'list_comprehension',
  'set_comprehension',
  'dictionary_comprehension',
  'generator_expression',
]);
const branching = new Set([
  'if_statement',
  'elif_clause',
  'else_clause',
  'for_statement',
  'while_statement',
  'try_statement',
  'except_clause',
  'case_clause',
  'conditional_expression',
  'boolean_operator',
]);

const query = `
(call function: (_) @callee arguments: (argument_list)) @call
(string) @string
(assignment left: (identifier) @name right: (_) @value) @assign
(named_expression name: (identifier) @name value: (_) @value) @assign
(augmented_assignment left: (identifier) @name right: (_) @value) @augment
(assignment left: [
  (pattern_list (identifier) @opaque)
  (tuple_pattern (identifier) @opaque)
  (list_pattern (identifier) @opaque)])
(for_statement left: (identifier) @opaque)
(for_statement left: (_ (identifier) @opaque))
(for_in_clause left: (identifier) @opaque)
(for_in_clause left: (_ (identifier) @opaque))
(as_pattern_target (identifier) @opaque)
(case_pattern (dotted_name . (identifier) @opaque .))
(parameters (identifier) @opaque)
(lambda_parameters (identifier) @opaque)
(default_parameter name: (identifier) @opaque)
(typed_parameter . (identifier) @opaque)
(typed_default_parameter name: (identifier) @opaque)
(list_splat_pattern (identifier) @opaque)
(dictionary_splat_pattern (identifier) @opaque)
(delete_statement (identifier) @opaque)
(global_statement (identifier) @foreign)
(nonlocal_statement (identifier) @foreign)
(function_definition name: (identifier) @function)
(class_definition name: (identifier) @function)
(import_statement) @import
(import_from_statement) @import
`;

/** Python source files. */
export const python: Language = {
  query,
  isScope: (type) => scopes.has(type),
  isFunction: (type) => type === 'function_definition' || type === 'lambda',
  isClass: (type) => type === 'class_definition',
  isLoop: (type) => type === 'for_statement' || type === 'while_statement',
  isBranching: (type) => branching.has(type),
  assignmentDeclares: true,
  moduleOf: () => undefined,

  imports(node) {
    const from = node.childForFieldName('module_name');
    const prefix = from ? `${from.text}.` : '';
    return node.childrenForFieldName('name').flatMap((item) => {
      if (!item) return [];
      if (item.type === 'aliased_import') {
        const name = item.childForFieldName('alias')?.text;
        const target = item.childForFieldName('name')?.text;
        return name && target ? [{ name, target: prefix + target }] : [];
      }
      // `import a.b` binds `a`.
      const name = from ? item.text : item.text.split('.', 1)[0]!;
      return [{ name, target: prefix + name }];
    });
  },

  evaluate(node, bindings) {
    switch (node.type) {
      case 'string':
        return literal(node, bindings);
      case 'concatenated_string':
        return joined(node.namedChildren, bindings);
      case 'integer':
        return /^\d+$/.test(node.text) ? { kind: 'number', text: node.text } : undefined;
      case 'parenthesized_expression':
        return node.namedChildCount === 1 ? bindings.evaluate(node.namedChild(0)!) : undefined;
      case 'named_expression':
        return evaluateField(node, 'value', bindings);
      case 'assignment':
        return evaluateField(node, 'right', bindings);
      case 'identifier': {
        const name = bindings.textOf(node);
        return name === '__file__' && bindings.file !== undefined
          ? { kind: 'string', text: bindings.file }
          : bindings.valueOf(name, node);
      }
      case 'augmented_assignment': {
        const left = node.childForFieldName('left')!;
        const previous = bindings.valueOf(bindings.textOf(left), node);
        const operator = node.childForFieldName('operator')?.text.replace('=', '');
        return combine(operator, previous, evaluateField(node, 'right', bindings));
      }
      case 'binary_operator':
        return combine(
          node.childForFieldName('operator')?.text,
          evaluateField(node, 'left', bindings),
          evaluateField(node, 'right', bindings),
        );
      case 'attribute':
        return attribute(node, bindings);
      case 'subscript':
        return ancestor(node, bindings);
      case 'call':
        return call(node, bindings);
      default:
        return undefined;
    }
  },

  combines(node, bindings) {
    if (['binary_operator', 'augmented_assignment', 'concatenated_string'].includes(node.type)) {
      return true;
    }
    if (node.type !== 'call') return false;
    const callee = node.childForFieldName('function');
    const name = canonicalOf(callee, bindings);
    return (
      (name !== undefined && (name === 'os.path.join' || pathClass.test(name))) ||
      callee?.childForFieldName('attribute')?.text === 'joinpath'
    );
  },

  loaderNames:
    /^(from_pretrained|pipeline|SentenceTransformer|InferenceSession|load|load_model|load_file|safe_open|create_model|Llama|GGUFReader)$/,
  loader,
};

function evaluateField(node: Node, field: string, bindings: Bindings): Value | undefined {
  const child = node.childForFieldName(field);
  return child ? bindings.evaluate(child) : undefined;
}

function literal(node: Node, bindings: Bindings): Value | undefined {
  const prefix = /^[a-z]*/i.exec(bindings.textOf(node))![0].toLowerCase();
  if (prefix.includes('b')) return undefined;
  let text = '';
  for (const part of node.namedChildren) {
    if (part?.type === 'string_content') {
      const raw = bindings.textOf(part);
      const braces = prefix.includes('f') ? raw.replace(/\{\{/g, '{').replace(/\}\}/g, '}') : raw;
      const plain = prefix.includes('r') ? braces : unescapeText(braces);
      if (plain === undefined) return undefined;
      text += plain;
    } else if (part?.type === 'interpolation') {
      // A conversion or format changes the text in ways that are not followed.
      const value = part.namedChildCount === 1 ? bindings.evaluate(part.namedChild(0)!) : undefined;
      if (!value) return undefined;
      text += value.text;
    }
  }
  return { kind: 'string', text };
}

function joined(parts: readonly (Node | null)[], bindings: Bindings): Value | undefined {
  let text = '';
  for (const part of parts) {
    if (part?.type === 'comment') continue;
    const value = part && bindings.evaluate(part);
    if (!value) return undefined;
    text += value.text;
  }
  return { kind: 'string', text };
}

function combine(
  operator: string | undefined,
  left: Value | undefined,
  right: Value | undefined,
): Value | undefined {
  if (!left || !right) return undefined;
  if (operator === '+' && left.kind === 'string' && right.kind === 'string') {
    return { kind: 'string', text: left.text + right.text };
  }
  const paths = [left, right].some((side) => side.kind === 'path');
  const numbers = [left, right].some((side) => side.kind === 'number');
  if (operator === '/' && paths && !numbers) {
    return { kind: 'path', text: joinPython([left.text, right.text]) };
  }
  return undefined;
}

function attribute(node: Node, bindings: Bindings): Value | undefined {
  const value = evaluateField(node, 'object', bindings);
  if (value?.kind !== 'path') return undefined;
  switch (node.childForFieldName('attribute')?.text) {
    case 'parent':
      return { kind: 'path', text: dirname(value.text) };
    case 'name':
      return { kind: 'string', text: basename(value.text) };
    default:
      return undefined;
  }
}

/** `path.parents[n]` */
function ancestor(node: Node, bindings: Bindings): Value | undefined {
  const parents = node.childForFieldName('value');
  const index = evaluateField(node, 'subscript', bindings);
  if (parents?.type !== 'attribute' || index?.kind !== 'number') return undefined;
  if (parents.childForFieldName('attribute')?.text !== 'parents') return undefined;
  const value = evaluateField(parents, 'object', bindings);
  if (value?.kind !== 'path') return undefined;
  let { text } = value;
  for (let steps = Math.min(Number(index.text), 64); steps >= 0; steps--) text = dirname(text);
  return { kind: 'path', text };
}

const pathClass = /^pathlib\.(Pure)?(Posix|Windows)?Path$/;
const unchanged = new Set(['resolve', 'absolute']);

function call(node: Node, bindings: Bindings): Value | undefined {
  const callee = node.childForFieldName('function')!;
  const name = canonicalOf(callee, bindings);
  const values = argumentsOf(node).positional.map((argument) => bindings.evaluate(argument));
  const known = values.filter((value) => value !== undefined && value.kind !== 'number');
  if (known.length !== values.length || hasUnknownArguments(node)) return undefined;
  const texts = known.map((value) => value!.text);
  const [first] = texts;
  if (name !== undefined && first !== undefined) {
    if (name === 'os.path.join') return { kind: 'string', text: joinPython(texts) };
    if (pathClass.test(name)) return { kind: 'path', text: joinPython(texts) };
    const text = texts.length === 1 ? pathFunctions[name]?.(first) : undefined;
    if (text !== undefined) return { kind: 'string', text };
  }
  if (callee.type !== 'attribute') return undefined;
  const object = evaluateField(callee, 'object', bindings);
  if (object?.kind !== 'path') return undefined;
  const method = callee.childForFieldName('attribute')!.text;
  if (method === 'joinpath') return { kind: 'path', text: joinPython([object.text, ...texts]) };
  if (texts.length > 0) return undefined;
  if (unchanged.has(method)) return object;
  if (method === 'expanduser') return { kind: 'path', text: expandUser(object.text) };
  if (method === 'as_posix') return { kind: 'string', text: object.text };
  return undefined;
}

const same = (text: string): string => text;
const pathFunctions: Record<string, (text: string) => string> = {
  str: same,
  'os.fspath': same,
  'os.path.abspath': same,
  'os.path.realpath': same,
  'os.path.normpath': same,
  'os.path.expanduser': expandUser,
  'os.path.dirname': (text) => (text.includes('/') ? dirname(text) : ''),
  'os.path.basename': (text) => basename(text),
};

function expandUser(text: string): string {
  return text === '~' || text.startsWith('~/') ? join(homedir(), text.slice(1)) : text;
}

/** Dotted name of `a.b.c` through imports; undefined for anything else. */
function canonicalOf(node: Node | null, bindings: Bindings): string | undefined {
  const parts: string[] = [];
  let at = node;
  while (at?.type === 'attribute') {
    parts.unshift(bindings.textOf(at.childForFieldName('attribute')!));
    at = at.childForFieldName('object');
  }
  if (!node || at?.type !== 'identifier') return undefined;
  return bindings.canonical([bindings.textOf(at), ...parts], node);
}

function argumentsOf(node: Node): { positional: Node[]; named: Map<string, Node> } {
  const positional: Node[] = [];
  const named = new Map<string, Node>();
  for (const child of node.childForFieldName('arguments')?.namedChildren ?? []) {
    if (!child || child.type === 'comment') continue;
    if (child.type === 'keyword_argument') {
      const value = child.childForFieldName('value');
      if (value) named.set(child.childForFieldName('name')!.text, value);
    } else {
      positional.push(child);
    }
  }
  return { positional, named };
}

function hasUnknownArguments(node: Node): boolean {
  const { positional, named } = argumentsOf(node);
  return positional.some((argument) => argument.type.endsWith('_splat')) || named.size > 0;
}

interface Pattern {
  position: number;
  keywords: string[];
  accepts: LoaderCall['accepts'];
}

const firstPath = (...keywords: string[]): Pattern => ({ position: 0, keywords, accepts: 'path' });

/** Calls by full dotted name, or by last name where that name is used by one library alone. */
function patternOf(name: string): Pattern | undefined {
  const last = name.slice(name.lastIndexOf('.') + 1);
  if (last === 'SentenceTransformer') {
    return { position: 0, keywords: ['model_name_or_path'], accepts: 'hub' };
  }
  if (last === 'InferenceSession') return firstPath('path_or_bytes');
  if (/^onnx\.(load|load_model)$/.test(name)) return firstPath('f');
  if (name === 'torch.load') return firstPath('f');
  if (/^(tensorflow\.)?keras\.((models|saving)\.)?load_model$/.test(name)) {
    return firstPath('filepath');
  }
  if (name === 'llama_cpp.Llama') return firstPath('model_path');
  if (name === 'gguf.GGUFReader') return firstPath('path');
  if (/^safetensors\.\w+\.load_file$/.test(name) || name === 'load_file') {
    return firstPath('filename');
  }
  if (/^safetensors(\.\w+)?\.safe_open$/.test(name) || name === 'safe_open') {
    return firstPath('filename');
  }
  if (/^(transformers\.(pipelines\.)?)?pipeline$/.test(name)) {
    return { position: 1, keywords: ['model'], accepts: 'hub' };
  }
  return undefined;
}

const withoutWeights = /Tokenizer|Processor|FeatureExtractor|Config/;

function loader(node: Node, bindings: Bindings): LoaderCall | undefined {
  const callee = node.childForFieldName('function')!;
  const { positional, named } = argumentsOf(node);
  const last = callee.childForFieldName('attribute');
  if (last && bindings.textOf(last) === 'from_pretrained') {
    const argument = named.get('pretrained_model_name_or_path') ?? positional[0];
    const name = bindings.textOf(callee);
    return argument && { argument, name, accepts: 'hub', loads: !withoutWeights.test(name) };
  }
  const canonical = canonicalOf(callee, bindings);
  if (canonical === undefined) return undefined;
  const name = bindings.textOf(callee);
  if (/^(timm\.(models\.)?)?create_model$/.test(canonical)) {
    return timmModel(name, positional[0] ?? named.get('model_name'), named, bindings);
  }
  const pattern = patternOf(canonical);
  if (!pattern) return undefined;
  const keyword = pattern.keywords.find((key) => named.has(key));
  const argument = keyword === undefined ? positional[pattern.position] : named.get(keyword);
  return argument && { argument, name, accepts: pattern.accepts, loads: true };
}

/** timm's bare names are architectures; only a checkpoint or a hub id names a model. */
function timmModel(
  name: string,
  model: Node | undefined,
  named: Map<string, Node>,
  bindings: Bindings,
): LoaderCall | undefined {
  const checkpoint = named.get('checkpoint_path');
  if (checkpoint) return { argument: checkpoint, name, accepts: 'path', loads: true };
  const value = model && bindings.evaluate(model);
  return model && value && /^hf[-_]hub:/.test(value.text)
    ? { argument: model, name, accepts: 'hub', loads: true }
    : undefined;
}
