import yauzl, { type Entry, type ZipFile } from 'yauzl';
import { memoryBytes, openBytes, sliceBytes, type ByteSource } from '../bytes/byte-source.ts';
import { UserError } from '../errors.ts';

const stored = 0;
const deflated = 8;
/** Deflate cannot shrink by more; a directory that claims more lies. */
const maxRatio = 1032;
/** A deflated array is inflated into memory. */
const maxInflated = 2 ** 31;
const maxEntries = 100_000;

/** The arrays of a .npz file (a zip of .npy files), each readable by range. */
export interface NpzFile {
  /** Array names, without `.npy`. */
  readonly keys: readonly string[];
  /** One array's .npy bytes; stored entries stay in the file, deflated ones are inflated. */
  entry(key: string): Promise<ByteSource>;
  close(): Promise<void>;
}

function damaged(label: string, error: unknown): UserError {
  if (error instanceof UserError) return error;
  const reason = error instanceof Error ? error.message : String(error);
  return new UserError(
    'not-a-model',
    label,
    `is not a readable .npz file: ${reason}`,
    'save it again with numpy.savez',
    error,
  );
}

async function listEntries(zip: ZipFile): Promise<Map<string, Entry>> {
  const entries = new Map<string, Entry>();
  for await (const entry of zip.eachEntry()) {
    if (entry.fileName.endsWith('.npy')) entries.set(entry.fileName.slice(0, -4), entry);
    if (entries.size > maxEntries) throw new Error(`more than ${maxEntries} arrays`);
  }
  return entries;
}

async function inflate(zip: ZipFile, entry: Entry, label: string): Promise<ByteSource> {
  const size = entry.uncompressedSize;
  if (size > maxInflated) {
    throw new UserError(
      'unsupported',
      label,
      `inflates to ${size} bytes`,
      'save it with numpy.savez (not compressed) or as .npy',
    );
  }
  if (size > entry.compressedSize * maxRatio + 64) throw new Error('it lies about its size');
  const chunks: Buffer[] = [];
  // yauzl ends the stream with an error where it gives more or less than `size` bytes.
  const stream = await zip.openReadStreamPromise(entry);
  for await (const chunk of stream as AsyncIterable<Buffer>) chunks.push(chunk);
  return memoryBytes(label, Buffer.concat(chunks));
}

/** @throws UserError `not-a-model` where the file is not a sound zip archive. */
export async function openNpz(path: string): Promise<NpzFile> {
  const file = await openBytes(path);
  let zip: ZipFile | undefined;
  try {
    const archive = (zip = await yauzl.openPromise(path, { autoClose: false, lazyEntries: true }));
    const entries = await listEntries(archive);
    return {
      keys: [...entries.keys()],
      async entry(key) {
        const label = `${path}#${key}`;
        const entry = entries.get(key);
        if (!entry) throw missingKey(path, key, [...entries.keys()]);
        try {
          if (entry.isEncrypted()) throw new Error('it is encrypted');
          if (entry.compressionMethod === deflated) return await inflate(archive, entry, label);
          if (entry.compressionMethod !== stored) {
            throw new Error(`compression method ${entry.compressionMethod}`);
          }
          const { fileDataStart } = await archive.readLocalFileHeaderPromise(entry, {
            minimal: true,
          });
          return sliceBytes(file, label, fileDataStart, entry.uncompressedSize);
        } catch (error) {
          throw damaged(label, error);
        }
      },
      async close() {
        archive.close();
        await file.close();
      },
    };
  } catch (error) {
    zip?.close();
    await file.close();
    throw damaged(path, error);
  }
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
