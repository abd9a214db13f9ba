import { dtypeBytes, type DType } from './dtype.ts';
import type { Message } from './hdf5-headers.ts';
import { noAddress, type Structure } from './hdf5-structure.ts';

/** Where a dataset's values are. */
export type Layout =
  | { kind: 'contiguous'; address: number; bytes: number }
  /** Within the header. */
  | { kind: 'compact'; data: Uint8Array }
  /** In chunks, perhaps compressed, or never written. */
  | { kind: 'other'; what: string };

const maxRank = 32;

/** Sizes of the axes; none for a scalar. */
export function parseDataspace(structure: Structure, data: DataView): number[] {
  const short = () => structure.damaged('a shape is cut short');
  if (data.byteLength < 4) throw short();
  const version = data.getUint8(0);
  const rank = data.getUint8(1);
  const start = version === 1 ? 8 : 4;
  if (version !== 1 && version !== 2) throw structure.damaged('a shape is of no known kind');
  if (rank > maxRank || data.byteLength < start + rank * 8) throw short();
  if (version === 2 && data.getUint8(3) === 2) return [0];
  return Array.from({ length: rank }, (_, i) =>
    structure.number(data.getBigUint64(start + i * 8, true)),
  );
}

interface ElementType {
  dtype: DType;
  bigEndian: boolean;
  width: number;
}

/** Classes of types by the numbers of the format. */
const classes = { integer: 0, float: 1, string: 3, enumeration: 8, variable: 9 } as const;

export function parseDatatype(structure: Structure, data: DataView): ElementType {
  if (data.byteLength < 8) throw structure.damaged('a type is cut short');
  const kind = data.getUint8(0) & 15;
  const bits = data.getUint8(1);
  const width = data.getUint32(4, true);
  const element = (dtype: DType): ElementType => ({
    dtype: dtypeBytes[dtype] === width || dtypeBytes[dtype] === 0 ? dtype : 'other',
    bigEndian: (bits & 1) === 1,
    width,
  });
  if (kind === classes.integer) {
    const signed = (bits & 8) !== 0;
    const byWidth = signed ? signedTypes : unsignedTypes;
    return element(byWidth[width] ?? 'other');
  }
  if (kind === classes.float) {
    if (data.byteLength < 20) throw structure.damaged('a type is cut short');
    const exponent = data.getUint8(13);
    const mantissa = data.getUint8(15);
    return element(floatTypes[`${exponent} ${mantissa}`] ?? 'other');
  }
  // Booleans are written as an enumeration of bytes.
  if (kind === classes.enumeration && width === 1) return element('bool');
  if (kind === classes.string || kind === classes.variable) return element('string');
  return element('other');
}

const signedTypes: Readonly<Record<number, DType>> = {
  1: 'int8',
  2: 'int16',
  4: 'int32',
  8: 'int64',
};
const unsignedTypes: Readonly<Record<number, DType>> = {
  1: 'uint8',
  2: 'uint16',
  4: 'uint32',
  8: 'uint64',
};
/** By bits of exponent and mantissa. */
const floatTypes: Readonly<Record<string, DType>> = {
  '11 52': 'float64',
  '8 23': 'float32',
  '5 10': 'float16',
  '8 7': 'bfloat16',
};

export function parseLayout(structure: Structure, { data }: Message): Layout {
  const short = () => structure.damaged('a dataset is cut short');
  if (data.byteLength < 4) throw short();
  const version = data.getUint8(0);
  const old = version === 1 || version === 2;
  if (!old && version !== 3 && version !== 4) return { kind: 'other', what: 'in an unknown way' };
  const kind = data.getUint8(old ? 2 : 1);
  if (kind === 2) return { kind: 'other', what: 'in chunks' };
  if (kind === 0 && !old) {
    const length = data.getUint16(2, true);
    if (data.byteLength < 4 + length) throw short();
    return { kind: 'compact', data: new Uint8Array(data.buffer, data.byteOffset + 4, length) };
  }
  if (kind !== 1) return { kind: 'other', what: 'in an unknown way' };
  const at = old ? 8 : 2;
  if (data.byteLength < at + 16) throw short();
  const address = data.getBigUint64(at, true);
  if (address === noAddress) return { kind: 'other', what: 'as fill values only' };
  return {
    kind: 'contiguous',
    address: structure.number(address),
    // The older form gives the axes instead of a size.
    bytes: old ? structure.source.size : structure.number(data.getBigUint64(at + 8, true)),
  };
}
