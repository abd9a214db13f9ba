import type { RowSource } from '../tensor/matrix.ts';
import { Matrix } from '../tensor/matrix.ts';
import type { PooledRows } from './pooling.ts';
import type { RowFile } from './row-file.ts';
import type { Schedule } from '../probes/feed.ts';

/** Where each sample's rows go: samples run in an order of their own and are stored in the probe's. */
export class RowLayout {
  readonly samples: number;
  /** Tokens of all samples; the number of samples where there are no tokens. */
  readonly tokens: number;
  readonly hasTokens: boolean;
  /** Rows of all samples where each has several: its words where they were asked for, else its tokens. */
  readonly parts: number;
  readonly #schedule: Schedule | undefined;
  /** Words or tokens of each sample. */
  readonly #counts: Uint32Array;
  /** First row of each sample where every word or token is a row. */
  readonly #firstPart: Float64Array;

  constructor(samples: number, schedule?: Schedule) {
    this.samples = samples;
    this.#schedule = schedule;
    this.#counts = schedule?.words ?? schedule?.lengths ?? new Uint32Array();
    this.#firstPart = new Float64Array(this.#counts.length);
    let parts = 0;
    this.#counts.forEach((count, sample) => {
      this.#firstPart[sample] = parts;
      parts += count;
    });
    this.hasTokens = schedule !== undefined;
    this.tokens = schedule?.lengths.reduce((sum, length) => sum + length, 0) ?? samples;
    this.parts = schedule ? parts : samples;
  }

  /** What the sample run as number `position` costs: its tokens. */
  width(position: number): number {
    return this.#schedule?.lengths[this.#schedule.order[position]!] ?? 1;
  }

  /** Stretches of rows that lie side by side in the store, for samples `[start, end)` as run. */
  *stretches(start: number, end: number, perPart: boolean): Generator<[at: number, rows: number]> {
    for (let position = start; position < end;) {
      const [at, first] = this.#place(position++, perPart);
      let rows = first;
      for (; position < end; position++) {
        const [next, more] = this.#place(position, perPart);
        if (next !== at + rows) break;
        rows += more;
      }
      yield [at, rows];
    }
  }

  #place(position: number, perPart: boolean): [at: number, rows: number] {
    const sample = this.#schedule?.order[position] ?? position;
    return perPart && this.#schedule
      ? [this.#firstPart[sample]!, this.#counts[sample]!]
      : [sample, 1];
  }
}

/** Takes the float32 rows of one layer in the order of the run; in memory, on disk, or both. */
export class LayerRows {
  readonly n: number;
  readonly d: number;
  readonly #layout: RowLayout;
  readonly #matrix: Matrix | undefined;
  #file: RowFile | undefined;
  readonly #warn: (message: string) => void;

  constructor(
    layout: RowLayout,
    [n, d]: readonly [n: number, d: number],
    place: { inMemory: boolean; file: RowFile | undefined },
    warn: (message: string) => void,
  ) {
    this.n = n;
    this.d = d;
    this.#layout = layout;
    this.#matrix = place.inMemory ? new Matrix(n, d, new Float32Array(n * d)) : undefined;
    this.#file = place.file;
    this.#warn = warn;
  }

  /** The rows of samples `[start, end)` as run. */
  async write({ data, perPart }: PooledRows, start: number, end: number): Promise<void> {
    let from = 0;
    for (const [at, rows] of this.#layout.stretches(start, end, perPart)) {
      const part = data.subarray(from, (from += rows * this.d));
      this.#matrix?.data.set(part, at * this.d);
      await this.#onDisk((file) => file.write(at, part));
    }
  }

  /** Notes on the disk that samples before `position` are finished. */
  checkpoint(position: number): Promise<void> {
    return this.#onDisk((file) => file.checkpoint(position));
  }

  /** The whole rows where they are in memory; undefined where they are in the file alone. */
  async finish(): Promise<RowSource | undefined> {
    await this.#onDisk((file) => file.finish());
    return this.#matrix;
  }

  /** Ends before the end: samples before `position` need not be run the next time. */
  async leave(position: number): Promise<void> {
    await this.checkpoint(position);
    await this.#file?.leave();
  }

  /** Ends before the end and leaves nothing behind. */
  async discard(): Promise<void> {
    await this.#file?.discard();
  }

  /** Rows that are in memory too need no file: then failing to keep them is a warning. */
  async #onDisk(use: (file: RowFile) => Promise<void> | void): Promise<void> {
    if (!this.#file) return;
    try {
      await use(this.#file);
    } catch (error) {
      const file = this.#file;
      this.#file = undefined;
      await file.discard();
      if (!this.#matrix) throw error;
      this.#warn(notKept(error));
    }
  }
}

export const notKept = (error: unknown) =>
  `activations are not kept for the next analysis: ${error instanceof Error ? error.message : String(error)}`;
