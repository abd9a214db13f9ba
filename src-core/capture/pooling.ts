import { UserError } from '../errors.ts';
import type { Pool } from '../jobs/messages.ts';

/** A layer's value for one batch, as the engine returns it. */
export interface LayerValue {
  data: Float32Array;
  /** First axis is the batch. */
  dims: readonly number[];
}

/** The tokens of one batch: which positions are real (1) and which are padding (0). */
export interface TokenMask {
  /** batch × tokens. */
  mask: BigInt64Array;
  /** batch × tokens: the word of its sample that each token belongs to, −1 for none. */
  words?: Int32Array;
  tokens: number;
}

/** Samples × units of one batch. */
export interface PooledRows {
  /** Whether each word or token is a row; each sample is one otherwise. */
  perPart: boolean;
  rows: number;
  d: number;
  data: Float32Array;
}

/**
 * Turn a layer's value into samples × units.
 *
 * Token sequences (batch × tokens × d, where the probe is text) are pooled over their real tokens:
 * `mean`, the `last` one, the first (`cls`), `none`: every token is a sample of its own, or `word`:
 * every word is one, the mean of its tokens. All other values are flattened per sample, so a
 * convolution's map keeps its positions.
 */
export function poolRows(
  layer: string,
  value: LayerValue,
  batch: number,
  pool: Pool,
  tokens: TokenMask | undefined,
): PooledRows {
  const { data, dims } = value;
  if (dims[0] !== batch) {
    throw new UserError(
      'wrong-shape',
      `layer '${layer}'`,
      `its value has shape [${dims.join(', ')}], which does not begin with the batch of ${batch}`,
      'name layers whose first axis is the sample',
    );
  }
  if (!tokens || dims.length < 3)
    return { perPart: false, rows: batch, d: data.length / batch, data };
  if (dims.length > 3 || dims[1] !== tokens.tokens) {
    throw new UserError(
      'wrong-shape',
      `layer '${layer}'`,
      `its value has shape [${dims.join(', ')}], one entry for each pair of tokens or heads`,
      'name layers of shape [samples, tokens, units], e.g. hidden states',
    );
  }
  return poolTokens(data, batch, tokens, dims[2]!, pool);
}

function poolTokens(
  data: Float32Array,
  batch: number,
  { mask, tokens, words }: TokenMask,
  d: number,
  pool: Pool,
): PooledRows {
  if (pool === 'word') {
    return { perPart: true, ...meansOf(data, wordPositions(words, batch, tokens), d) };
  }
  const kept = positions(mask, batch, tokens, pool);
  if (pool === 'none') {
    const flat = kept.flatMap((columns, row) => columns.map((column) => row * tokens + column));
    const out = new Float32Array(flat.length * d);
    flat.forEach((source, row) => {
      out.set(data.subarray(source * d, (source + 1) * d), row * d);
    });
    return { perPart: true, rows: flat.length, d, data: out };
  }
  const flat = kept.map((columns, row) => columns.map((column) => row * tokens + column));
  return { perPart: false, ...meansOf(data, flat, d) };
}

/** One row for each list of positions: the mean of the values there. */
function meansOf(
  data: Float32Array,
  lists: readonly (readonly number[])[],
  d: number,
): Omit<PooledRows, 'perPart'> {
  const out = new Float32Array(lists.length * d);
  const sum = new Float64Array(d);
  lists.forEach((list, row) => {
    sum.fill(0);
    for (const position of list) {
      const start = position * d;
      for (let unit = 0; unit < d; unit++) sum[unit]! += data[start + unit]!;
    }
    for (let unit = 0; unit < d; unit++) out[row * d + unit] = sum[unit]! / list.length;
  });
  return { rows: lists.length, d, data: out };
}

/** The positions of the tokens of each word, sample after sample. */
function wordPositions(words: Int32Array | undefined, batch: number, tokens: number): number[][] {
  const lists: number[][] = [];
  for (let row = 0; row < batch; row++) {
    const first = lists.length;
    for (let position = row * tokens; position < (row + 1) * tokens; position++) {
      const word = words?.[position] ?? -1;
      if (word >= 0) (lists[first + word] ??= []).push(position);
    }
  }
  return lists;
}

/** The positions of each sample that the pooling averages (or, for `none`, keeps). */
function positions(mask: BigInt64Array, batch: number, tokens: number, pool: Pool): number[][] {
  return Array.from({ length: batch }, (_, row) => {
    const real: number[] = [];
    for (let column = 0; column < tokens; column++) {
      if (mask[row * tokens + column] !== 0n) real.push(column);
    }
    if (pool === 'cls') return real.slice(0, 1);
    if (pool === 'last') return real.slice(-1);
    return real;
  });
}
