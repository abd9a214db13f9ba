// The arrows of ARCHITECTURE.md as a lint rule: which part may import which.
import { relative, resolve, sep } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));

const parts = {
  'src-core': { own: [], banned: ['vscode', 'vscode-languageserver', 'vscode-languageclient'] },
  server: { own: ['src-core'], banned: ['vscode', 'vscode-languageclient', 'onnxruntime-node'] },
  client: { own: ['src-core'], banned: ['vscode-languageserver', 'onnxruntime-node'] },
  // Message and result types only: a webview holds no analysis code.
  webviews: {
    own: ['src-core/protocol', 'src-core/results', 'src-core/models/model.ts'],
    banned: ['vscode', 'vscode-languageserver', 'vscode-languageclient', 'node:'],
  },
};

/** Path below the root that `specifier` means when imported from `file`, or undefined for packages. */
function target(file, specifier) {
  if (specifier.startsWith('.')) return relative(root, resolve(file, '..', specifier));
  const workspace = /^@repscope\/(\w+)\/?(.*)$/.exec(specifier);
  if (!workspace) return undefined;
  return [workspace[1] === 'core' ? 'src-core' : workspace[1], workspace[2]].join(sep);
}

function fault(file, specifier) {
  // A fixture stands for the file whose path follows its own folder.
  const path = relative(root, file).replace(/^test\/fixtures\/eslint-boundary\//, '');
  const part = path.split(sep)[0];
  const rule = parts[part];
  if (!rule || /\.test\.ts$/.test(path)) return undefined;
  const banned = rule.banned.find(
    (name) =>
      specifier === name ||
      specifier.startsWith(`${name}/`) ||
      (name.endsWith(':') && specifier.startsWith(name)),
  );
  if (banned) return `${part} must not import ${specifier}`;
  if (specifier === 'onnxruntime-node' && !path.startsWith(['src-core', 'engine'].join(sep))) {
    return 'native engines load only in src-core/engine, inside a worker';
  }
  const isTfjs = specifier.startsWith('@tensorflow/');
  if (isTfjs && !path.startsWith(['src-core', 'engine', 'tfjs'].join(sep))) {
    return 'TensorFlow.js loads only in src-core/engine/tfjs, inside a worker';
  }
  const to = target(resolve(root, path), specifier);
  if (to === undefined || to.startsWith(`${part}${sep}`)) return undefined;
  const allowed = rule.own.some((prefix) => to === prefix || to.startsWith(`${prefix}/`));
  return allowed ? undefined : `${part} must not import ${to}`;
}

export const boundaries = {
  rules: {
    boundaries: {
      meta: { type: 'problem', schema: [] },
      create(context) {
        const check = (node) => {
          const source = node.source;
          if (!source || typeof source.value !== 'string') return;
          const message = fault(context.filename, source.value);
          if (message) context.report({ node: source, message });
        };
        return {
          ImportDeclaration: check,
          ExportNamedDeclaration: check,
          ExportAllDeclaration: check,
          ImportExpression: check,
        };
      },
    },
  },
};
