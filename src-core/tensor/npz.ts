import type { ByteSource } from '../bytes/byte-source.ts';
import { openZip } from '../bytes/zip.ts';
import { UserError } from '../errors.ts';

/** A deflated array is inflated into memory. */
const maxInflated = 2 ** 31;
const ending = '.npy';

/** The arrays of a .npz file (a zip of .npy files), each readable by range. */
export interface NpzFile {
  /** Array names, without `.npy`. */
  readonly keys: readonly string[];
  /** One array's .npy bytes; stored entries stay in the file, deflated ones are inflated. */
  entry(key: string): Promise<ByteSource>;
  close(): Promise<void>;
}

/** @throws UserError `not-a-model` where the file is not a sound zip archive. */
export async function openNpz(path: string): Promise<NpzFile> {
  const archive = await openZip(path, {
    noun: 'a readable .npz file',
    remedy: 'save it again with numpy.savez',
    uncompressed: 'save it with numpy.savez (not compressed) or as .npy',
  });
  const keys = archive.names
    .filter((name) => name.endsWith(ending))
    .map((name) => name.slice(0, -ending.length));
  return {
    keys,
    entry: (key) =>
      keys.includes(key)
        ? archive.entry(key + ending, `${path}#${key}`, maxInflated)
        : Promise.reject(missingKey(path, key, keys)),
    close: () => archive.close(),
  };
}

/** The error for a tensor that a file does not have; names some that it has. */
export function missingKey(path: string, key: string, keys: readonly string[]): UserError {
  const some = keys.slice(0, 8).join(', ') + (keys.length > 8 ? ', …' : '');
  return new UserError(
    'missing',
    path,
    key === '' ? 'names no array' : `has no array ${key}`,
    keys.length === 0 ? 'it holds no arrays at all' : `choose with #KEY one of ${some}`,
  );
}
