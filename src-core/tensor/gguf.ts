import { openBytes, type ByteSource } from '../bytes/byte-source.ts';
import { UserError } from '../errors.ts';
import { elementCount } from './convert.ts';
import type { DType } from './dtype.ts';
import { ggmlTypes, type BlockType } from './gguf-blocks.ts';
import { readElements, storedBytes, type Weight, type WeightFile } from './weight-file.ts';

export interface GgufFile extends WeightFile {
  readonly version: number;
  /** Values as text, keys as the file has them; long texts are cut and arrays summarised. */
  readonly metadata: Record<string, string>;
}

const headerWindow = 1 << 20;
/** Vocabularies of real models take some ten megabytes. */
const maxHeader = 256 << 20;
const maxEntries = 100_000;
const maxKey = 65_535;
/** Chat templates are long; labels need no more. */
const maxText = 2000;
/** Items of an array that are shown. */
const shownItems = 4;
const maxArrayDepth = 4;
const maxDimensions = 8;

function damaged(label: string, what: string): UserError {
  return new UserError(
    'not-a-model',
    label,
    `is not a sound GGUF file: ${what}`,
    'download or convert it again',
  );
}

/** Reads the header from front to back, a window at a time. */
class HeaderReader {
  readonly #source: ByteSource;
  #window: DataView = new DataView(new ArrayBuffer(0));
  /** Where the window starts in the file. */
  #start = 0;
  /** Next byte, within the window. */
  #at = 0;

  constructor(source: ByteSource) {
    this.#source = source;
  }

  get position(): number {
    return this.#start + this.#at;
  }

  #damaged(what: string): UserError {
    return damaged(this.#source.label, what);
  }

  /** The place of the next `length` bytes in the window. */
  async #take(length: number): Promise<number> {
    if (this.#at + length > this.#window.byteLength) await this.#fill(length);
    const at = this.#at;
    this.#at += length;
    return at;
  }

  async #fill(length: number): Promise<void> {
    const start = this.position;
    if (start + length > maxHeader) throw this.#damaged('its header is too long');
    // A read of what is needed fails where the file is cut short.
    const size = Math.max(length, Math.min(headerWindow, this.#source.size - start));
    const bytes = await this.#source.read(start, size);
    this.#window = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    this.#start = start;
    this.#at = 0;
  }

  skip(length: number): void {
    if (this.#at + length <= this.#window.byteLength) {
      this.#at += length;
      return;
    }
    this.#start = this.position + length;
    this.#at = 0;
    this.#window = new DataView(new ArrayBuffer(0));
    if (this.#start > Math.min(maxHeader, this.#source.size)) {
      throw this.#damaged(`a value of its header ends at byte ${this.#start}`);
    }
  }

  async uint32(): Promise<number> {
    const at = await this.#take(4);
    return this.#window.getUint32(at, true);
  }

  /** A 64-bit count or offset. */
  async size(): Promise<number> {
    const at = await this.#take(8);
    const value = this.#window.getBigUint64(at, true);
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw this.#damaged(`a size of ${value}`);
    return Number(value);
  }

  /** A text, cut to `limit` bytes where it is longer. */
  async text(limit: number): Promise<string> {
    const length = await this.size();
    const kept = Math.min(length, limit);
    const at = await this.#take(kept);
    const bytes = new Uint8Array(this.#window.buffer, this.#window.byteOffset + at, kept);
    const text = new TextDecoder().decode(bytes);
    if (kept < length) this.skip(length - kept);
    return kept < length ? `${text}…` : text;
  }

  async skipText(): Promise<void> {
    this.skip(await this.size());
  }

  /** A number or boolean of metadata type `type`, as text. */
  async scalar(type: number): Promise<string> {
    const size = scalarBytes[type];
    if (size === undefined) throw this.#damaged(`a metadata value of type ${type}`);
    const at = await this.#take(size);
    const view = this.#window;
    switch (type) {
      case types.uint8:
        return String(view.getUint8(at));
      case types.int8:
        return String(view.getInt8(at));
      case types.uint16:
        return String(view.getUint16(at, true));
      case types.int16:
        return String(view.getInt16(at, true));
      case types.uint32:
        return String(view.getUint32(at, true));
      case types.int32:
        return String(view.getInt32(at, true));
      case types.float32:
        // Seven digits identify a float32 as people write it.
        return String(Number(view.getFloat32(at, true).toPrecision(7)));
      case types.bool:
        return view.getUint8(at) === 0 ? 'false' : 'true';
      case types.uint64:
        return String(view.getBigUint64(at, true));
      case types.int64:
        return String(view.getBigInt64(at, true));
      default:
        return String(view.getFloat64(at, true));
    }
  }

  async value(type: number, depth = 0): Promise<string> {
    if (type === types.string) return this.text(maxText);
    return type === types.array ? this.#array(depth) : this.scalar(type);
  }

  /** The first items of an array and how many it has. */
  async #array(depth: number): Promise<string> {
    if (depth >= maxArrayDepth) throw this.#damaged('its metadata is nested too deep');
    const type = await this.uint32();
    const length = await this.size();
    const shown: string[] = [];
    for (let i = 0; i < length; i++) {
      if (i < shownItems) {
        shown.push(await this.value(type, depth + 1));
      } else if (type === types.string) {
        await this.skipText();
      } else if (type === types.array) {
        await this.#array(depth + 1);
      } else {
        this.skip((length - i) * scalarBytes[type]!);
        break;
      }
    }
    return length > shown.length
      ? `[${shown.join(', ')}, … ${length} items]`
      : `[${shown.join(', ')}]`;
  }
}

/** Metadata value types, by the numbers of the format. */
const types = {
  uint8: 0,
  int8: 1,
  uint16: 2,
  int16: 3,
  uint32: 4,
  int32: 5,
  float32: 6,
  bool: 7,
  string: 8,
  array: 9,
  uint64: 10,
  int64: 11,
  float64: 12,
} as const;

const scalarBytes: Readonly<Partial<Record<number, number>>> = {
  [types.uint8]: 1,
  [types.int8]: 1,
  [types.uint16]: 2,
  [types.int16]: 2,
  [types.uint32]: 4,
  [types.int32]: 4,
  [types.float32]: 4,
  [types.bool]: 1,
  [types.uint64]: 8,
  [types.int64]: 8,
  [types.float64]: 8,
};

interface TensorEntry {
  name: string;
  dtype: DType | BlockType;
  shape: number[];
  /** From the start of the tensor data. */
  offset: number;
  bytes: number;
}

async function readTensorEntry(header: HeaderReader, label: string): Promise<TensorEntry> {
  const name = await header.text(maxKey);
  const dimensions = await header.uint32();
  if (dimensions > maxDimensions) throw damaged(label, `tensor ${name} has ${dimensions} axes`);
  const sizes: number[] = [];
  for (let i = 0; i < dimensions; i++) sizes.push(await header.size());
  const type = await header.uint32();
  const offset = await header.size();
  const dtype = ggmlTypes.get(type);
  if (dtype === undefined) {
    throw new UserError(
      'unsupported',
      label,
      `tensor ${name} has the unknown type ${type}`,
      'convert the model with a type that Repscope knows, such as Q4_K or F16',
    );
  }
  // The file names the innermost axis first.
  const shape = sizes.reverse();
  const bytes = storedBytes(dtype, shape);
  if (bytes === undefined) {
    throw damaged(label, `tensor ${name} of type ${dtype} has shape [${shape.join(', ')}]`);
  }
  return { name, dtype, shape, offset, bytes };
}

/** Offsets are aligned, lie in the file and do not overlap. */
function checkPlaces(
  entries: readonly TensorEntry[],
  alignment: number,
  dataStart: number,
  { label, size }: ByteSource,
): void {
  let end = 0;
  for (const { name, offset, bytes } of entries.toSorted((a, b) => a.offset - b.offset)) {
    if (offset % alignment !== 0) throw damaged(label, `tensor ${name} is not aligned`);
    if (offset < end && bytes > 0) throw damaged(label, `tensor ${name} overlaps another`);
    if (dataStart + offset + bytes > size) {
      throw new UserError(
        'truncated',
        label,
        `tensor ${name} ends at byte ${dataStart + offset + bytes} but the file has ${size}`,
        'download or copy the file again',
      );
    }
    end = offset + bytes;
  }
}

/**
 * Opens a GGUF file (versions 2 and 3, little-endian).
 * @throws UserError `missing`, `empty`, `truncated`, `not-a-model`; `unsupported` for other versions.
 */
export async function openGguf(path: string): Promise<GgufFile> {
  const source = await openBytes(path);
  try {
    return await readFile(source);
  } catch (error) {
    await source.close();
    throw error;
  }
}

async function readFile(source: ByteSource): Promise<GgufFile> {
  const { label } = source;
  const header = new HeaderReader(source);
  header.skip(4);
  const version = await header.uint32();
  if (version !== 2 && version !== 3) {
    throw new UserError(
      'unsupported',
      label,
      // Read in the wrong order, a small number is a large one.
      version > 0xffff
        ? 'is a big-endian GGUF file'
        : `is of GGUF version ${version}; versions 2 and 3 are read`,
      'convert the model again with a current llama.cpp',
    );
  }
  const tensorCount = await header.size();
  const valueCount = await header.size();
  if (tensorCount > maxEntries || valueCount > maxEntries) {
    throw damaged(label, `a header of ${tensorCount} tensors and ${valueCount} values`);
  }
  const metadata = new Map<string, string>();
  for (let i = 0; i < valueCount; i++) {
    const key = await header.text(maxKey);
    const type = await header.uint32();
    metadata.set(key, await header.value(type));
  }
  const entries: TensorEntry[] = [];
  for (let i = 0; i < tensorCount; i++) entries.push(await readTensorEntry(header, label));
  const alignment = Number(metadata.get('general.alignment') ?? 32);
  if (!Number.isInteger(alignment) || alignment <= 0 || alignment % 8 !== 0) {
    throw damaged(label, `an alignment of ${metadata.get('general.alignment')}`);
  }
  const dataStart = Math.ceil(header.position / alignment) * alignment;
  checkPlaces(entries, alignment, dataStart, source);
  const tensors = new Map(
    entries.map((entry): [string, Weight] => [entry.name, weight(source, dataStart, entry)]),
  );
  if (tensors.size < entries.length) throw damaged(label, 'two tensors have the same name');
  return {
    version,
    metadata: Object.fromEntries(metadata),
    tensors,
    close: () => source.close(),
  };
}

const weight = (source: ByteSource, dataStart: number, entry: TensorEntry): Weight => ({
  name: entry.name,
  dtype: entry.dtype,
  shape: entry.shape,
  bytes: entry.bytes,
  elements: (start, end, signal) =>
    start < 0 || end < start || end > elementCount(entry.shape)
      ? Promise.reject(new RangeError(`elements ${start} to ${end} of ${entry.name}`))
      : readElements(source, entry, dataStart + entry.offset, [start, end], signal),
});
