import type { Engine } from '../../engine/device-engine.ts';
import { gram } from '../../engine/kernels.ts';
import { blocks } from '../blocks.ts';
import type { Step } from './pairs.ts';
import type { Columns } from './products.ts';
import { callBudget } from '../../engine/call-budget.ts';
import { toUnitLength } from '../geometry/unit-rows.ts';

const largestBlock = 512;

/** Rows scaled to unit length, in place; those of zeros stay so, and are counted. */
export const toUnitRows = ({ width, data }: Columns): number => toUnitLength(data, width).length;

/** Whether each row is other than zeros. */
export const directed = ({ n, width, data }: Columns): Uint8Array =>
  Uint8Array.from({ length: n }, (_, row) =>
    data.subarray(row * width, (row + 1) * width).some((value) => value !== 0) ? 1 : 0,
  );

export interface Retrieval {
  /** Place of candidate i among all candidates for query i, from 1; NaN where one is left out. */
  ranks: Float64Array;
  /** For each query the candidates that are most similar, m × k, ties by the lower index. */
  nearest: Int32Array;
}

/**
 * For each query (unit rows) how similar all candidates are (inner products), a block at a time.
 * Candidates as similar as the sought one share the mean of their places.
 * @param used rows that take part, on either side
 */
export async function retrieve(
  engine: Engine,
  queries: Columns,
  candidates: Columns,
  used: Uint8Array,
  k: number,
  step: Step,
): Promise<Retrieval> {
  const { n, width } = queries;
  const ranks = new Float64Array(n).fill(NaN);
  const nearest = new Int32Array(n * k).fill(-1);
  const size = Math.max(1, Math.min(largestBlock, Math.floor(callBudget / (n * width))));
  for (const [start, end] of blocks(n, size)) {
    const left = queries.data.subarray(start * width, end * width);
    const products = await gram(engine, width, left, candidates.data);
    for (let row = start; row < end; row++) {
      if (used[row] === 0) continue;
      const similarities = products.subarray((row - start) * n, (row - start + 1) * n);
      ranks[row] = placeOf(similarities, row, used);
      mostSimilar(similarities, used, nearest.subarray(row * k, (row + 1) * k));
    }
    await step(end / n);
  }
  return { ranks, nearest };
}

function placeOf(similarities: Float64Array, sought: number, used: Uint8Array): number {
  const own = similarities[sought]!;
  let above = 0;
  let equal = 0;
  for (let at = 0; at < similarities.length; at++) {
    if (used[at] === 0) continue;
    if (similarities[at]! > own) above++;
    else if (similarities[at] === own) equal++;
  }
  return above + (equal + 1) / 2;
}

/** The indices of the largest values, largest first, by insertion. */
function mostSimilar(similarities: Float64Array, used: Uint8Array, into: Int32Array): void {
  let held = 0;
  for (let at = 0; at < similarities.length; at++) {
    if (used[at] === 0) continue;
    const value = similarities[at]!;
    if (held === into.length && !(value > similarities[into[held - 1]!]!)) continue;
    let place = held < into.length ? held++ : held - 1;
    for (; place > 0 && value > similarities[into[place - 1]!]!; place--) {
      into[place] = into[place - 1]!;
    }
    into[place] = at;
  }
}

/** Mean of |P ∩ Q| / |P ∪ Q| over rows of k indices each. */
export function meanJaccard(p: Int32Array, q: Int32Array, used: Uint8Array, k: number): number {
  let sum = 0;
  let rows = 0;
  for (let row = 0; row < used.length; row++) {
    if (used[row] === 0) continue;
    const first = new Set(p.subarray(row * k, (row + 1) * k));
    let shared = 0;
    for (const index of q.subarray(row * k, (row + 1) * k)) if (first.has(index)) shared++;
    sum += shared / (2 * k - shared);
    rows++;
  }
  return sum / rows;
}

/** Mean of 1/place, and the share of first places. */
export function retrievalScores(ranks: Float64Array): { mrr: number; top1: number } {
  let reciprocal = 0;
  let first = 0;
  let count = 0;
  for (const rank of ranks) {
    if (Number.isNaN(rank)) continue;
    reciprocal += 1 / rank;
    if (rank === 1) first++;
    count++;
  }
  return { mrr: reciprocal / count, top1: first / count };
}
