import { createHash } from 'node:crypto';
import { mkdir, readFile, rename, stat, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { sha256Files, statFile } from './byte-source.ts';

/** How a fingerprint may be had at less than its full price, and watched while it is made. */
export interface FingerprintOptions {
  signal?: AbortSignal | undefined;
  /** JSON file that remembers fingerprints between processes. */
  memory?: string | undefined;
  /** Called with the share (0–1) of the bytes that are read; may throw to stop. */
  progress?: ((fraction: number) => Promise<void>) | undefined;
}

/** By what files there are and when they changed; of this process. */
const known = new Map<string, string>();

/** A file changed less than this before it was read may change again within the clock's grain. */
const settleMs = 2000;
/** Fingerprints that the file keeps; the oldest go first. */
const maxRemembered = 1000;

/**
 * SHA-256 (hex) over files' bytes, one after another. Remembered for as long as nothing about the
 * files changes that the file system tells: path, size, inode, and the times of the last change of
 * content and of status, in nanoseconds. (The time of status cannot be set back by a user, so a
 * file that is replaced and given its old date is read again.)
 */
export async function fingerprintFiles(
  paths: readonly string[],
  { signal, memory, progress }: FingerprintOptions = {},
): Promise<string> {
  const key = await stateKey(paths);
  const remembered = known.get(key) ?? (memory && (await recall(memory))[key]);
  if (remembered !== undefined && remembered !== '') {
    known.set(key, remembered);
    return remembered;
  }
  const hash = await sha256Files(paths, signal, progress);
  // What was written to meanwhile has no fingerprint that could serve another time.
  if ((await stateKey(paths)) !== key) return hash;
  known.set(key, hash);
  if (memory !== undefined && (await isSettled(paths))) await remember(memory, key, hash);
  return hash;
}

async function stateKey(paths: readonly string[]): Promise<string> {
  const states = await Promise.all(
    paths.map(async (path) => {
      await statFile(path);
      const { size, ino, mtimeNs, ctimeNs } = await stat(path, { bigint: true });
      return [path, ...[size, ino, mtimeNs, ctimeNs].map(String)];
    }),
  );
  return createHash('sha256').update(JSON.stringify(states)).digest('hex');
}

async function isSettled(paths: readonly string[]): Promise<boolean> {
  const states = await Promise.all(paths.map((path) => stat(path)));
  return states.every(({ mtimeMs, ctimeMs }) => Date.now() - Math.max(mtimeMs, ctimeMs) > settleMs);
}

/** What the file remembers; nothing where it is missing or damaged. */
async function recall(memory: string): Promise<Record<string, string>> {
  try {
    const stored: unknown = JSON.parse(await readFile(memory, 'utf8'));
    if (typeof stored !== 'object' || stored === null) return {};
    return Object.fromEntries(
      Object.entries(stored).filter(([, hash]) => /^[0-9a-f]{64}$/.test(String(hash))),
    );
  } catch {
    return {};
  }
}

/** Two processes that write at once lose one entry, which costs its reading again and no more. */
async function remember(memory: string, key: string, hash: string): Promise<void> {
  try {
    const entries = Object.entries({ ...(await recall(memory)), [key]: hash });
    const temporary = `${memory}.${process.pid}`;
    await mkdir(dirname(memory), { recursive: true });
    await writeFile(temporary, JSON.stringify(Object.fromEntries(entries.slice(-maxRemembered))));
    await rename(temporary, memory);
  } catch {
    // A folder that cannot be written to only costs time.
  }
}
