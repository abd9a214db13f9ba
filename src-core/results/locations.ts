import { homedir } from 'node:os';
import { join } from 'node:path';

/**
 * Where the command line, and any LSP client that names no folder, keeps runs and activations:
 * `REPSCOPE_STORAGE`, else the platform's folder for user data.
 */
export function defaultStorage(env: NodeJS.ProcessEnv = process.env): string {
  if (env['REPSCOPE_STORAGE']) return env['REPSCOPE_STORAGE'];
  const home = homedir();
  switch (process.platform) {
    case 'win32':
      return join(env['LOCALAPPDATA'] ?? join(home, 'AppData', 'Local'), 'Repscope');
    case 'darwin':
      return join(home, 'Library', 'Application Support', 'Repscope');
    default:
      return join(env['XDG_DATA_HOME'] ?? join(home, '.local', 'share'), 'repscope');
  }
}

/** Folder of captured activations below a storage folder. */
export function activationFolder(storage: string): string {
  return join(storage, 'activations');
}

/**
 * Bytes that kept activations may take on disk where the user names no limit:
 * `REPSCOPE_CACHE_LIMIT` in MiB, else 10 GiB.
 */
export function defaultCacheLimit(env: NodeJS.ProcessEnv = process.env): number {
  const mebibytes = Number(env['REPSCOPE_CACHE_LIMIT']);
  return env['REPSCOPE_CACHE_LIMIT'] && mebibytes >= 0 ? mebibytes * 2 ** 20 : 10 * 1024 ** 3;
}
