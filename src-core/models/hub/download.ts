import { Cancelled, UserError } from '../../errors.ts';
import type { Progress } from '../../jobs/messages.ts';
import { formatBytes } from '../../results/format.ts';
import type { Answer, HubConnection } from './connection.ts';
import { cachedRepository } from './environment.ts';
import { PartialFile } from './partial-file.ts';
import { connect, planOver, type HubOptions } from './plan.ts';
import { RepositoryCache } from './repository-cache.ts';
import { retrying, Transient } from './retry.ts';

export interface DownloadOptions extends HubOptions {
  /** Hears the share of all bytes that is there, ten times a second at most. */
  onProgress?: (progress: Progress) => void;
}

const reportEveryMs = 100;
/** Bytes that count as progress: a connection that is cut after fewer is failing. */
const progressBytes = 1 << 20;

/**
 * Downloads a model into the Hugging Face cache, as the user asked for: where an earlier download
 * stopped, with every file checked against the hash that the hub lists.
 *
 * @returns the folder of its snapshot
 * @throws UserError as {@link planDownload} does, `disk-full`, `unwritable`, and `failed` where a
 *   file is not what the hub lists; Cancelled. What has come is kept for the next time.
 */
export async function downloadModel(id: string, options: DownloadOptions = {}): Promise<string> {
  const connection = await connect(id, options);
  const plan = await planOver(connection, id, options);
  const { commit, revision, files, bytes, remaining } = plan;
  const cache = new RepositoryCache(id);
  try {
    await cache.prepare(remaining);
    let done = 0;
    for (const file of files) {
      let reported = 0;
      const message = `${file.path} (${formatBytes(file.size)})`;
      const report = (here: number): void => {
        const now = Date.now();
        if (now - reported < reportEveryMs && here < file.size) return;
        reported = now;
        options.onProgress?.({ fraction: bytes === 0 ? 1 : (done + here) / bytes, message });
      };
      if (!(await cache.has(commit, file))) {
        const partial = await PartialFile.open(cache.blobs, file);
        try {
          await fetchWhole(connection, `${id}/resolve/${commit}`, partial, cache, report, options);
        } finally {
          await partial.close();
        }
      }
      done += file.size;
    }
    return await cache.publish(commit, revision, files);
  } catch (error) {
    throw diskError(cachedRepository(id), error);
  }
}

/** Fetches what is missing of a file; once more from its start where the whole is not right. */
async function fetchWhole(
  connection: HubConnection,
  place: string,
  partial: PartialFile,
  cache: RepositoryCache,
  report: (bytes: number) => void,
  { signal }: DownloadOptions,
): Promise<void> {
  const { file } = partial;
  const path = file.path.split('/').map(encodeURIComponent).join('/');
  const address = `${connection.endpoint}/${place}/${path}`;
  // Bytes of an earlier download may be damaged; those of this one should not be.
  for (let isFresh = partial.size === 0; ; isFresh = true) {
    let before = partial.size;
    const attempt = async (): Promise<void> => {
      before = partial.size;
      if (partial.size === file.size) return;
      // No If-Range: the address names a commit, whose files never change, and the hash decides.
      const range: Record<string, string> =
        partial.size > 0 ? { range: `bytes=${partial.size}-` } : {};
      await connection.request(address, range, (answer) => receive(answer, partial, report));
    };
    const hasMoved = (): boolean => partial.size - before >= progressBytes;
    await retrying(attempt, connection.patience, signal, hasMoved);
    if (await partial.finish(cache.blob(file))) return;
    if (isFresh) {
      throw new UserError(
        'failed',
        file.path,
        'what came is not what the hub lists: its hash differs',
        'download again; if it stays so, something on the way changes the file',
      );
    }
  }
}

async function receive(
  { status, headers, body }: Answer,
  partial: PartialFile,
  report: (bytes: number) => void,
): Promise<void> {
  const { file } = partial;
  if (status === 206) {
    const [, start, total] =
      /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(headers.get('content-range') ?? '') ?? [];
    if (Number(start) !== partial.size) throw cut(partial, 'sent another part than asked for');
    if (total !== '*') assertSize(partial, Number(total));
  } else {
    // The whole file, asked for or not.
    if (partial.size > 0) await partial.restart();
    const length = headers.get('content-length');
    if (length !== null) assertSize(partial, Number(length));
  }
  for await (const piece of body()) {
    assertSize(partial, Math.max(file.size, partial.size + piece.length));
    await partial.append(piece);
    report(partial.size);
  }
  if (partial.size < file.size) throw cut(partial, 'ended early');
}

function cut({ file }: PartialFile, what: string): Transient {
  const remedy = 'download again: what has come is kept';
  return new Transient(new UserError('network', file.path, `the transfer ${what}`, remedy));
}

function assertSize({ file }: PartialFile, size: number): void {
  if (size === file.size) return;
  throw new UserError(
    'failed',
    file.path,
    `comes with ${size} bytes where the hub lists ${file.size}`,
    'check HF_ENDPOINT and the proxy',
  );
}

/** Failures of the file system as errors for the user; all others pass as they are. */
function diskError(folder: string, error: unknown): unknown {
  if (error instanceof UserError || error instanceof Cancelled) return error;
  const code = (error as NodeJS.ErrnoException).code;
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    const remedy = 'free space and download again: what has come is kept';
    return new UserError('disk-full', folder, 'the disk is full', remedy, error);
  }
  if (typeof code === 'string' && /^E[A-Z]+$/.test(code)) {
    const remedy = 'allow writing there, or set HF_HOME to another folder';
    return new UserError('unwritable', folder, `cannot be written (${code})`, remedy, error);
  }
  return error;
}
