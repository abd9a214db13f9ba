import { createHash, type Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open, readdir, rename, rm, stat, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { UserError } from '../../errors.ts';
import type { HubFile } from './select-files.ts';

// A partial file is named `HASH.repscope-PID.incomplete` after the process that writes it. One whose
// process ended is claimed by renaming it, which only one claimant can; no lock has to be kept alive.
// Partial files of the Python library, which have other names, are its own.

const namePattern = /^([0-9a-f]+)\.repscope-(\d+)\.incomplete$/;

interface Found {
  path: string;
  pid: number;
  size: number;
}

async function findPartials(folder: string, hash: string): Promise<Found[]> {
  const names = await readdir(folder).catch(() => []);
  const found = await Promise.all(
    names.map(async (name) => {
      const match = namePattern.exec(name);
      if (match?.[1] !== hash) return [];
      const path = join(folder, name);
      const size = (await stat(path).catch(() => undefined))?.size;
      return size === undefined ? [] : [{ path, pid: Number(match[2]), size }];
    }),
  );
  return found
    .flat()
    .filter(({ pid }) => pid === process.pid || !isAlive(pid))
    .sort((a, b) => b.size - a.size);
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** Bytes of a file that an earlier, ended download left. */
export async function partialBytes(folder: string, { hash, size }: HubFile): Promise<number> {
  const [largest] = await findPartials(folder, hash);
  return largest && largest.size <= size ? largest.size : 0;
}

/** Files that this process downloads now. */
const writing = new Set<string>();

/** A file on its way into the cache: it grows, survives the process, and is checked at its end. */
export class PartialFile {
  readonly file: HubFile;
  readonly #path: string;
  readonly #handle: FileHandle;
  #hash: Hash;
  #size = 0;

  private constructor(file: HubFile, path: string, handle: FileHandle) {
    this.file = file;
    this.#path = path;
    this.#handle = handle;
    this.#hash = newHash(file);
  }

  /**
   * Takes up what an earlier download left, or starts anew.
   * @throws UserError `failed` where this process downloads the file already
   */
  static async open(folder: string, file: HubFile): Promise<PartialFile> {
    const path = join(folder, `${file.hash}.repscope-${process.pid}.incomplete`);
    if (writing.has(path)) {
      throw new UserError('failed', file.path, 'is being downloaded already', 'wait for that');
    }
    writing.add(path);
    try {
      const [largest, ...others] = await findPartials(folder, file.hash);
      // Another process may have been quicker.
      if (largest) await rename(largest.path, path).catch(() => undefined);
      for (const other of others) await rm(other.path, { force: true });
      const partial = new PartialFile(file, path, await open(path, 'a'));
      await partial.#readBack();
      return partial;
    } catch (error) {
      writing.delete(path);
      throw error;
    }
  }

  /** Bytes that are there. */
  get size(): number {
    return this.#size;
  }

  async append(bytes: Uint8Array): Promise<void> {
    await this.#handle.appendFile(bytes);
    this.#hash.update(bytes);
    this.#size += bytes.length;
  }

  /** Forgets what is there. */
  async restart(): Promise<void> {
    await this.#handle.truncate(0);
    this.#hash = newHash(this.file);
    this.#size = 0;
  }

  /**
   * Ends the file and moves it to `target` where its content is what the hub lists.
   * @returns false where it is not; the file is then empty and can be fetched again.
   */
  async finish(target: string): Promise<boolean> {
    const isSound = this.#size === this.file.size && this.#hash.digest('hex') === this.file.hash;
    if (!isSound) {
      await this.restart();
      return false;
    }
    await this.#handle.sync();
    await this.#handle.close();
    await rename(this.#path, target);
    writing.delete(this.#path);
    return true;
  }

  /** Leaves what is there for a later download; an empty file is removed. */
  async close(): Promise<void> {
    if (!writing.delete(this.#path)) return;
    await this.#handle.close();
    if (this.#size === 0) await rm(this.#path, { force: true });
  }

  async #readBack(): Promise<void> {
    const { size } = await this.#handle.stat();
    if (size > this.file.size) {
      await this.restart();
      return;
    }
    for await (const piece of createReadStream(this.#path, { highWaterMark: 1 << 20 })) {
      this.#hash.update(piece as Buffer);
      this.#size += (piece as Buffer).length;
    }
  }
}

/** SHA-256 of the content, or what git names a blob by: SHA-1 over a header and the content. */
function newHash({ hash, size }: HubFile): Hash {
  return hash.length === 64 ? createHash('sha256') : createHash('sha1').update(`blob ${size}\0`);
}
