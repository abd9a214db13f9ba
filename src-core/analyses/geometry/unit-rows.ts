import type { Floats, RowSource } from '../../tensor/matrix.ts';

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
    for (let row = start; row < end; row++) {
      const values = block.subarray((row - start) * this.d, (row - start + 1) * this.d);
      let squares = 0;
      for (const value of values) squares += value * value;
      const length = Math.sqrt(squares);
      if (length === 0) this.#zeroRows.add(row);
      else for (let j = 0; j < values.length; j++) values[j]! /= length;
    }
    return block;
  }
}
