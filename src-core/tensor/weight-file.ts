import type { ByteSource } from '../bytes/byte-source.ts';
import { UserError } from '../errors.ts';
import { elementCount, isNumeric, toFloats } from './convert.ts';
import { dtypeBytes, type DType } from './dtype.ts';
import { blockFormats, decodeBlocks, type BlockFormat, type BlockType } from './gguf-blocks.ts';
import type { Floats } from './matrix.ts';

/** A tensor of a weight file. Its elements are in row-major order, whatever their order in the file. */
export interface Weight {
  readonly name: string;
  readonly dtype: DType | BlockType;
  readonly shape: readonly number[];
  /** Bytes in the file. */
  readonly bytes: number;
  /**
   * Elements `[start, end)` as real numbers.
   * @throws UserError `unsupported` where Repscope cannot read the element type.
   */
  elements(start: number, end: number, signal?: AbortSignal): Promise<Floats>;
}

/** Named tensors in a file, whatever its format; only what is asked for is read. */
export interface WeightFile {
  readonly tensors: ReadonlyMap<string, Weight>;
  close(): Promise<void>;
}

/** The error for elements that cannot be read as numbers. */
export function unreadable(label: string, name: string, dtype: string): UserError {
  const type = dtype === 'other' || dtype === 'string' ? 'its element type' : dtype;
  return new UserError(
    'unsupported',
    `${label}#${name}`,
    `${type} cannot be read as numbers`,
    'save it as float32',
  );
}

export function isBlockType(dtype: DType | BlockType): dtype is BlockType {
  return Object.hasOwn(blockFormats, dtype);
}

/**
 * Bytes that `shape` takes.
 * @returns undefined where rows do not hold whole blocks, or the size is beyond exact integers
 */
export function storedBytes(
  dtype: DType | BlockType,
  shape: readonly number[],
): number | undefined {
  const count = elementCount(shape);
  if (!Number.isSafeInteger(count * 8)) return undefined;
  if (!isBlockType(dtype)) return count * dtypeBytes[dtype];
  const { elements, bytes } = blockFormats[dtype];
  return (shape.at(-1) ?? 1) % elements === 0 ? (count / elements) * bytes : undefined;
}

/** Reads elements `[start, end)` of a tensor that lies in one piece at `offset`. */
export async function readElements(
  source: ByteSource,
  { name, dtype }: Pick<Weight, 'name' | 'dtype'>,
  offset: number,
  [start, end]: readonly [number, number],
  signal?: AbortSignal,
): Promise<Floats> {
  if (isBlockType(dtype)) {
    const format: BlockFormat = blockFormats[dtype];
    if (format.decode === undefined) throw unreadable(source.label, name, dtype);
    const first = Math.floor(start / format.elements);
    const last = Math.ceil(end / format.elements);
    const at = offset + first * format.bytes;
    const bytes = await source.read(at, (last - first) * format.bytes, signal);
    const skipped = first * format.elements;
    return decodeBlocks(bytes, format, format.decode).subarray(start - skipped, end - skipped);
  }
  if (!isNumeric(dtype)) throw unreadable(source.label, name, dtype);
  const width = dtypeBytes[dtype];
  return toFloats(await source.read(offset + start * width, (end - start) * width, signal), dtype);
}
