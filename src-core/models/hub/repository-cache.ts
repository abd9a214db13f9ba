import {
  copyFile,
  link,
  mkdir,
  rename,
  rm,
  stat,
  statfs,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { UserError } from '../../errors.ts';
import { formatBytes } from '../../results/format.ts';
import { cachedRepository } from './environment.ts';
import { partialBytes } from './partial-file.ts';
import type { HubFile } from './select-files.ts';

/** Ways to make `path` show the blob at `blob`, the best first. */
const placements: readonly ((blob: string, path: string) => Promise<void>)[] = [
  (blob, path) => symlink(relative(dirname(path), blob), path),
  // Windows allows symbolic links to some users only.
  link,
  // FAT has no links at all.
  copyFile,
];

/**
 * One model's folder in the Hugging Face cache: `blobs/HASH` hold contents, `snapshots/COMMIT`
 * links to them by name, `refs/BRANCH` names a commit. The Python libraries share it.
 */
export class RepositoryCache {
  readonly blobs: string;
  readonly #folder: string;

  constructor(id: string) {
    this.#folder = cachedRepository(id);
    this.blobs = join(this.#folder, 'blobs');
  }

  blob(file: HubFile): string {
    return join(this.blobs, file.hash);
  }

  snapshot(commit: string): string {
    return join(this.#folder, 'snapshots', commit);
  }

  /** Bytes of a file that need not be fetched: all, those of a partial file, or none. */
  async presentBytes(commit: string, file: HubFile): Promise<number> {
    if (await this.has(commit, file)) return file.size;
    return partialBytes(this.blobs, file);
  }

  /** Whether a file is there whole, by its size. */
  async has(commit: string, file: HubFile): Promise<boolean> {
    for (const path of [join(this.snapshot(commit), file.path), this.blob(file)]) {
      if ((await stat(path).catch(() => undefined))?.size === file.size) return true;
    }
    return false;
  }

  /**
   * Makes the folder for blobs.
   * @throws UserError `disk-full` where `bytes` more do not fit
   */
  async prepare(bytes: number): Promise<void> {
    await mkdir(this.blobs, { recursive: true });
    const { bavail, bsize } = await statfs(this.blobs);
    if (bavail * bsize >= bytes) return;
    throw new UserError(
      'disk-full',
      this.#folder,
      `needs ${formatBytes(bytes)}, and the disk has ${formatBytes(bavail * bsize)} left`,
      'free space, or set HF_HOME to a folder on another disk',
    );
  }

  /** Shows all blobs under their names, then lets the revision name the commit. */
  async publish(commit: string, revision: string, files: readonly HubFile[]): Promise<string> {
    const snapshot = this.snapshot(commit);
    for (const file of files) await place(this.blob(file), join(snapshot, file.path), file.size);
    if (revision !== commit) {
      const ref = join(this.#folder, 'refs', ...revision.split('/'));
      await mkdir(dirname(ref), { recursive: true });
      // Whole or not at all: readers take the file's content as a commit.
      await writeFile(`${ref}.${process.pid}.new`, commit);
      await rename(`${ref}.${process.pid}.new`, ref);
    }
    return snapshot;
  }
}

/** Makes `path` show the content of `blob`, unless a file of that size is there. */
export async function place(
  blob: string,
  path: string,
  size: number,
  ways: typeof placements = placements,
): Promise<void> {
  if ((await stat(path).catch(() => undefined))?.size === size) return;
  await mkdir(dirname(path), { recursive: true });
  await rm(path, { force: true });
  for (const way of ways.slice(0, -1)) {
    const isPlaced = await way(blob, path).then(
      () => true,
      () => false,
    );
    if (isPlaced) return;
  }
  await ways.at(-1)!(blob, path);
}
