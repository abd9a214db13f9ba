import { createHash } from 'node:crypto';
import { createReadStream, type Stats } from 'node:fs';
import { open, stat, type FileHandle } from 'node:fs/promises';
import { Cancelled, UserError } from '../errors.ts';

/** Bytes that can be read by range, so that nothing loads a whole model. */
export interface ByteSource {
  /** What errors call it: a path, or `archive.npz#entry`. */
  readonly label: string;
  readonly size: number;
  /**
   * Exactly `length` bytes from `offset`; they belong to the caller.
   * @throws UserError `truncated` where the range passes the end.
   */
  read(offset: number, length: number, signal?: AbortSignal): Promise<Uint8Array>;
  close(): Promise<void>;
}

/** Below the 2 GiB that one system call moves at most. */
const maxRead = 1 << 30;

export function stopIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw new Cancelled();
}

function checkRange(source: ByteSource, offset: number, length: number): void {
  if (offset >= 0 && length >= 0 && offset + length <= source.size) return;
  throw new UserError(
    'truncated',
    source.label,
    `needs ${offset + length} bytes but has ${source.size}`,
    'copy or download the file again',
  );
}

/** What the file system says about `path`, with failures as errors for the user. */
export async function statFile(path: string): Promise<Stats> {
  try {
    return await stat(path);
  } catch (error) {
    throw readError(path, error);
  }
}

function readError(path: string, error: unknown): Error {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  if (code === 'ENOENT' || code === 'ENOTDIR') {
    return new UserError('missing', path, 'no such file', 'check the path', error);
  }
  if (code === 'EACCES' || code === 'EPERM') {
    return new UserError(
      'missing',
      path,
      'permission to read it is denied',
      'allow reading, or run as its owner',
      error,
    );
  }
  const reason = error instanceof Error ? error.message.split('\n', 1)[0] : String(error);
  return new UserError('missing', path, `cannot be read (${reason})`, 'check the path', error);
}

class FileBytes implements ByteSource {
  readonly label: string;
  readonly size: number;
  readonly #handle: FileHandle;

  constructor(label: string, size: number, handle: FileHandle) {
    this.label = label;
    this.size = size;
    this.#handle = handle;
  }

  async read(offset: number, length: number, signal?: AbortSignal): Promise<Uint8Array> {
    checkRange(this, offset, length);
    const bytes = new Uint8Array(length);
    let filled = 0;
    while (filled < length) {
      stopIfAborted(signal);
      const wanted = Math.min(length - filled, maxRead);
      const { bytesRead } = await this.#handle
        .read(bytes, filled, wanted, offset + filled)
        .catch((error: unknown) => {
          throw readError(this.label, error);
        });
      if (bytesRead === 0) {
        throw new UserError(
          'truncated',
          this.label,
          `became shorter than ${this.size} bytes while it was read`,
          'try again when nothing writes to it',
        );
      }
      filled += bytesRead;
    }
    return bytes;
  }

  close(): Promise<void> {
    return this.#handle.close();
  }
}

/**
 * Opens a regular file for reading by range.
 * @throws UserError `missing`, `directory`, `empty`; `unsupported` for pipes and devices.
 */
export async function openBytes(path: string): Promise<ByteSource> {
  const stats = await statFile(path);
  if (stats.isDirectory()) {
    throw new UserError('directory', path, 'is a folder', 'name a file');
  }
  if (!stats.isFile()) {
    throw new UserError('unsupported', path, 'is not a regular file', 'copy it to a file first');
  }
  if (stats.size === 0) {
    throw new UserError('empty', path, 'the file is empty', 'copy or download the file again');
  }
  const handle = await open(path, 'r').catch((error: unknown) => {
    throw readError(path, error);
  });
  return new FileBytes(path, stats.size, handle);
}

/** Bytes already in memory, read as if they were a file. */
export function memoryBytes(label: string, data: Uint8Array): ByteSource {
  const source: ByteSource = {
    label,
    size: data.length,
    async read(offset, length) {
      checkRange(source, offset, length);
      // A copy even where `data` is a Buffer, whose own slice shares memory.
      return Promise.resolve(new Uint8Array(data.subarray(offset, offset + length)));
    },
    close: () => Promise.resolve(),
  };
  return source;
}

/** A range of another source as a source of its own; closing it leaves the other open. */
export function sliceBytes(
  whole: ByteSource,
  label: string,
  start: number,
  size: number,
): ByteSource {
  checkRange(whole, start, size);
  const source: ByteSource = {
    label,
    size,
    async read(offset, length, signal) {
      checkRange(source, offset, length);
      return whole.read(start + offset, length, signal);
    },
    close: () => Promise.resolve(),
  };
  return source;
}

/** Bytes between two reports of progress. */
const progressBytes = 1 << 26;

/**
 * SHA-256 (hex) of several files' bytes one after another, streamed. `progress` hears the share of
 * the bytes that are read, and stops the reading where it throws.
 */
export async function sha256Files(
  paths: readonly string[],
  signal?: AbortSignal,
  progress?: (fraction: number) => Promise<void>,
): Promise<string> {
  const hash = createHash('sha256');
  const sizes = await Promise.all(paths.map(async (path) => (await statFile(path)).size));
  const total = sizes.reduce((sum, size) => sum + size, 0);
  let read = 0;
  let reported = 0;
  for (const path of paths) {
    stopIfAborted(signal);
    try {
      const stream = createReadStream(path, { highWaterMark: 1 << 20 });
      for await (const chunk of stream as AsyncIterable<Buffer>) {
        stopIfAborted(signal);
        hash.update(chunk);
        read += chunk.length;
        if (progress && read - reported >= progressBytes) {
          reported = read;
          await progress(Math.min(1, read / total));
        }
      }
    } catch (error) {
      throw error instanceof Cancelled ? error : readError(path, error);
    }
  }
  return hash.digest('hex');
}

/** SHA-256 (hex) of a file, streamed. */
export function sha256File(path: string, signal?: AbortSignal): Promise<string> {
  return sha256Files([path], signal);
}
