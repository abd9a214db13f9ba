import type { RowLayout } from './layer-rows.ts';

/** A batch should take about this long, so that a cancel is answered soon. */
const batchMs = 80;
const largestBatch = 256;
/** Tokens, or samples where there are no tokens, of the first batch. */
const firstTokens = 512;
const firstSamples = 4;

/**
 * How many samples to run at once: as many as take about {@link batchMs} and as give no more than
 * `memory` bytes of layers, padding included. Exactly `fixed` where the model takes no other number.
 */
export class BatchSize {
  readonly #layout: RowLayout;
  readonly #fixed: number | undefined;
  readonly #memory: number;
  /** Padded tokens of a batch. */
  #budget: number;

  constructor(layout: RowLayout, fixed: number | undefined, memory: number) {
    this.#layout = layout;
    this.#fixed = fixed;
    this.#memory = memory;
    this.#budget = layout.hasTokens ? firstTokens : firstSamples;
  }

  /** The samples to run after the first `done`; they overlap those where a fixed batch needs it. */
  next(done: number): [start: number, end: number] {
    const { samples } = this.#layout;
    if (this.#fixed !== undefined) {
      const end = Math.min(done + this.#fixed, samples);
      return [end - this.#fixed, end];
    }
    // Samples come longest first, so the first one's width is that of the batch.
    const fitting = Math.floor(this.#budget / this.#layout.width(done));
    return [done, Math.min(done + Math.min(Math.max(fitting, 1), largestBatch), samples)];
  }

  /** Takes in how long a batch took and how many bytes it gave. */
  learn([start, end]: readonly [number, number], elapsedMs: number, bytes: number): void {
    const tokens = (end - start) * this.#layout.width(start);
    const fitting = (tokens * batchMs) / Math.max(elapsedMs, 1);
    const storable = (tokens * this.#memory) / Math.max(bytes, 1);
    this.#budget = Math.max(1, Math.min(fitting, storable, 2 * this.#budget));
  }
}
