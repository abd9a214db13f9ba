import { homedir } from 'node:os';
import { join } from 'node:path';

/** The user's cache folder for what this project fetches. */
export function userCache(): string {
  const { XDG_CACHE_HOME, LOCALAPPDATA } = process.env;
  if (process.platform === 'win32') {
    return join(LOCALAPPDATA ?? join(homedir(), 'AppData', 'Local'), 'repscope');
  }
  if (process.platform === 'darwin') return join(homedir(), 'Library', 'Caches', 'repscope');
  return join(XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'repscope');
}
