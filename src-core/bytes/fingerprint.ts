import { sha256Files, statFile } from './byte-source.ts';

const known = new Map<string, string>();

/**
 * SHA-256 (hex) over files' bytes, one after another. Remembered within the process for as long as
 * their sizes and modification times stay.
 */
export async function fingerprintFiles(
  paths: readonly string[],
  signal?: AbortSignal,
): Promise<string> {
  const states = await Promise.all(paths.map(statFile));
  const key = JSON.stringify(paths.map((path, i) => [path, states[i]!.size, states[i]!.mtimeMs]));
  const remembered = known.get(key);
  if (remembered !== undefined) return remembered;
  const hash = await sha256Files(paths, signal);
  known.set(key, hash);
  return hash;
}
