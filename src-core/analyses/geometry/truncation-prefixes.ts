import type { Floats, RowSource } from '../../tensor/matrix.ts';
import type { NamedRows } from '../definition.ts';

/** Some of the units of each row, scaled to unit length; a row of zeros stays zero. */
export class UnitPrefix implements NamedRows {
  readonly label: string;
  readonly n: number;
  readonly d: number;
  readonly dtype: 'float32' | 'float64';
  readonly #source: RowSource;
  readonly #units: Int32Array;
  readonly #zeroRows = new Set<number>();

  constructor(label: string, source: RowSource, units: Int32Array) {
    this.label = label;
    this.n = source.n;
    this.d = units.length;
    this.dtype = source.dtype;
    this.#source = source;
    this.#units = units;
  }

  /** Rows of zeros among those read so far. */
  get zeroRows(): number {
    return this.#zeroRows.size;
  }

  async rows(start: number, end: number): Promise<Floats> {
    const { d } = this;
    const width = this.#source.d;
    const block = await this.#source.rows(start, end);
    const length = (end - start) * d;
    const part =
      block instanceof Float64Array ? new Float64Array(length) : new Float32Array(length);
    for (let row = 0; row < end - start; row++) {
      let squares = 0;
      for (let j = 0; j < d; j++) {
        const value = block[row * width + this.#units[j]!]!;
        part[row * d + j] = value;
        squares += value * value;
      }
      if (squares === 0) this.#zeroRows.add(start + row);
      else for (let j = 0; j < d; j++) part[row * d + j]! /= Math.sqrt(squares);
    }
    return part;
  }
}

/** 1, 2, 4, … below d, and d. */
export function powersOfTwo(d: number): number[] {
  const sizes: number[] = [];
  for (let size = 1; size < d; size *= 2) sizes.push(size);
  return [...sizes, d];
}

const listPattern = /^\s*\[?\s*(\d+(?:\s*,\s*\d+)*)\s*\]?\s*$/;

/** Sizes of `8,16,32`, ascending and each once; nothing where it is not that. */
export function parsePrefixes(text: string): number[] | undefined {
  const match = listPattern.exec(text);
  if (!match) return undefined;
  const sizes = [...new Set(match[1]!.split(',').map(Number))].sort((a, b) => a - b);
  return sizes[0]! >= 1 ? sizes : undefined;
}
