import type { ByteSource } from '../bytes/byte-source.ts';
import { UserError } from '../errors.ts';
import { allocateFloats, elementCount, floatsFor, isNumeric, toFloats } from './convert.ts';
import { dtypeBytes, type DType } from './dtype.ts';
import type { Floats } from './matrix.ts';

/** The header of a .npy file (numpy.lib.format, versions 1 to 3). */
export interface NpyHeader {
  dtype: DType;
  bigEndian: boolean;
  /** Characters of an element where dtype is `string`. */
  characters: number;
  /** Bytes of a character: 4 for NumPy's `U`, 1 for `S`. */
  characterBytes: number;
  fortranOrder: boolean;
  shape: number[];
  /** Where the elements start. */
  dataOffset: number;
}

const numericTypes: Record<string, DType> = {
  f2: 'float16',
  f4: 'float32',
  f8: 'float64',
  i1: 'int8',
  i2: 'int16',
  i4: 'int32',
  i8: 'int64',
  u1: 'uint8',
  u2: 'uint16',
  u4: 'uint32',
  u8: 'uint64',
  b1: 'bool',
};

const maxHeader = 1 << 20;

export const npyMagic = [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59];

function damaged(label: string, what: string): UserError {
  return new UserError(
    'not-a-model',
    label,
    `is not a readable .npy file: ${what}`,
    'save it again with numpy.save',
  );
}

/** @throws UserError `not-a-model`, `truncated`, or `unsupported` for object and structured arrays. */
export async function readNpyHeader(source: ByteSource): Promise<NpyHeader> {
  const { label } = source;
  const start = await source.read(0, Math.min(12, source.size));
  if (!npyMagic.every((byte, i) => start[i] === byte)) {
    throw damaged(label, 'it does not begin with NumPy’s signature');
  }
  const version = start[6] ?? 0;
  if (version < 1 || version > 3) throw damaged(label, `format version ${version}`);
  const prefix = version === 1 ? 10 : 12;
  if (start.length < prefix) {
    throw new UserError('truncated', label, 'ends in its header', 'copy the file again');
  }
  const view = new DataView(start.buffer);
  const length = version === 1 ? view.getUint16(8, true) : view.getUint32(8, true);
  if (length > maxHeader) throw damaged(label, `a header of ${length} bytes`);
  const text = new TextDecoder(version === 3 ? 'utf-8' : 'latin1').decode(
    await source.read(prefix, length),
  );
  const descr = /'descr'\s*:\s*'([^']*)'/.exec(text)?.[1];
  const order = /'fortran_order'\s*:\s*(True|False)/.exec(text)?.[1];
  const dimensions = /'shape'\s*:\s*\(([\d,\sL]*)\)/.exec(text)?.[1];
  if (order === undefined || dimensions === undefined)
    throw damaged(label, 'header not understood');
  const shape = (dimensions.match(/\d+/g) ?? []).map(Number);
  const type = /^([<>|=])([a-zA-Z])(\d+)$/.exec(descr ?? '');
  const letters = type?.[2] ?? '';
  const dtype = numericTypes[`${letters}${type?.[3] ?? ''}`] ?? 'string';
  if (!type || (dtype === 'string' && letters !== 'U' && letters !== 'S')) {
    throw new UserError(
      'unsupported',
      label,
      descr === undefined ? 'holds a structured array' : `element type ${descr} is not numeric`,
      'save it as float32 or float64',
    );
  }
  const header: NpyHeader = {
    dtype,
    bigEndian: type[1] === '>',
    characters: dtype === 'string' ? Number(type[3]) : 0,
    characterBytes: letters === 'U' ? 4 : 1,
    fortranOrder: order === 'True',
    shape,
    dataOffset: prefix + length,
  };
  const count = elementCount(shape);
  const needed = count * elementBytes(header);
  if (header.dataOffset + needed > source.size) {
    throw new UserError(
      'truncated',
      label,
      `its header promises ${needed} bytes of data but ${source.size - header.dataOffset} are there`,
      'copy or save the file again',
    );
  }
  if (count > source.size) throw damaged(label, 'more elements than bytes');
  return header;
}

const elementBytes = (header: NpyHeader) =>
  header.dtype === 'string' ? header.characters * header.characterBytes : dtypeBytes[header.dtype];

/**
 * Rows `[start, end)` of the first axis, row-major, trailing axes flattened in C order.
 * C-ordered files are read by range; Fortran-ordered ones need one read a column.
 */
export async function readNpyRows(
  source: ByteSource,
  header: NpyHeader,
  start: number,
  end: number,
): Promise<Floats> {
  const { dtype, shape, bigEndian, dataOffset } = header;
  if (!isNumeric(dtype)) {
    throw new UserError('unsupported', source.label, 'holds text', 'give an array of numbers');
  }
  const n = shape[0] ?? 1;
  const trailing = shape.slice(1);
  const d = elementCount(trailing);
  const width = dtypeBytes[dtype];
  const count = end - start;
  if (count * d === 0) return allocateFloats(floatsFor(dtype), 0);
  if (!header.fortranOrder || trailing.length === 0) {
    const bytes = await source.read(dataOffset + start * d * width, count * d * width);
    return toFloats(bytes, dtype, bigEndian);
  }
  const rows = allocateFloats(floatsFor(dtype), count * d);
  for (let column = 0; column < d; column++) {
    // In Fortran order the first axis runs fastest: a column of the file is n elements in a row.
    const bytes = await source.read(dataOffset + (column * n + start) * width, count * width);
    const values = toFloats(bytes, dtype, bigEndian);
    const target = fortranToC(column, trailing);
    for (let row = 0; row < count; row++) rows[row * d + target] = values[row]!;
  }
  return rows;
}

/** C-order index of the element whose Fortran-order index in `shape` is `index`. */
function fortranToC(index: number, shape: readonly number[]): number {
  let rest = index;
  const position = shape.map((dimension) => {
    const digit = rest % dimension;
    rest = (rest - digit) / dimension;
    return digit;
  });
  return position.reduce((sum, digit, axis) => sum * shape[axis]! + digit, 0);
}

/** All elements of an array of text. */
export async function readNpyStrings(source: ByteSource, header: NpyHeader): Promise<string[]> {
  const width = elementBytes(header);
  const bytes = await source.read(header.dataOffset, elementCount(header.shape) * width);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const text = new TextDecoder('utf-8');
  return Array.from({ length: elementCount(header.shape) }, (_, index) => {
    const start = index * width;
    if (header.characterBytes === 1) {
      return text.decode(bytes.subarray(start, start + width)).replace(/\0+$/, '');
    }
    let string = '';
    for (let at = start; at < start + width; at += 4) {
      const point = view.getUint32(at, !header.bigEndian);
      if (point === 0) break;
      string += point <= 0x10ffff ? String.fromCodePoint(point) : '\ufffd';
    }
    return string;
  });
}
