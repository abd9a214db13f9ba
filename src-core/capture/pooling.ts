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
  tokens: number;
}

/** Samples × units of one batch. */
export interface PooledRows {
  rows: number;
  d: number;
  data: Float32Array;
}

/**
 * Turn a layer's value into samples × units.
 *
 * Token sequences (batch × tokens × d, where the probe is text) are pooled over their real tokens:
 * `mean`, the `last` one, the first (`cls`), or `none`: every token is a sample of its own. All
 * other values are flattened per sample, so a convolution's map keeps its positions.
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
  if (!tokens || dims.length < 3) return { rows: batch, d: data.length / batch, data };
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
  { mask, tokens }: TokenMask,
  d: number,
  pool: Pool,
): PooledRows {
  const kept = positions(mask, batch, tokens, pool);
  if (pool === 'none') {
    const flat = kept.flatMap((columns, row) => columns.map((column) => row * tokens + column));
    const out = new Float32Array(flat.length * d);
    flat.forEach((source, row) => {
      out.set(data.subarray(source * d, (source + 1) * d), row * d);
    });
    return { rows: flat.length, d, data: out };
  }
  const out = new Float32Array(batch * d);
  const sum = new Float64Array(d);
  kept.forEach((columns, row) => {
    sum.fill(0);
    for (const column of columns) {
      const start = (row * tokens + column) * d;
      for (let unit = 0; unit < d; unit++) sum[unit]! += data[start + unit]!;
    }
    for (let unit = 0; unit < d; unit++) out[row * d + unit] = sum[unit]! / columns.length;
  });
  return { rows: batch, d, data: out };
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
