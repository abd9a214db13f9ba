import { createHash } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Pool } from '../jobs/messages.ts';
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

/** Part of every key: raise it when captured values change for the same inputs. */
const formatVersion = 1;

/**
 * Captured rows on disk, one `.safetensors` file a layer, named by the hash of what decides them.
 * Files appear whole (written beside and renamed), so a killed process leaves no half a layer.
 */
export class ActivationCache {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
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
      await stat(path);
      return await openMatrix(`${path}#rows`, this.#folder);
    } catch {
      return undefined;
    }
  }
}
