import { Matrix, type Floats, type RowSource } from '../../tensor/matrix.ts';
import { blocks, type Range } from '../blocks.ts';

/** Elements that are read at once. */
const blockElements = 1 << 20;

/** Rows of a range as a source of their own. */
class RangeRows implements RowSource {
  readonly n: number;
  readonly d: number;
  readonly dtype: 'float32' | 'float64';
  readonly #source: RowSource;
  readonly #from: number;

  constructor(source: RowSource, [from, to]: Range) {
    this.n = to - from;
    this.d = source.d;
    this.dtype = source.dtype;
    this.#source = source;
    this.#from = from;
  }

  rows(start: number, end: number): Promise<Floats> {
    return this.#source.rows(this.#from + start, this.#from + end);
  }
}

export const rangeOf = (source: RowSource, range: Range): RowSource =>
  range[0] === 0 && range[1] === source.n ? source : new RangeRows(source, range);

/** Rows in memory whose blocks are views that nobody may write to. */
class HeldRows extends Matrix {
  override rows(start: number, end: number): Promise<Floats> {
    return Promise.resolve(this.data.subarray(start * this.d, end * this.d));
  }
}

export const heldBytes = ({ n, d, dtype }: RowSource): number =>
  n * d * (dtype === 'float64' ? 8 : 4);

/** Rows read into memory, for work that goes over them many times and changes none. */
export async function hold(source: RowSource, pause: () => Promise<void>): Promise<RowSource> {
  const { n, d, dtype } = source;
  const data = dtype === 'float64' ? new Float64Array(n * d) : new Float32Array(n * d);
  for (const [start, end] of blocks(n, Math.max(1, Math.floor(blockElements / d)))) {
    data.set(await source.rows(start, end), start * d);
    await pause();
  }
  return new HeldRows(n, d, data);
}
