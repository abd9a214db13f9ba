// Packages the extension: node scripts/package.mjs [--target linux-x64|…|none]
//
// The package is staged from a list of what belongs in it, so nothing else can slip in. It holds
// native code for one platform; the target `none` holds no native code and only inspects models.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cp, mkdir, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const root = fileURLToPath(new URL('..', import.meta.url));
const require = createRequire(new URL('../src-core/', import.meta.url));

export const targets = ['linux-x64', 'linux-arm64', 'darwin-arm64', 'win32-x64', 'win32-arm64'];
const MAX_BYTES = 80 * 1024 * 1024;

/** Beside dist/, which is built for the package. */
const files = ['README.md', 'CHANGELOG.md', 'LICENSE', 'package.nls.json', 'media'];

/** What only a checkout needs. */
const notInManifest = [
  'private',
  'workspaces',
  'scripts',
  'allowScripts',
  'devDependencies',
  'type',
];

/** This platform, or `none` where there is no native code for it. */
export function hostTarget() {
  const host = `${process.platform}-${process.arch}`;
  return targets.includes(host) ? host : 'none';
}

/** Package for `target` and answer the path of the VSIX. */
export async function packageExtension(target = hostTarget()) {
  if (target !== 'none' && !targets.includes(target)) {
    throw new Error(`--target ${target}: unknown; one of ${[...targets, 'none'].join(', ')}`);
  }
  const stage = join(root, 'build', 'stage', target);
  const out = join(root, 'build', 'vsix', target);
  for (const folder of [stage, out]) {
    await rm(folder, { recursive: true, force: true });
    await mkdir(folder, { recursive: true });
  }
  const manifest = await stageExtension(stage, target);
  const name = [manifest.name, ...(target === 'none' ? [] : [target]), manifest.version].join('-');
  runNode(
    [
      join(root, 'node_modules', '@vscode', 'vsce', 'vsce'),
      ...['package', '--no-dependencies', '--allow-missing-repository'],
      '--no-rewrite-relative-links',
      ...['--out', join(out, `${name}.vsix`)],
      ...(target === 'none' ? [] : ['--target', target]),
    ],
    stage,
  );
  return onlyPackage(out);
}

async function stageExtension(stage, target) {
  const manifest = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'));
  for (const key of notInManifest) delete manifest[key];
  manifest.engines = { vscode: manifest.engines.vscode };
  await writeFile(join(stage, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`);
  // Nothing is ignored: the stage holds only what belongs in the package.
  await writeFile(join(stage, '.vscodeignore'), '');
  for (const file of files) await cp(join(root, file), join(stage, file), { recursive: true });
  runNode([join(root, 'scripts', 'build.mjs'), '--production', '--out', join(stage, 'dist')], root);
  if (target !== 'none') {
    const modules = join(stage, 'dist', 'node_modules');
    await copyEngine(modules, target);
    await copyWithDependencies(nativeHome(target), 'sharp', modules, target);
  }
  return manifest;
}

/** Runs a script of Node to its end; what it prints matters only where it fails. */
function runNode(args, cwd) {
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { cwd, encoding: 'utf8' });
  if (status !== 0) throw new Error(`${args[0]} failed\n${stdout}${stderr}`);
}

/** onnxruntime with the native library of one platform, where dist/worker.mjs finds it. */
async function copyEngine(modules, target) {
  const engine = dirname(require.resolve('onnxruntime-node/package.json'));
  const common = packageFolder(createRequire(join(engine, 'package.json')), 'onnxruntime-common');
  const native = join('bin', 'napi-v6', ...target.split('-'));
  if (!existsSync(join(engine, native))) throw new Error(`onnxruntime-node has no ${native}`);
  const code = (path) => !/\.(map|d\.ts)$/.test(path);
  const copy = (from, name, part) =>
    cp(join(from, part), join(modules, name, part), {
      recursive: true,
      filter: (path) => code(relative(from, path)),
    });
  await copy(engine, 'onnxruntime-node', 'package.json');
  await copy(engine, 'onnxruntime-node', 'dist');
  await copy(engine, 'onnxruntime-node', native);
  await copy(common, 'onnxruntime-common', 'package.json');
  await copy(common, 'onnxruntime-common', join('dist', 'cjs'));
}

/**
 * Where packages with native code for `target` are installed: here, or, for another platform, in a
 * folder that npm fills for that one.
 */
function nativeHome(target) {
  if (target === hostTarget()) return require;
  const home = join(root, 'build', 'native', target);
  const [os, cpu] = target.split('-');
  const { version } = JSON.parse(
    readFileSync(join(packageFolder(require, 'sharp'), 'package.json'), 'utf8'),
  );
  const flags = ['--no-save', '--ignore-scripts', '--no-audit', '--no-fund'];
  const platform = [`--os=${os}`, `--cpu=${cpu}`, ...(os === 'linux' ? ['--libc=glibc'] : [])];
  mkdirSync(home, { recursive: true });
  writeFileSync(join(home, 'package.json'), '{"private":true}\n');
  const command = ['install', `sharp@${version}`, ...flags, ...platform];
  const { status, stderr } = spawnSync('npm', command, {
    cwd: home,
    encoding: 'utf8',
    shell: process.platform === 'win32',
  });
  if (status !== 0) throw new Error(`npm ${command.join(' ')} failed\n${stderr}`);
  return createRequire(join(home, 'package.json'));
}

/** A package and all that it needs to run on `target`, without what only compilers read. */
async function copyWithDependencies(from, name, modules, target) {
  const folder = packageFolder(from, name);
  const unneeded = /(^|[\\/])(src|install|include|glib-2\.0)$|\.(map|d\.ts)$/;
  await cp(folder, join(modules, name), {
    recursive: true,
    filter: (path) => !unneeded.test(relative(folder, path)),
  });
  const manifest = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8'));
  const optional = Object.keys(manifest.optionalDependencies ?? {});
  const needed = [
    ...Object.keys(manifest.dependencies ?? {}),
    ...optional.filter((dependency) => dependency.endsWith(`-${target}`)),
  ];
  const inside = createRequire(join(folder, 'package.json'));
  for (const dependency of needed) await copyWithDependencies(inside, dependency, modules, target);
}

/** Folder of the package `name`, whose exports may hide its manifest. */
function packageFolder(from, name) {
  const folders = from.resolve.paths(name).map((modules) => join(modules, name));
  const folder = folders.find((candidate) => existsSync(join(candidate, 'package.json')));
  if (folder === undefined) throw new Error(`the package ${name} is not installed`);
  return folder;
}

async function onlyPackage(folder) {
  const packages = (await readdir(folder)).filter((name) => name.endsWith('.vsix'));
  if (packages.length !== 1)
    throw new Error(`${folder}: ${packages.length} packages, expected one`);
  const path = join(folder, packages[0]);
  const { size } = await stat(path);
  if (size > MAX_BYTES)
    throw new Error(`${path}: ${megabytes(size)}, more than ${megabytes(MAX_BYTES)}`);
  console.log(`${relative(root, path)}: ${megabytes(size)}`);
  return path;
}

const megabytes = (bytes) => `${(bytes / 1024 ** 2).toFixed(1)} MB`;

if (import.meta.main) {
  const { values } = parseArgs({ options: { target: { type: 'string' } } });
  await packageExtension(values.target);
}
