// Bundles every part into dist/, the folder that the commands run from, or into the folder given
// by --out: the VSIX has bundles of its own, made with --production.
import { build } from 'esbuild';
import { cp, mkdir, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { existsSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const { values: flags } = parseArgs({
  options: { production: { type: 'boolean' }, out: { type: 'string', default: 'dist' } },
});
const root = fileURLToPath(new URL('..', import.meta.url));
const out = resolve(root, flags.out);
const require = createRequire(import.meta.url);
const requireFromCore = createRequire(new URL('../src-core/', import.meta.url));

const common = {
  absWorkingDir: root,
  bundle: true,
  outdir: out,
  sourcemap: flags.production ? false : 'linked',
  minify: flags.production ?? false,
  logLevel: 'warning',
  metafile: true,
};

const node = {
  ...common,
  platform: 'node',
  target: 'node22',
  format: 'esm',
  outExtension: { '.js': '.mjs' },
  // TensorFlow.js is a chunk of its own, which a worker reads only where a model needs it.
  splitting: true,
  chunkNames: '[name]-[hash]',
  // The models come from files: nothing is ever fetched.
  external: ['onnxruntime-node', '@tensorflow/tfjs-node-gpu', 'node-fetch', 'sharp'],
  // CommonJS packages inside an ES module bundle still call require and read where they lie.
  banner: {
    js: [
      "import { createRequire as repscopeRequire } from 'node:module';",
      "import { fileURLToPath as repscopePath } from 'node:url';",
      'const require = repscopeRequire(import.meta.url);',
      'const __filename = repscopePath(import.meta.url);',
      "const __dirname = repscopePath(new URL('.', import.meta.url));",
    ].join(' '),
  },
};

const entries = (list) =>
  Object.fromEntries(Object.entries(list).filter(([, path]) => existsSync(join(root, path))));

await rm(out, { recursive: true, force: true });
await mkdir(out, { recursive: true });
await Promise.all([
  build({
    ...node,
    entryPoints: entries({
      cli: 'src-core/cli/main.ts',
      worker: 'src-core/jobs/worker.ts',
      server: 'server/main.ts',
    }),
  }),
  build({
    ...common,
    platform: 'node',
    target: 'node22',
    format: 'cjs',
    outExtension: { '.js': '.cjs' },
    external: ['vscode'],
    entryPoints: entries({ extension: 'client/extension.ts' }),
  }),
  build({
    ...common,
    minify: true,
    platform: 'browser',
    target: 'es2022',
    format: 'iife',
    outdir: join(out, 'webviews'),
    entryPoints: entries({
      panel: 'webviews/src/panel.ts',
      inspector: 'webviews/src/inspector.ts',
      report: 'webviews/src/report.ts',
    }),
    loader: { '.css': 'css' },
  }),
]);

const wasm = 'tfjs-backend-wasm-simd.wasm';
const wasmPackage = dirname(requireFromCore.resolve('@tensorflow/tfjs-backend-wasm/package.json'));
await cp(join(wasmPackage, 'dist', wasm), join(out, wasm));

const kernels = join('src-core', 'engine', 'linear-algebra', 'wasm', 'kernels.wasm');
await cp(join(root, kernels), join(out, 'kernels.wasm'));

const grammars = dirname(require.resolve('@vscode/tree-sitter-wasm'));
await mkdir(join(out, 'grammars'));
for (const name of [
  'tree-sitter',
  'tree-sitter-python',
  'tree-sitter-typescript',
  'tree-sitter-tsx',
  'tree-sitter-javascript',
]) {
  await cp(join(grammars, `${name}.wasm`), join(out, 'grammars', `${name}.wasm`));
}
