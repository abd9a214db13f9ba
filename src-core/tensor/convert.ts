import { dtypeBytes, type DType } from './dtype.ts';
import type { Floats } from './matrix.ts';

/** Element types that hold real numbers or integers. */
export type NumericDType = Exclude<DType, 'string' | 'other'>;

export function isNumeric(dtype: DType): dtype is NumericDType {
  return dtype !== 'string' && dtype !== 'other';
}

const wide = new Set<DType>(['float64', 'int64', 'uint64', 'int32', 'uint32']);

/** The narrowest of the two float types that holds every value of `dtype` (64-bit integers: nearly). */
export function floatsFor(dtype: DType): 'float32' | 'float64' {
  return wide.has(dtype) ? 'float64' : 'float32';
}

export function allocateFloats(dtype: 'float32' | 'float64', length: number): Floats {
  return dtype === 'float64' ? new Float64Array(length) : new Float32Array(length);
}

/** Product of dimensions. */
export const elementCount = (shape: readonly number[]) =>
  shape.reduce((product, dimension) => product * dimension, 1);

/** IEEE 754 binary16 bits to a number. */
export function halfToNumber(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

let halves: Float32Array | undefined;
const halfTable = () =>
  (halves ??= Float32Array.from({ length: 1 << 16 }, (_, bits) => halfToNumber(bits)));

function swapped(bytes: Uint8Array, width: number): Uint8Array {
  const result = new Uint8Array(bytes);
  for (let start = 0; start < result.length; start += width) {
    result.subarray(start, start + width).reverse();
  }
  return result;
}

/** The same bytes at an offset that typed arrays of `width`-byte elements accept. */
const aligned = (bytes: Uint8Array, width: number) =>
  bytes.byteOffset % width === 0 ? bytes : new Uint8Array(bytes);

/** Elements stored as little-endian bytes (big endian where `bigEndian`), as real numbers. */
export function toFloats(stored: Uint8Array, dtype: NumericDType, bigEndian = false): Floats {
  const width = dtypeBytes[dtype];
  const bytes = bigEndian && width > 1 ? swapped(stored, width) : aligned(stored, width);
  const { buffer, byteOffset } = bytes;
  const length = bytes.length / width;
  switch (dtype) {
    case 'float64':
      return new Float64Array(buffer, byteOffset, length);
    case 'float32':
      return new Float32Array(buffer, byteOffset, length);
    case 'float16': {
      const table = halfTable();
      const bits = new Uint16Array(buffer, byteOffset, length);
      const result = new Float32Array(length);
      for (let i = 0; i < length; i++) result[i] = table[bits[i]!]!;
      return result;
    }
    case 'bfloat16': {
      const bits = new Uint16Array(buffer, byteOffset, length);
      const result = new Uint32Array(length);
      for (let i = 0; i < length; i++) result[i] = bits[i]! << 16;
      return new Float32Array(result.buffer);
    }
    case 'int64':
      return Float64Array.from(new BigInt64Array(buffer, byteOffset, length), Number);
    case 'uint64':
      return Float64Array.from(new BigUint64Array(buffer, byteOffset, length), Number);
    case 'int32':
      return Float64Array.from(new Int32Array(buffer, byteOffset, length));
    case 'uint32':
      return Float64Array.from(new Uint32Array(buffer, byteOffset, length));
    case 'int16':
      return Float32Array.from(new Int16Array(buffer, byteOffset, length));
    case 'uint16':
      return Float32Array.from(new Uint16Array(buffer, byteOffset, length));
    case 'int8':
      return Float32Array.from(new Int8Array(buffer, byteOffset, length));
    case 'uint8':
    case 'bool':
      return Float32Array.from(bytes);
  }
}

/** Whether stored elements of a float type hold NaN or an infinity; never for integers. */
export function hasNonFinite(stored: Uint8Array, dtype: NumericDType): boolean {
  const width = dtypeBytes[dtype];
  if (dtype === 'float16' || dtype === 'bfloat16') {
    const { buffer, byteOffset, length } = aligned(stored, width);
    const exponent = dtype === 'float16' ? 0x7c00 : 0x7f80;
    return new Uint16Array(buffer, byteOffset, length / width).some(
      (bits) => (bits & exponent) === exponent,
    );
  }
  if (dtype !== 'float32' && dtype !== 'float64') return false;
  // Any NaN or infinity makes the sum of x − x not zero.
  let sum = 0;
  for (const value of toFloats(stored, dtype)) sum += value - value;
  return sum !== 0;
}
