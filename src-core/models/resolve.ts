import { readdir, readFile, stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import { isAbsolute, join, resolve } from 'node:path';
import { cachedRepository } from './hub/environment.ts';

const modelExtension = /\.(onnx|safetensors|gguf|pt|pth|bin|ckpt|h5|json|npy|npz|tflite|pkl)$/i;

/** Whether `name` could be a Hugging Face hub id: `org/name`, or `name` alone. */
export function looksLikeHubId(name: string): boolean {
  return (
    name.length <= 96 &&
    /^(?:[\w][\w.-]*\/)?[\w][\w.-]*$/.test(name) &&
    !/--|\.\./.test(name) &&
    !modelExtension.test(name)
  );
}

const environment = (name: string) => process.env[name] ?? '';

function cacheFolder(): string {
  if (process.platform === 'darwin') return join(homedir(), 'Library', 'Caches');
  if (process.platform === 'win32') {
    return environment('LOCALAPPDATA') || join(homedir(), 'AppData', 'Local');
  }
  return environment('XDG_CACHE_HOME') || join(homedir(), '.cache');
}

/** Repscope's own model folder: `REPSCOPE_MODELS`, else below the platform's cache folder. */
export function modelsFolder(): string {
  return environment('REPSCOPE_MODELS') || join(cacheFolder(), 'repscope', 'models');
}

const exists = (path: string) =>
  stat(path).then(
    () => true,
    () => false,
  );

/** The snapshot that `refs/main` names, else the newest. */
async function cachedSnapshot(id: string): Promise<string | undefined> {
  const repository = cachedRepository(id);
  const snapshots = join(repository, 'snapshots');
  const revision = await readFile(join(repository, 'refs', 'main'), 'utf8').catch(() => '');
  if (/^[0-9a-f]{7,64}$/i.test(revision.trim())) {
    const snapshot = join(snapshots, revision.trim());
    if (await exists(snapshot)) return snapshot;
  }
  const names = await readdir(snapshots).catch(() => []);
  const dated = await Promise.all(
    names.map(async (name) => {
      const path = join(snapshots, name);
      return { path, time: (await stat(path)).mtimeMs };
    }),
  ).catch(() => []);
  return dated.sort((a, b) => b.time - a.time)[0]?.path;
}

/**
 * Where a model lies: a path, absolute or relative to one of `folders` (first match), or a hub id in
 * the local Hugging Face cache or in {@link modelsFolder}. Nothing is downloaded.
 */
export async function resolveModel(
  name: string,
  folders: readonly string[],
): Promise<string | undefined> {
  if (name.trim() === '' || name.includes('\0')) return undefined;
  const home = /^~[\\/]/.test(name) ? join(homedir(), name.slice(2)) : name;
  if (isAbsolute(home)) return (await exists(home)) ? resolve(home) : undefined;
  for (const folder of folders) {
    const path = resolve(folder, home);
    if (await exists(path)) return path;
  }
  if (!looksLikeHubId(name)) return undefined;
  const cached = await cachedSnapshot(name);
  if (cached !== undefined) return cached;
  const own = join(modelsFolder(), ...name.split('/'));
  return (await exists(own)) ? own : undefined;
}
