import type { Dirent } from 'node:fs';
import { readdir, readFile, stat } from 'node:fs/promises';
import { dirname, extname, isAbsolute, join, relative, sep } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { WorkspaceModel } from '@repscope/core/protocol/language-server.ts';
import { modelName } from './model-catalog.ts';
import { findReferences } from './reference.ts';
import { languageIdOf } from './references/syntax.ts';
import { SourceDocument } from './source-document.ts';

const skipped = new Set([
  'node_modules',
  'venv',
  'env',
  'dist',
  'build',
  'out',
  'target',
  '__pycache__',
]);
const maxEntries = 50_000;
const maxSources = 5_000;
const maxSourceBytes = 512 * 1024;

interface Scan {
  /** Source files by path. */
  sources: Map<string, SourceDocument>;
  /** Model files and checkpoint folders. */
  models: Set<string>;
  entries: number;
}

/**
 * The models of the workspace: those that source files mention and those that lie in its folders.
 * Bounded in files and sizes, so that a huge folder costs little.
 */
export class WorkspaceIndex {
  #scan: Promise<Scan> | undefined;
  #folders: readonly string[] = [];

  /** Starts looking through `folders` anew. */
  rescan(folders: readonly string[]): void {
    this.#folders = folders;
    this.#scan = scan(folders);
  }

  /** A source or model file was written, added or removed. */
  async changed(path: string): Promise<void> {
    const before = this.#scan;
    if (!before || !this.#folders.some((folder) => isInside(folder, path))) return;
    const applied = before.then((index) => update(index, path));
    // Lists wait for changes under way; one that fails leaves the others alone.
    const after = (): Promise<Scan> => before;
    this.#scan = applied.then(after, after);
    await applied;
  }

  /** Model files and folders found lying in the workspace. */
  async modelFiles(): Promise<string[]> {
    return [...((await this.#scan)?.models ?? [])];
  }

  /** All models with their references; open documents stand for their files. */
  async list(open: readonly SourceDocument[]): Promise<WorkspaceModel[]> {
    const index = await this.#scan;
    const models = new Map<string, WorkspaceModel>();
    const entry = (path: string): WorkspaceModel => {
      const known = models.get(path) ?? { path, name: modelName(path), references: [] };
      models.set(path, known);
      return known;
    };
    const openUris = new Set(open.map(({ path, uri }) => path ?? uri));
    const closed = [...(index?.sources ?? [])].filter(([path]) => !openUris.has(path));
    for (const document of [...open, ...closed.map(([, source]) => source)]) {
      for (const { path, range, mention } of await findReferences(document, this.#folders)) {
        if (path === undefined) continue;
        entry(path).references.push({ uri: document.uri, range, name: mention.name, path });
      }
    }
    for (const path of index?.models ?? []) entry(path);
    return [...models.values()].sort((a, b) => a.path.localeCompare(b.path));
  }
}

async function scan(folders: readonly string[]): Promise<Scan> {
  const index: Scan = { sources: new Map(), models: new Set(), entries: 0 };
  for (const folder of folders) await walk(index, folder);
  return index;
}

async function walk(index: Scan, folder: string): Promise<void> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  addModels(index, folder, entries);
  for (const entry of entries) {
    index.entries += 1;
    if (index.entries > maxEntries) return;
    const path = join(folder, entry.name);
    if (entry.isFile()) await addSource(index, path);
    else if (entry.isDirectory() && !isSkipped(entry.name)) await walk(index, path);
  }
}

async function update(index: Scan, path: string): Promise<void> {
  if (languageIdOf(extname(path)) !== undefined) {
    index.sources.delete(path);
    await addSource(index, path);
    return;
  }
  const folder = dirname(path);
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  for (const model of index.models) {
    if (model === folder || dirname(model) === folder) index.models.delete(model);
  }
  addModels(index, folder, entries);
}

/** The models that lie in a folder: itself where it is a checkpoint, and its files. */
function addModels(index: Scan, folder: string, entries: readonly Dirent[]): void {
  const files = entries.filter((entry) => entry.isFile()).map(({ name }) => name);
  const weights = files.filter((name) => /\.safetensors$/i.test(name));
  const isCheckpoint = files.includes('config.json') && weights.length > 0;
  if (isCheckpoint) index.models.add(folder);
  const graphs = files.filter((name) => /\.onnx$/i.test(name));
  // Weights of a checkpoint are not models of their own.
  const others = files.filter((name) => /\.(gguf|keras|pt|pth)$/i.test(name));
  // TensorFlow.js names its models so and its weights as it likes, but for the ending.
  if (files.includes('model.json') && files.some((name) => name.endsWith('.bin'))) {
    others.push('model.json');
  }
  for (const name of isCheckpoint ? graphs : [...graphs, ...weights, ...others]) {
    index.models.add(join(folder, name));
  }
}

const isSkipped = (name: string): boolean => name.startsWith('.') || skipped.has(name);

/** Whether a path lies in a folder that is looked through. */
function isInside(folder: string, path: string): boolean {
  const way = relative(folder, dirname(path));
  if (way === '') return true;
  return !isAbsolute(way) && !way.split(sep).some((name) => name === '..' || isSkipped(name));
}

/** Files without a mention are not kept. */
async function addSource(index: Scan, path: string): Promise<void> {
  const languageId = languageIdOf(extname(path));
  if (languageId === undefined || index.sources.size >= maxSources) return;
  const found = await stat(path).catch(() => undefined);
  if (!found?.isFile() || found.size > maxSourceBytes) return;
  const text = await readFile(path, 'utf8').catch(() => '');
  const source = new SourceDocument(pathToFileURL(path).href, languageId, 0, text);
  if ((await source.mentions()).length > 0) index.sources.set(path, source);
  // The mentions stay; the tree is not needed again.
  source.dispose();
}
