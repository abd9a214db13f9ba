// Block formats of GGML tensors. Each block of elements has its own scale and is read by itself.
import { halfToNumber } from './convert.ts';
import type { DType } from './dtype.ts';

/** Writes the elements of the block that starts at `from` to `out`, from `to` on. */
export type Decode = (bytes: Uint8Array, from: number, out: Float32Array, to: number) => void;

export interface BlockFormat {
  /** Elements a block. */
  readonly elements: number;
  /** Bytes a block. */
  readonly bytes: number;
  /** Absent where Repscope cannot read its values. */
  readonly decode?: Decode;
}

const half = (bytes: Uint8Array, at: number) => halfToNumber(bytes[at]! | (bytes[at + 1]! << 8));

const signed = (byte: number) => (byte << 24) >> 24;

/** Scale, four bits an element around 8; the low nibbles are the block's first half. */
const q4_0: Decode = (bytes, from, out, to) => {
  const d = half(bytes, from);
  for (let i = 0; i < 16; i++) {
    const byte = bytes[from + 2 + i]!;
    out[to + i] = d * ((byte & 15) - 8);
    out[to + 16 + i] = d * ((byte >> 4) - 8);
  }
};

/** Scale and minimum, four bits an element. */
const q4_1: Decode = (bytes, from, out, to) => {
  const d = half(bytes, from);
  const m = half(bytes, from + 2);
  for (let i = 0; i < 16; i++) {
    const byte = bytes[from + 4 + i]!;
    out[to + i] = d * (byte & 15) + m;
    out[to + 16 + i] = d * (byte >> 4) + m;
  }
};

/** The fifth bits of 32 elements, the first element's in the lowest bit. */
const fifthBits = (bytes: Uint8Array, at: number) =>
  bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);

/** As Q4_0 with a fifth bit kept apart, around 16. */
const q5_0: Decode = (bytes, from, out, to) => {
  const d = half(bytes, from);
  const high = fifthBits(bytes, from + 2);
  for (let i = 0; i < 16; i++) {
    const byte = bytes[from + 6 + i]!;
    out[to + i] = d * (((byte & 15) | (((high >>> i) & 1) << 4)) - 16);
    out[to + 16 + i] = d * (((byte >> 4) | (((high >>> (i + 16)) & 1) << 4)) - 16);
  }
};

/** As Q4_1 with a fifth bit kept apart. */
const q5_1: Decode = (bytes, from, out, to) => {
  const d = half(bytes, from);
  const m = half(bytes, from + 2);
  const high = fifthBits(bytes, from + 4);
  for (let i = 0; i < 16; i++) {
    const byte = bytes[from + 8 + i]!;
    out[to + i] = d * ((byte & 15) | (((high >>> i) & 1) << 4)) + m;
    out[to + 16 + i] = d * ((byte >> 4) | (((high >>> (i + 16)) & 1) << 4)) + m;
  }
};

const q8_0: Decode = (bytes, from, out, to) => {
  const d = half(bytes, from);
  for (let i = 0; i < 32; i++) out[to + i] = d * signed(bytes[from + 2 + i]!);
};

/** 16 sub-blocks, each with four bits of scale and four of minimum; two bits an element. */
const q2_k: Decode = (bytes, from, out, to) => {
  const quants = from + 16;
  const d = half(bytes, from + 80);
  const min = half(bytes, from + 82);
  for (let i = 0; i < 256; i++) {
    const scale = bytes[from + (i >> 4)]!;
    const byte = bytes[quants + (i >> 7) * 32 + (i & 31)]!;
    const q = (byte >> (((i >> 5) & 3) * 2)) & 3;
    out[to + i] = d * (scale & 15) * q - min * (scale >> 4);
  }
};

/** 16 sub-blocks with six-bit scales around 32; two bits an element and a third kept apart. */
const q3_k: Decode = (bytes, from, out, to) => {
  const quants = from + 32;
  const scales = from + 96;
  const d = half(bytes, from + 108);
  for (let i = 0; i < 256; i++) {
    const s = i >> 4;
    const low = (bytes[scales + (s & 7)]! >> (s < 8 ? 0 : 4)) & 15;
    const high = (bytes[scales + 8 + (s & 3)]! >> ((s >> 2) * 2)) & 3;
    const byte = bytes[quants + (i >> 7) * 32 + (i & 31)]!;
    const q = (byte >> (((i >> 5) & 3) * 2)) & 3;
    // A set bit of the mask means that nothing is taken off.
    const below = (bytes[from + (i & 31)]! >> (i >> 5)) & 1 ? 0 : 4;
    out[to + i] = d * ((low | (high << 4)) - 32) * (q - below);
  }
};

/** Six-bit scale and minimum of sub-block `j` of eight, packed in twelve bytes. */
function scaleAndMin(bytes: Uint8Array, at: number, j: number): [number, number] {
  if (j < 4) return [bytes[at + j]! & 63, bytes[at + 4 + j]! & 63];
  const rest = bytes[at + 4 + j]!;
  return [
    (rest & 15) | ((bytes[at + j - 4]! >> 2) & 48),
    (rest >> 4) | ((bytes[at + j]! >> 2) & 48),
  ];
}

/** Eight sub-blocks of 32 with six-bit scales and minima; four bits an element. */
const q4_k: Decode = (bytes, from, out, to) => {
  const d = half(bytes, from);
  const dmin = half(bytes, from + 2);
  for (let j = 0; j < 8; j++) {
    const [scale, min] = scaleAndMin(bytes, from + 4, j);
    const quants = from + 16 + (j >> 1) * 32;
    for (let i = 0; i < 32; i++) {
      const q = (bytes[quants + i]! >> ((j & 1) * 4)) & 15;
      out[to + j * 32 + i] = d * scale * q - dmin * min;
    }
  }
};

/** As Q4_K with a fifth bit kept apart. */
const q5_k: Decode = (bytes, from, out, to) => {
  const d = half(bytes, from);
  const dmin = half(bytes, from + 2);
  for (let j = 0; j < 8; j++) {
    const [scale, min] = scaleAndMin(bytes, from + 4, j);
    const quants = from + 48 + (j >> 1) * 32;
    for (let i = 0; i < 32; i++) {
      const low = (bytes[quants + i]! >> ((j & 1) * 4)) & 15;
      const high = (bytes[from + 16 + i]! >> j) & 1;
      out[to + j * 32 + i] = d * scale * (low | (high << 4)) - dmin * min;
    }
  }
};

/** 16 sub-blocks with eight-bit scales; four bits an element and two kept apart, around 32. */
const q6_k: Decode = (bytes, from, out, to) => {
  const d = half(bytes, from + 208);
  for (let i = 0; i < 256; i++) {
    const part = i >> 7;
    const low = (bytes[from + part * 64 + (i & 63)]! >> ((i >> 6) & 1 ? 4 : 0)) & 15;
    const high = (bytes[from + 128 + part * 32 + (i & 31)]! >> (((i >> 5) & 3) * 2)) & 3;
    const scale = signed(bytes[from + 192 + (i >> 4)]!);
    out[to + i] = d * scale * ((low | (high << 4)) - 32);
  }
};

/** Block formats by name, as ggml.h defines them. */
export const blockFormats = {
  Q4_0: { elements: 32, bytes: 18, decode: q4_0 },
  Q4_1: { elements: 32, bytes: 20, decode: q4_1 },
  Q5_0: { elements: 32, bytes: 22, decode: q5_0 },
  Q5_1: { elements: 32, bytes: 24, decode: q5_1 },
  Q8_0: { elements: 32, bytes: 34, decode: q8_0 },
  Q8_1: { elements: 32, bytes: 36 },
  Q2_K: { elements: 256, bytes: 84, decode: q2_k },
  Q3_K: { elements: 256, bytes: 110, decode: q3_k },
  Q4_K: { elements: 256, bytes: 144, decode: q4_k },
  Q5_K: { elements: 256, bytes: 176, decode: q5_k },
  Q6_K: { elements: 256, bytes: 210, decode: q6_k },
  Q8_K: { elements: 256, bytes: 292 },
  IQ2_XXS: { elements: 256, bytes: 66 },
  IQ2_XS: { elements: 256, bytes: 74 },
  IQ3_XXS: { elements: 256, bytes: 98 },
  IQ1_S: { elements: 256, bytes: 50 },
  IQ4_NL: { elements: 32, bytes: 18 },
  IQ3_S: { elements: 256, bytes: 110 },
  IQ2_S: { elements: 256, bytes: 82 },
  IQ4_XS: { elements: 256, bytes: 136 },
  IQ1_M: { elements: 256, bytes: 56 },
  TQ1_0: { elements: 256, bytes: 54 },
  TQ2_0: { elements: 256, bytes: 66 },
  MXFP4: { elements: 32, bytes: 17 },
} as const satisfies Record<string, BlockFormat>;

export type BlockType = keyof typeof blockFormats;

/** The type of a GGUF tensor by the number that the file gives. */
export const ggmlTypes: ReadonlyMap<number, DType | BlockType> = new Map([
  [0, 'float32'],
  [1, 'float16'],
  [2, 'Q4_0'],
  [3, 'Q4_1'],
  [6, 'Q5_0'],
  [7, 'Q5_1'],
  [8, 'Q8_0'],
  [9, 'Q8_1'],
  [10, 'Q2_K'],
  [11, 'Q3_K'],
  [12, 'Q4_K'],
  [13, 'Q5_K'],
  [14, 'Q6_K'],
  [15, 'Q8_K'],
  [16, 'IQ2_XXS'],
  [17, 'IQ2_XS'],
  [18, 'IQ3_XXS'],
  [19, 'IQ1_S'],
  [20, 'IQ4_NL'],
  [21, 'IQ3_S'],
  [22, 'IQ2_S'],
  [23, 'IQ4_XS'],
  [24, 'int8'],
  [25, 'int16'],
  [26, 'int32'],
  [27, 'int64'],
  [28, 'float64'],
  [29, 'IQ1_M'],
  [30, 'bfloat16'],
  [34, 'TQ1_0'],
  [35, 'TQ2_0'],
  [39, 'MXFP4'],
]);

/** Whole blocks as float32. */
export function decodeBlocks(bytes: Uint8Array, format: BlockFormat, decode: Decode): Float32Array {
  const count = bytes.length / format.bytes;
  const out = new Float32Array(count * format.elements);
  for (let i = 0; i < count; i++) decode(bytes, i * format.bytes, out, i * format.elements);
  return out;
}
