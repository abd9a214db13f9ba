import { dirname, join, normalize } from 'node:path';
import type { Node } from '@vscode/tree-sitter-wasm';
import type { Bindings } from './bindings.ts';
import type { Language, LoaderCall, Value } from './language.ts';
import { joinPython, unescapeText } from './text.ts';

const functions = new Set([
  'function_declaration',
  'function_expression',
  'generator_function',
  'generator_function_declaration',
  'arrow_function',
  'method_definition',
]);
const scopes = new Set([
  ...functions,
  'statement_block',
  'for_statement',
  'for_in_statement',
  'catch_clause',
  'switch_body',
  'class_body',
]);
const loops = new Set(['for_statement', 'for_in_statement', 'while_statement', 'do_statement']);
const branching = new Set([
  ...loops,
  'if_statement',
  'else_clause',
  'try_statement',
  'catch_clause',
  'switch_case',
  'switch_default',
  'switch_body',
  'ternary_expression',
]);

const common = `
(call_expression function: (_) @callee arguments: (arguments)) @call
[(string) (template_string)] @string
(variable_declarator name: (identifier) @name value: (_)? @value) @declare
(assignment_expression left: (identifier) @name right: (_) @value) @assign
(augmented_assignment_expression left: (identifier) @name right: (_) @value) @augment
(update_expression argument: (identifier) @name) @assign
(variable_declarator
  name: (object_pattern (shorthand_property_identifier_pattern) @opaque) value: (_) @module)
(pair_pattern value: (identifier) @opaque)
(array_pattern (identifier) @opaque)
(object_assignment_pattern left: (shorthand_property_identifier_pattern) @opaque)
(assignment_pattern left: (identifier) @opaque)
(rest_pattern (identifier) @opaque)
(arrow_function parameter: (identifier) @opaque)
(catch_clause parameter: (identifier) @opaque)
(for_in_statement left: (identifier) @opaque)
(function_declaration name: (identifier) @function)
(class_declaration name: (_) @function)
(import_statement) @import
`;
const parameters = {
  javascript: `
(formal_parameters (identifier) @opaque)
(formal_parameters (object_pattern (shorthand_property_identifier_pattern) @opaque))
`,
  typescript: `
(required_parameter pattern: (identifier) @opaque)
(optional_parameter pattern: (identifier) @opaque)
(required_parameter pattern: (object_pattern (shorthand_property_identifier_pattern) @opaque))
`,
};

/** JavaScript and TypeScript source files, with and without JSX. */
export function javascript(dialect: keyof typeof parameters): Language {
  return {
    query: common + parameters[dialect],
    isScope: (type) => scopes.has(type),
    isFunction: (type) => functions.has(type),
    isClass: () => false,
    isLoop: (type) => loops.has(type),
    isBranching: (type) => branching.has(type),
    assignmentDeclares: false,
    moduleOf: loadedModule,
    imports,
    evaluate,
    combines(node, bindings) {
      if (node.type === 'binary_expression' || node.type === 'augmented_assignment_expression') {
        return true;
      }
      if (node.type === 'new_expression')
        return node.childForFieldName('constructor')?.text === 'URL';
      const name = node.type === 'call_expression' ? calleeName(node, bindings) : undefined;
      return name !== undefined && pathModule.test(name);
    },
    loaderNames: /^(from_pretrained|pipeline|create|loadLayersModel|loadGraphModel)$/,
    loader,
  };
}

function imports(node: Node): { name: string; target: string }[] {
  const source = node.childForFieldName('source');
  const module = source?.text.slice(1, -1);
  if (module === undefined) return [];
  const bound = (
    alias: Node | null | undefined,
    target: string,
  ): { name: string; target: string }[] => (alias ? [{ name: alias.text, target }] : []);
  const clause = node.namedChildren.find((child) => child?.type === 'import_clause');
  return (clause?.namedChildren ?? []).flatMap((item) => {
    if (item?.type === 'identifier') return bound(item, module);
    if (item?.type === 'namespace_import') return bound(item.namedChild(0), module);
    return (item?.namedChildren ?? []).flatMap((specifier) => {
      const name = specifier?.childForFieldName('name');
      if (!name) return [];
      return bound(specifier?.childForFieldName('alias') ?? name, `${module}.${name.text}`);
    });
  });
}

/** `require('x')` and `await import('x')` stand for module `x`. */
function loadedModule(value: Node): string | undefined {
  const call = value.type === 'await_expression' ? value.namedChild(0) : value;
  if (call?.type !== 'call_expression') return undefined;
  const callee = call.childForFieldName('function')!;
  const source = call.childForFieldName('arguments')?.namedChild(0);
  if (source?.type !== 'string') return undefined;
  const loads =
    callee.type === 'import' || (callee.type === 'identifier' && callee.text === 'require');
  return loads ? source.text.slice(1, -1) : undefined;
}

function evaluateField(node: Node, field: string, bindings: Bindings): Value | undefined {
  const child = node.childForFieldName(field);
  return child ? bindings.evaluate(child) : undefined;
}

function evaluate(node: Node, bindings: Bindings): Value | undefined {
  switch (node.type) {
    case 'string':
    case 'template_string':
      return literal(node, bindings);
    case 'number':
      return /^\d+$/.test(node.text) ? { kind: 'number', text: node.text } : undefined;
    case 'parenthesized_expression':
    case 'as_expression':
    case 'satisfies_expression':
    case 'non_null_expression':
    case 'await_expression':
      return node.namedChild(0) ? bindings.evaluate(node.namedChild(0)!) : undefined;
    case 'assignment_expression':
      return evaluateField(node, 'right', bindings);
    case 'augmented_assignment_expression': {
      const left = node.childForFieldName('left')!;
      const operator = node.childForFieldName('operator')?.text;
      return concatenated(
        operator === '+=',
        bindings.valueOf(bindings.textOf(left), node),
        evaluateField(node, 'right', bindings),
      );
    }
    case 'binary_expression':
      return concatenated(
        node.childForFieldName('operator')?.text === '+',
        evaluateField(node, 'left', bindings),
        evaluateField(node, 'right', bindings),
      );
    case 'identifier':
      return (
        fileName(bindings.textOf(node), bindings) ?? bindings.valueOf(bindings.textOf(node), node)
      );
    case 'member_expression':
      return member(node, bindings);
    case 'new_expression':
      return address(node, bindings);
    case 'call_expression':
      return call(node, bindings);
    default:
      return undefined;
  }
}

function literal(node: Node, bindings: Bindings): Value | undefined {
  let text = '';
  for (const part of node.namedChildren) {
    if (part?.type === 'template_substitution') {
      const value = part.namedChild(0) && bindings.evaluate(part.namedChild(0)!);
      if (!value) return undefined;
      text += value.text;
    } else if (part) {
      const plain = unescapeText(bindings.textOf(part));
      if (plain === undefined) return undefined;
      text += plain;
    }
  }
  return { kind: 'string', text };
}

/** `+` joins text as soon as one side is text. */
function concatenated(
  isSum: boolean,
  left: Value | undefined,
  right: Value | undefined,
): Value | undefined {
  if (!isSum || !left || !right) return undefined;
  if (left.kind === 'number' && right.kind === 'number') return undefined;
  return { kind: 'string', text: left.text + right.text };
}

/** CommonJS's names for the file itself. */
function fileName(name: string, { file }: Bindings): Value | undefined {
  if (file === undefined) return undefined;
  if (name === '__filename') return { kind: 'string', text: file };
  return name === '__dirname' ? { kind: 'string', text: dirname(file) } : undefined;
}

function member(node: Node, bindings: Bindings): Value | undefined {
  const object = node.childForFieldName('object')!;
  const property = bindings.textOf(node.childForFieldName('property')!);
  if (bindings.textOf(object) === 'import.meta') {
    if (property === 'dirname') return fileName('__dirname', bindings);
    if (property === 'filename') return fileName('__filename', bindings);
    if (property !== 'url' || bindings.file === undefined) return undefined;
    return { kind: 'path', text: bindings.file };
  }
  const value = bindings.evaluate(object);
  // Of an address only: `pathname` and `href` of a file's address lead to the file.
  return value?.kind === 'path' && ['pathname', 'href'].includes(property)
    ? { kind: 'string', text: value.text }
    : undefined;
}

/** `new URL('./x', import.meta.url)` */
function address(node: Node, bindings: Bindings): Value | undefined {
  if (node.childForFieldName('constructor')?.text !== 'URL') return undefined;
  const [first, second] = (node.childForFieldName('arguments')?.namedChildren ?? []).map(
    (argument) => argument && bindings.evaluate(argument),
  );
  if (first?.kind !== 'string' || second?.kind !== 'path') return undefined;
  return { kind: 'path', text: joinPython([dirname(second.text), first.text]) };
}

const pathModule = /^(?:node:)?path(?:\.posix)?\.(join|resolve)$/;
const sameText = new Set(['String', 'url.fileURLToPath', 'node:url.fileURLToPath']);

function call(node: Node, bindings: Bindings): Value | undefined {
  const name = calleeName(node, bindings);
  const values = (node.childForFieldName('arguments')?.namedChildren ?? []).map(
    (argument) => argument && bindings.evaluate(argument),
  );
  const texts = values.flatMap((value) => (value && value.kind !== 'number' ? [value.text] : []));
  const [first] = texts;
  if (name === undefined || first === undefined || texts.length !== values.length) return undefined;
  const joins = pathModule.exec(name);
  if (joins) {
    const text = joins[1] === 'join' ? join(...texts) : joinPython(texts);
    return { kind: 'string', text };
  }
  if (texts.length > 1) return undefined;
  if (sameText.has(name)) return { kind: 'string', text: first };
  if (/^(?:node:)?path\.dirname$/.test(name)) return { kind: 'string', text: dirname(first) };
  if (/^(?:node:)?path\.normalize$/.test(name)) return { kind: 'string', text: normalize(first) };
  return undefined;
}

/** Dotted name of a call's function through imports: `ort.InferenceSession.create`. */
function calleeName(node: Node, bindings: Bindings): string | undefined {
  const parts: string[] = [];
  let at = node.childForFieldName('function');
  while (at?.type === 'member_expression') {
    parts.unshift(bindings.textOf(at.childForFieldName('property')!));
    at = at.childForFieldName('object');
  }
  return at?.type === 'identifier'
    ? bindings.canonical([bindings.textOf(at), ...parts], node)
    : undefined;
}

const withoutWeights = /Tokenizer|Processor|Config/;
const transformers = /^(@(huggingface|xenova)\/transformers\.)?pipeline$/;

function loader(node: Node, bindings: Bindings): LoaderCall | undefined {
  const callee = node.childForFieldName('function')!;
  const values = (node.childForFieldName('arguments')?.namedChildren ?? []).filter(
    (argument) => argument && argument.type !== 'comment',
  );
  const name = bindings.textOf(callee);
  const at = (
    position: number,
    accepts: LoaderCall['accepts'],
    loads = true,
  ): LoaderCall | undefined => {
    const argument = values[position];
    return argument ? { argument, name, accepts, loads } : undefined;
  };
  const property = callee.childForFieldName('property');
  if (property && bindings.textOf(property) === 'from_pretrained') {
    return at(0, 'hub', !withoutWeights.test(name));
  }
  const canonical = calleeName(node, bindings);
  if (canonical === undefined) return undefined;
  if (transformers.test(canonical)) return at(1, 'hub');
  if (/(^|\.)InferenceSession\.create$/.test(canonical)) return at(0, 'path');
  if (/(^|\.)load(Layers|Graph)Model$/.test(canonical)) return at(0, 'path');
  return undefined;
}
