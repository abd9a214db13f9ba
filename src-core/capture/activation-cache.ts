import { createHash } from 'node:crypto';
import { readdir, rm, stat, utimes } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { Pool } from '../jobs/messages.ts';
import { isBeingWritten } from './row-file.ts';
import { openMatrix, type MatrixFile } from '../tensor/matrix-file.ts';

/** All that decides a layer's activations. */
export interface ActivationKey {
  /** Fingerprint of the model's files. */
  model: string;
  /** SHA-256 of the probe set. */
  probe: string;
  layer: string;
  pool: Pool;
}

/** Part of every key: raise it when captured values, or their order in a run, change. */
const formatVersion = 2;

/** Rows and unfinished rows; nothing else in the folder is ever removed. */
const ours = /^[0-9a-f]{64}\.safetensors(\.\d+\.partial)?$/;

/** Rows that a running job reads or writes, by file name, with how many times. */
const inUse = new Map<string, number>();

/**
 * Captured rows on disk, one `.safetensors` file a layer, named by the hash of what decides them.
 * Files appear whole, so a killed process leaves no half a layer under a layer's name. The files
 * used longest ago go first where the folder grows past its limit.
 */
export class ActivationCache {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** The file that remembers models' fingerprints. */
  get fingerprints(): string {
    return join(this.#folder, 'fingerprints.json');
  }

  path(key: ActivationKey): string {
    const { model, probe, layer, pool } = key;
    const name = createHash('sha256')
      .update(JSON.stringify([formatVersion, model, probe, layer, pool, 'float32']))
      .digest('hex');
    return join(this.#folder, `${name}.safetensors`);
  }

  /** The stored rows, or undefined where there are none. A damaged file counts as none. */
  async find(key: ActivationKey): Promise<MatrixFile | undefined> {
    const path = this.path(key);
    try {
      const now = new Date();
      await utimes(path, now, now);
      return await openMatrix(`${path}#rows`, this.#folder);
    } catch {
      return undefined;
    }
  }

  /** Keeps the rows of `keys` from being evicted until the function it gives back is called. */
  hold(keys: readonly ActivationKey[]): () => void {
    const names = keys.map((key) => basename(this.path(key)));
    for (const name of names) inUse.set(name, (inUse.get(name) ?? 0) + 1);
    return () => {
      for (const name of names.splice(0)) {
        const count = inUse.get(name)! - 1;
        if (count > 0) inUse.set(name, count);
        else inUse.delete(name);
      }
    };
  }

  /**
   * Removes what was used longest ago until `needed` more bytes leave the folder within `limit`.
   * Rows that a job of this process holds stay. Where removing fails the file stays too.
   */
  async makeRoom(limit: number, needed = 0): Promise<void> {
    const names = (await readdir(this.#folder).catch(() => [])).filter((name) => ours.test(name));
    const files = await Promise.all(
      names.map(async (name) => {
        const path = join(this.#folder, name);
        const stats = await stat(path).catch(() => undefined);
        return { name, path, size: stats?.size ?? 0, used: stats?.mtimeMs ?? 0 };
      }),
    );
    let total = files.reduce((sum, { size }) => sum + size, needed);
    for (const { name, path, size } of files.sort((a, b) => a.used - b.used)) {
      if (total <= limit) return;
      if (inUse.has(name.replace(/\.\d+\.partial$/, '')) || isBeingWritten(name)) continue;
      await rm(path, { force: true }).catch(() => undefined);
      total -= size;
    }
  }
}
