import type { Floats, RowSource } from '../../tensor/matrix.ts';

/** Scale rows of width d to unit length, in place; the rows of zeros, which stay so. */
export function toUnitLength(data: Floats, d: number): number[] {
  const zeros: number[] = [];
  for (let at = 0; at < data.length; at += d) {
    const row = data.subarray(at, at + d);
    let squares = 0;
    for (const value of row) squares += value * value;
    const length = Math.sqrt(squares);
    if (length === 0) zeros.push(at / d);
    else for (let j = 0; j < d; j++) row[j]! /= length;
  }
  return zeros;
}

/** Rows scaled to unit length. A row of zeros has no direction: it stays zero and is counted. */
export class UnitRows implements RowSource {
  readonly n: number;
  readonly d: number;
  readonly dtype: 'float32' | 'float64';
  readonly #source: RowSource;
  readonly #zeroRows = new Set<number>();

  constructor(source: RowSource) {
    this.n = source.n;
    this.d = source.d;
    this.dtype = source.dtype;
    this.#source = source;
  }

  /** Rows of zeros among those read so far. */
  get zeroRows(): number {
    return this.#zeroRows.size;
  }

  async rows(start: number, end: number): Promise<Floats> {
    const block = await this.#source.rows(start, end);
    for (const row of toUnitLength(block, this.d)) this.#zeroRows.add(start + row);
    return block;
  }
}
