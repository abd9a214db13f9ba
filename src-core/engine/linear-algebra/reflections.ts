import type { Step } from './eigen.ts';
import { reflected, rowGram } from './products.ts';
import { callBudget } from '../call-budget.ts';

export interface Reflections {
  count: number;
  /** Vectors have this many elements. */
  length: number;
  /** Write the vector of reflection `index` to `row`, zeros where it has none. */
  vector(index: number, row: Float64Array): void;
  /** The factor τ of I − τ·v·vᵀ. */
  tau(index: number): number;
  /** Which elements the vectors of reflections `from` to `to` (excluded) lie in. */
  span(from: number, to: number): readonly [number, number];
}

/**
 * H(count − 1)⋯H(0)·X for X: length × n, overwritten, by blocks I − VᵀTV (Schreiber and Van Loan,
 * 1989).
 */
export async function applyReflections(
  reflections: Reflections,
  x: Float64Array,
  n: number,
  step: Step,
): Promise<void> {
  const { count, length } = reflections;
  const size = Math.max(16, Math.min(128, Math.floor(callBudget / (length * n))));
  for (let from = 0; from < count; from += size) {
    const to = Math.min(count, from + size);
    const [start, end] = reflections.span(from, to);
    const k = to - from;
    const m = end - start;
    const row = new Float64Array(length);
    const v = new Float64Array(k * m);
    for (let index = from; index < to; index++) {
      reflections.vector(index, row);
      v.set(row.subarray(start, end), (index - from) * m);
    }
    const taus = Float64Array.from({ length: k }, (_, at) => reflections.tau(from + at));
    const t = blockFactor(await rowGram(v, k), taus);
    const part = x.subarray(start * n, end * n);
    part.set(await reflected(v, t, part, k, m));
    await step(to / count);
  }
}

/** T with H(k − 1)⋯H(0) = I − VᵀTV, from VVᵀ: lower triangular, k × k. */
export function blockFactor(gram: Float64Array, taus: Float64Array): Float64Array {
  const k = taus.length;
  const t = new Float64Array(k * k);
  for (let i = 0; i < k; i++) {
    t[i * k + i] = taus[i]!;
    // Row i: −τ·(vᵢVᵀ)·T over the rows before.
    for (let at = 0; at < i; at++) {
      const factor = -taus[i]! * gram[i * k + at]!;
      for (let j = 0; j <= at; j++) t[i * k + j]! += factor * t[at * k + j]!;
    }
  }
  return t;
}

/** Reflections of vectors that begin at element k + `shift`, the last one first. */
export function backwards(
  count: number,
  length: number,
  shift: number,
  vector: (k: number) => Float64Array,
  taus: Float64Array,
): Reflections {
  return {
    count,
    length,
    vector(index, row) {
      const k = count - 1 - index;
      row.fill(0);
      row.set(vector(k).subarray(k + shift, length), k + shift);
    },
    tau: (index) => taus[count - 1 - index]!,
    span: (_, to) => [count - to + shift, length],
  };
}
