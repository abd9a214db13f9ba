import { Readable } from 'node:stream';
import yauzl, { type Entry, type ZipFile } from 'yauzl';
import { UserError } from '../errors.ts';
import { memoryBytes, openBytes, sliceBytes, type ByteSource } from './byte-source.ts';

const stored = 0;
const deflated = 8;
/** Deflate cannot shrink by more; a directory that claims more lies. */
const maxRatio = 1032;
const maxEntries = 100_000;

/** A zip archive whose entries are readable by range. */
export interface ZipArchive {
  /** Entry names, in the order of the directory. */
  readonly names: readonly string[];
  /** Bytes that an entry says it has, inflated; undefined where there is no such entry. */
  size(name: string): number | undefined;
  /**
   * One entry's bytes. Stored entries stay in the file; a deflated one is inflated into memory, and
   * refused where that would take more than `maxInflated` bytes.
   * @throws UserError `not-a-model`, `truncated`; `unsupported` where it inflates to more.
   */
  entry(name: string, label: string, maxInflated: number): Promise<ByteSource>;
  close(): Promise<void>;
}

/** What the archive is to its user, for errors. */
export interface ZipPurpose {
  /** `a readable .npz file`, as in "is not …". */
  noun: string;
  /** How to get a sound one. */
  remedy: string;
  /** How to get one that is not compressed. */
  uncompressed: string;
}

const chunkBytes = 1 << 16;

/**
 * Reads for yauzl. Its own reading of files hands positions to `fs.read` as the archive gives them,
 * which throws for impossible ones where nothing can catch it; here each range is checked.
 */
class ZipReader extends yauzl.RandomAccessReader {
  readonly #source: ByteSource;

  constructor(source: ByteSource) {
    super();
    this.#source = source;
  }

  override read(
    buffer: Buffer,
    offset: number,
    length: number,
    position: number,
    callback: (error: Error | null) => void,
  ): void {
    this.#source.read(position, length).then((bytes) => {
      buffer.set(bytes, offset);
      callback(null);
    }, callback);
  }

  override _readStreamForRange(start: number, end: number): Readable {
    return Readable.from(chunks(this.#source, start, end));
  }
}

async function* chunks(source: ByteSource, start: number, end: number): AsyncGenerator<Uint8Array> {
  for (let at = start; at < end; at += chunkBytes) {
    yield await source.read(at, Math.min(chunkBytes, end - at));
  }
}

/** @throws UserError `not-a-model` where the file is not a sound zip archive. */
export async function openZip(path: string, purpose: ZipPurpose): Promise<ZipArchive> {
  const damaged = (label: string, error: unknown): UserError => {
    if (error instanceof UserError) return error;
    const reason = error instanceof Error ? error.message : String(error);
    const what = `is not ${purpose.noun}: ${reason}`;
    return new UserError('not-a-model', label, what, purpose.remedy, error);
  };
  const file = await openBytes(path);
  let zip: ZipFile | undefined;
  try {
    const archive = (zip = await yauzl.fromRandomAccessReaderPromise(
      new ZipReader(file),
      file.size,
      { autoClose: false },
    ));
    const entries = new Map<string, Entry>();
    for await (const entry of archive.eachEntry()) {
      entries.set(entry.fileName, entry);
      if (entries.size > maxEntries) throw new Error(`more than ${maxEntries} entries`);
    }
    return {
      names: [...entries.keys()],
      size: (name) => entries.get(name)?.uncompressedSize,
      async entry(name, label, maxInflated) {
        try {
          const entry = entries.get(name);
          if (!entry) throw new Error(`it has no ${name}`);
          if (entry.isEncrypted()) throw new Error('it is encrypted');
          if (entry.compressionMethod === deflated) {
            if (entry.uncompressedSize > maxInflated) {
              throw new UserError(
                'unsupported',
                label,
                `inflates to ${entry.uncompressedSize} bytes`,
                purpose.uncompressed,
              );
            }
            return await inflate(archive, entry, label);
          }
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

async function inflate(zip: ZipFile, entry: Entry, label: string): Promise<ByteSource> {
  const size = entry.uncompressedSize;
  if (size > entry.compressedSize * maxRatio + 64) throw new Error('it lies about its size');
  const chunks: Buffer[] = [];
  // yauzl ends the stream with an error where it gives more or less than `size` bytes.
  const stream = await zip.openReadStreamPromise(entry);
  for await (const chunk of stream as AsyncIterable<Buffer>) chunks.push(chunk);
  return memoryBytes(label, Buffer.concat(chunks));
}
