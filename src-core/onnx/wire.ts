import { BinaryReader, WireType } from '@bufbuild/protobuf/wire';
import type { ByteSource } from '../bytes/byte-source.ts';
import { UserError } from '../errors.ts';

/** Fields up to this size are read; longer ones are seen by offset alone. */
export const smallField = 1 << 15;
const windowSize = 2 * smallField;
/** Most bytes a tag and the varint behind it take. */
const maxPrefix = 20;
/** Bounds what a hostile file can make us keep. */
const maxFields = 8_000_000;

/** One field of a protobuf message in a file. */
export interface Field {
  /** Field number × 8 + wire type: a known number with a foreign wire type counts as unknown. */
  key: number;
  /** Where the tag, the content and the next field start. */
  start: number;
  offset: number;
  end: number;
  /** Value of a varint, as a signed number. */
  value: number;
  /** Content of a length-delimited field up to {@link smallField} bytes; valid during the visit. */
  bytes: Uint8Array | undefined;
}

/** Key of a varint field. */
export const varint = (number: number) => number * 8 + WireType.Varint;
/** Key of a string, bytes, packed or message field. */
export const delimited = (number: number) => number * 8 + WireType.LengthDelimited;

export function damagedModel(label: string, what: string, cause?: unknown): UserError {
  return new UserError(
    'not-a-model',
    label,
    `is not a readable ONNX model: ${what}`,
    'export or download it again',
    cause,
  );
}

/** Reads the fields of protobuf messages through a moving window over a file. */
export class WireWalker {
  readonly source: ByteSource;
  readonly #signal: AbortSignal | undefined;
  #start = 0;
  #bytes: Uint8Array = new Uint8Array(0);
  #fields = 0;

  constructor(source: ByteSource, signal?: AbortSignal) {
    this.source = source;
    this.#signal = signal;
  }

  #holds(offset: number, length: number): boolean {
    return offset >= this.#start && offset + length <= this.#start + this.#bytes.length;
  }

  async #load(offset: number): Promise<void> {
    const length = Math.min(windowSize, this.source.size - offset);
    this.#bytes = await this.source.read(offset, length, this.#signal);
    this.#start = offset;
  }

  /** Decodes tag and length or value; the content of a delimited field need not be loaded. */
  #field(start: number, end: number): Field {
    const from = start - this.#start;
    const reader = new BinaryReader(this.#bytes.subarray(from, from + maxPrefix));
    try {
      const [number, wire] = reader.tag();
      let value = 0;
      let size = 0;
      if (wire === WireType.Varint) value = Number(reader.int64());
      else if (wire === WireType.LengthDelimited) size = reader.uint32();
      else if (wire === WireType.Bit32) size = 4;
      else if (wire === WireType.Bit64) size = 8;
      else throw new RangeError('groups are not part of ONNX');
      const offset = start + reader.pos;
      if (offset + size <= end) {
        const key = number * 8 + wire;
        return { key, start, offset, end: offset + size, value, bytes: undefined };
      }
    } catch (error) {
      throw damagedModel(this.source.label, `no protobuf at byte ${start}`, error);
    }
    throw end === this.source.size
      ? new UserError(
          'truncated',
          this.source.label,
          'the file ends in the middle of the model',
          'copy or download it again',
        )
      : damagedModel(this.source.label, `a field at byte ${start} is longer than its message`);
  }

  /**
   * Visits the fields of the message in `[start, end)` in order. The walk goes on synchronously
   * where neither the window has to move nor the visitor returns a promise.
   */
  async walk(
    start: number,
    end: number,
    visit: (field: Field) => Promise<void> | void,
  ): Promise<void> {
    let position = start;
    while (position < end) {
      if (++this.#fields > maxFields) {
        throw damagedModel(this.source.label, `more than ${maxFields} fields`);
      }
      if (!this.#holds(position, Math.min(maxPrefix, end - position))) await this.#load(position);
      const field = this.#field(position, end);
      if ((field.key & 7) === (WireType.LengthDelimited as number)) {
        const size = field.end - field.offset;
        if (size <= smallField) {
          if (!this.#holds(field.offset, size)) await this.#load(field.offset);
          const from = field.offset - this.#start;
          field.bytes = this.#bytes.subarray(from, from + size);
        }
      }
      const pending = visit(field);
      if (pending) await pending;
      position = field.end;
    }
  }
}

const decoder = new TextDecoder();

/** A field's text; refused where no sensible name has that length. */
export function text(label: string, field: Field): string {
  if (field.bytes) return decoder.decode(field.bytes);
  throw damagedModel(label, `a name of ${field.end - field.offset} bytes`);
}

/** The numbers of a packed repeated int64 field. */
export function packedInts(label: string, bytes: Uint8Array): number[] {
  const reader = new BinaryReader(bytes);
  const values: number[] = [];
  try {
    while (reader.pos < reader.len) values.push(Number(reader.int64()));
  } catch (error) {
    throw damagedModel(label, 'a list of numbers is cut', error);
  }
  return values;
}
