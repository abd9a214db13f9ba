import { open, rename, rm, type FileHandle } from 'node:fs/promises';
import type { ByteSource } from '../bytes/byte-source.ts';
import { UserError } from '../errors.ts';
import { elementCount, isNumeric, toFloats } from './convert.ts';
import { dtypeBytes, type DType } from './dtype.ts';
import type { Floats } from './matrix.ts';

export interface SafetensorsEntry {
  name: string;
  dtype: DType;
  shape: number[];
  /** Absolute position in the file. */
  offset: number;
  /** Bytes. */
  length: number;
}

export interface SafetensorsHeader {
  tensors: Map<string, SafetensorsEntry>;
  metadata: Record<string, string>;
}

const types: Record<string, DType> = {
  F64: 'float64',
  F32: 'float32',
  F16: 'float16',
  BF16: 'bfloat16',
  I64: 'int64',
  I32: 'int32',
  I16: 'int16',
  I8: 'int8',
  U64: 'uint64',
  U32: 'uint32',
  U16: 'uint16',
  U8: 'uint8',
  BOOL: 'bool',
};

/** As the reference implementation: a longer header is refused. */
const maxHeader = 100_000_000;

function damaged(label: string, what: string, cause?: unknown): UserError {
  return new UserError(
    'not-a-model',
    label,
    `is not a sound safetensors file: ${what}`,
    'download or save it again',
    cause,
  );
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const isSizes = (value: unknown): value is number[] =>
  Array.isArray(value) &&
  value.every((item) => typeof item === 'number' && Number.isSafeInteger(item) && item >= 0);

function parseHeader(label: string, text: string): Record<string, unknown> {
  try {
    const header: unknown = JSON.parse(text);
    if (isRecord(header)) return header;
  } catch (error) {
    throw damaged(label, 'its header is not JSON', error);
  }
  throw damaged(label, 'its header is not an object');
}

function parseEntry(
  label: string,
  name: string,
  value: unknown,
  dataStart: number,
  size: number,
): SafetensorsEntry {
  if (!isRecord(value)) throw damaged(label, `tensor ${name} is not described`);
  const { dtype: code, shape, data_offsets: range } = value;
  if (typeof code !== 'string' || !isSizes(shape) || !isSizes(range) || range.length !== 2) {
    throw damaged(label, `tensor ${name} lacks its dtype, shape or offsets`);
  }
  const [start, end] = range as [number, number];
  if (end < start) throw damaged(label, `tensor ${name} ends before it starts`);
  if (dataStart + end > size) {
    throw new UserError(
      'truncated',
      label,
      `tensor ${name} ends at byte ${dataStart + end} but the file has ${size}`,
      'download or copy the file again',
    );
  }
  const dtype = Object.hasOwn(types, code) ? types[code]! : 'other';
  if (dtype !== 'other' && elementCount(shape) * dtypeBytes[dtype] !== end - start) {
    throw damaged(
      label,
      `tensor ${name} has ${end - start} bytes for ${code} [${shape.join(', ')}]`,
    );
  }
  return { name, dtype, shape, offset: dataStart + start, length: end - start };
}

/**
 * Reads and checks the header: offsets lie in the file and do not overlap, sizes agree with shapes.
 * @throws UserError `truncated`, `not-a-model`.
 */
export async function readSafetensorsHeader(source: ByteSource): Promise<SafetensorsHeader> {
  const { label, size } = source;
  const prefix = await source.read(0, 8);
  const length = new DataView(prefix.buffer).getBigUint64(0, true);
  if (length > maxHeader || length < 2) throw damaged(label, `a header of ${length} bytes`);
  const dataStart = 8 + Number(length);
  const text = new TextDecoder().decode(await source.read(8, Number(length)));
  const { __metadata__: notes, ...described } = parseHeader(label, text);
  const entries = Object.entries(described)
    .map(([name, value]) => parseEntry(label, name, value, dataStart, size))
    .sort((a, b) => a.offset - b.offset || a.length - b.length);
  let end = dataStart;
  for (const entry of entries) {
    if (entry.offset < end) throw damaged(label, `tensor ${entry.name} overlaps another`);
    end = entry.offset + entry.length;
  }
  const metadata: Record<string, string> = {};
  if (isRecord(notes)) {
    for (const [key, value] of Object.entries(notes)) {
      if (typeof value === 'string') metadata[key] = value;
    }
  }
  return { tensors: new Map(entries.map((entry) => [entry.name, entry])), metadata };
}

/** Rows `[start, end)` of a tensor's first axis as real numbers, row-major. */
export async function readSafetensorsRows(
  source: ByteSource,
  tensor: SafetensorsEntry,
  start: number,
  end: number,
): Promise<Floats> {
  if (!isNumeric(tensor.dtype)) {
    throw new UserError(
      'unsupported',
      `${source.label}#${tensor.name}`,
      'its element type cannot be read as numbers',
      'save it as float32',
    );
  }
  const row = elementCount(tensor.shape.slice(1)) * dtypeBytes[tensor.dtype];
  const bytes = await source.read(tensor.offset + start * row, (end - start) * row);
  return toFloats(bytes, tensor.dtype);
}

/** A tensor to come: its size is known before its values are. */
export interface TensorPlan {
  name: string;
  dtype: 'float32' | 'float64';
  shape: readonly number[];
}

const codes = { float32: 'F32', float64: 'F64' } as const;

const bytesOf = ({ dtype, shape }: TensorPlan) => elementCount(shape) * dtypeBytes[dtype];

/** The bytes before the values, which begin at a multiple of 8. */
export function safetensorsHeader(
  plan: readonly TensorPlan[],
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array {
  const header: Record<string, unknown> = { __metadata__: metadata };
  let offset = 0;
  for (const tensor of plan) {
    const { name, dtype, shape } = tensor;
    const end = offset + bytesOf(tensor);
    header[name] = { dtype: codes[dtype], shape, data_offsets: [offset, end] };
    offset = end;
  }
  const json = JSON.stringify(header);
  const text = Buffer.from(json + ' '.repeat((8 - (Buffer.byteLength(json) % 8)) % 8));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  return Buffer.concat([length, text]);
}

/** Turns a failed write into the error its user can act on. */
export function writeError(path: string, error: unknown): Error {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    return new UserError('disk-full', path, 'no space left to write it', 'free some space', error);
  }
  if (code === 'EACCES' || code === 'EROFS' || code === 'EPERM') {
    return new UserError(
      'unwritable',
      path,
      'writing there is not allowed',
      'choose another folder or allow writing',
      error,
    );
  }
  if (code === 'ENOENT' || code === 'ENOTDIR' || code === 'EISDIR') {
    return new UserError('unwritable', path, 'is not a place for a file', 'check the path', error);
  }
  return error instanceof Error ? error : new Error(String(error));
}

let count = 0;

/**
 * Writes tensors to a safetensors file, row block after row block, tensor after tensor, in the
 * order planned. The file appears under its name only when `finish` has all rows.
 */
export class SafetensorsWriter {
  readonly #path: string;
  readonly #temporary: string;
  readonly #handle: FileHandle;
  /** Bytes still to come for each tensor, in order. */
  readonly #remaining: { name: string; dtype: 'float32' | 'float64'; bytes: number }[];

  private constructor(
    path: string,
    temporary: string,
    handle: FileHandle,
    plan: readonly TensorPlan[],
  ) {
    this.#path = path;
    this.#temporary = temporary;
    this.#handle = handle;
    this.#remaining = plan
      .map((tensor) => ({ name: tensor.name, dtype: tensor.dtype, bytes: bytesOf(tensor) }))
      .filter(({ bytes }) => bytes > 0);
  }

  /** @throws UserError `unwritable`, `disk-full`. */
  static async create(
    path: string,
    plan: readonly TensorPlan[],
    metadata: Readonly<Record<string, string>> = {},
  ): Promise<SafetensorsWriter> {
    const temporary = `${path}.${process.pid}-${count++}.part`;
    const handle = await open(temporary, 'wx').catch((error: unknown) => {
      throw writeError(path, error);
    });
    const writer = new SafetensorsWriter(path, temporary, handle, plan);
    await writer.#append(safetensorsHeader(plan, metadata));
    return writer;
  }

  async #append(bytes: Uint8Array): Promise<void> {
    try {
      await this.#handle.appendFile(bytes);
    } catch (error) {
      await this.abort();
      throw writeError(this.#path, error);
    }
  }

  /** The next rows of the tensor being written, row-major; any whole or partial block. */
  async write(values: Floats): Promise<void> {
    const current = this.#remaining[0];
    const dtype = values instanceof Float64Array ? 'float64' : 'float32';
    if (current?.dtype !== dtype || values.byteLength > current.bytes) {
      throw new RangeError(
        `${current?.name ?? 'the file'} does not await ${values.length} ${dtype}`,
      );
    }
    current.bytes -= values.byteLength;
    if (current.bytes === 0) this.#remaining.shift();
    await this.#append(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
  }

  /** Makes the file appear under its name, replacing any former one at once. */
  async finish(): Promise<void> {
    const [unfinished] = this.#remaining;
    if (unfinished) {
      await this.abort();
      throw new RangeError(`${unfinished.name} lacks ${unfinished.bytes} bytes`);
    }
    try {
      await this.#handle.sync();
      await this.#handle.close();
      await rename(this.#temporary, this.#path);
    } catch (error) {
      await this.abort();
      throw writeError(this.#path, error);
    }
  }

  /** Removes what was written; harmless when called again. */
  async abort(): Promise<void> {
    await this.#handle.close().catch(() => undefined);
    await rm(this.#temporary, { force: true });
  }
}
