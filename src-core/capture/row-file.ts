import { mkdir, open, readdir, rename, rm, type FileHandle } from 'node:fs/promises';
import { writeSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { openBytes } from '../bytes/byte-source.ts';
import {
  readSafetensorsHeader,
  safetensorsHeader,
  writeError,
  type TensorPlan,
} from '../tensor/safetensors.ts';

/** Owner in the name of a file that nobody writes to. */
const nobody = 0;
/** Bytes of the count that follows the rows while they are incomplete. */
const countBytes = 8;

const partialPattern = /^(.*\.safetensors)\.(\d+)\.partial$/;

/** Whether a file of this name is one that a living process writes to. */
export function isBeingWritten(name: string): boolean {
  const owner = Number(partialPattern.exec(name)?.[2] ?? nobody);
  return owner !== nobody && isAlive(owner);
}

const plan = (n: number, d: number): TensorPlan[] => [
  { name: 'rows', dtype: 'float32', shape: [n, d] },
];

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // Another user's process exists too, though no signal may be sent to it.
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}

/**
 * The rows of one layer while they are captured: `<hash>.<process id>.partial`, a safetensors file
 * with room for all rows, and behind them the number of samples that are finished. Rows come in any
 * order. The file gets its name when it is complete. One that a dead process left can be claimed by
 * renaming, which only one process can win.
 */
export class RowFile {
  readonly n: number;
  readonly d: number;
  /** Samples finished by an earlier process, in the order in which samples are run. */
  readonly finished: number;
  readonly #path: string;
  readonly #partial: string;
  readonly #handle: FileHandle;
  readonly #dataStart: number;

  private constructor(
    path: string,
    partial: string,
    handle: FileHandle,
    [n, d]: [number, number],
    finished: number,
  ) {
    this.#path = path;
    this.#partial = partial;
    this.#handle = handle;
    this.n = n;
    this.d = d;
    this.finished = finished;
    this.#dataStart = safetensorsHeader(plan(n, d)).length;
  }

  /** @throws UserError `unwritable`, `disk-full`. */
  static async create(path: string, n: number, d: number): Promise<RowFile> {
    const partial = partialName(path, process.pid);
    try {
      await mkdir(dirname(path), { recursive: true });
      const handle = await open(partial, 'w+');
      const file = new RowFile(path, partial, handle, [n, d], 0);
      await handle.write(safetensorsHeader(plan(n, d)), 0, undefined, 0);
      file.#writeCount(0);
      return file;
    } catch (error) {
      throw writeError(path, error);
    }
  }

  /** What an ended process left of one of `counts` rows; undefined where there is nothing sound. */
  static async claim(path: string, counts: readonly number[]): Promise<RowFile | undefined> {
    const names = await readdir(dirname(path)).catch(() => []);
    for (const name of names) {
      if (partialPattern.exec(name)?.[1] !== basename(path) || isBeingWritten(name)) continue;
      const partial = partialName(path, process.pid);
      try {
        await rename(join(dirname(path), name), partial);
        return await RowFile.#reopen(path, partial, counts);
      } catch {
        await rm(partial, { force: true });
      }
    }
    return undefined;
  }

  static async #reopen(path: string, partial: string, counts: readonly number[]): Promise<RowFile> {
    const source = await openBytes(partial);
    try {
      const shape = (await readSafetensorsHeader(source)).tensors.get('rows')?.shape;
      const [n = 0, d = 0] = shape ?? [];
      const size = safetensorsHeader(plan(n, d)).length + n * d * Float32Array.BYTES_PER_ELEMENT;
      if (!counts.includes(n) || source.size !== size + countBytes) throw new Error('other rows');
      const count = await source.read(size, countBytes);
      const finished = Number(new DataView(count.buffer).getBigUint64(0, true));
      return new RowFile(path, partial, await open(partial, 'r+'), [n, d], finished);
    } finally {
      await source.close();
    }
  }

  /** Rows from number `at` on, row-major. Waits for the system's own cache, not for the disk. */
  write(at: number, rows: Float32Array): void {
    const bytes = new Uint8Array(rows.buffer, rows.byteOffset, rows.byteLength);
    this.#put(bytes, this.#dataStart + at * this.d * rows.BYTES_PER_ELEMENT);
  }

  #put(bytes: Uint8Array, position: number): void {
    try {
      for (let done = 0; done < bytes.length;) {
        done += writeSync(this.#handle.fd, bytes, done, bytes.length - done, position + done);
      }
    } catch (error) {
      throw writeError(this.#path, error);
    }
  }

  #writeCount(samples: number): void {
    const count = new Uint8Array(countBytes);
    new DataView(count.buffer).setBigUint64(0, BigInt(samples), true);
    this.#put(count, this.#dataStart + this.n * this.d * Float32Array.BYTES_PER_ELEMENT);
  }

  /** Notes that `samples` are on the disk and need not be run again. */
  async checkpoint(samples: number): Promise<void> {
    try {
      await this.#handle.datasync();
    } catch (error) {
      throw writeError(this.#path, error);
    }
    this.#writeCount(samples);
  }

  /** Makes the complete file appear under its name. */
  async finish(): Promise<void> {
    try {
      const size = this.#dataStart + this.n * this.d * Float32Array.BYTES_PER_ELEMENT;
      await this.#handle.truncate(size);
      await this.#handle.sync();
      await this.#handle.close();
      await rename(this.#partial, this.#path);
    } catch (error) {
      await this.discard();
      throw writeError(this.#path, error);
    }
  }

  /** Leaves what is finished to whoever captures the same rows next. */
  async leave(): Promise<void> {
    await this.#handle.close().catch(() => undefined);
    await rename(this.#partial, partialName(this.#path, nobody)).catch(() => undefined);
  }

  /** Leaves nothing behind. */
  async discard(): Promise<void> {
    await this.#handle.close().catch(() => undefined);
    await rm(this.#partial, { force: true });
  }
}

const partialName = (path: string, owner: number) => `${path}.${owner}.partial`;
