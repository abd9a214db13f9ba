/** Real numbers as analyses take them. */
export type Floats = Float32Array | Float64Array;

/**
 * A representation: n samples (rows) × d units (columns), readable by row range so that it need not
 * be in memory. Every block is row-major and belongs to the caller.
 */
export interface RowSource {
  readonly n: number;
  readonly d: number;
  readonly dtype: 'float32' | 'float64';
  /** Rows `[start, end)`, (end − start) × d values. */
  rows(start: number, end: number): Promise<Floats>;
}

/** An in-memory row source. */
export class Matrix implements RowSource {
  readonly n: number;
  readonly d: number;
  readonly data: Floats;

  constructor(n: number, d: number, data: Floats) {
    if (data.length !== n * d) {
      throw new RangeError(`${n} × ${d} matrix given ${data.length} values`);
    }
    this.n = n;
    this.d = d;
    this.data = data;
  }

  get dtype(): 'float32' | 'float64' {
    return this.data instanceof Float64Array ? 'float64' : 'float32';
  }

  rows(start: number, end: number): Promise<Floats> {
    return Promise.resolve(this.data.slice(start * this.d, end * this.d));
  }
}
