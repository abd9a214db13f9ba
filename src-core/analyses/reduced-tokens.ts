import { reduceValues, type Reduction } from '../capture/reduction.ts';
import type { Floats } from '../tensor/matrix.ts';
import type { AnalysisContext, NamedRows, Side } from './definition.ts';
import { sequencesIn } from './sequences.ts';

/** Some numbers of each sample. */
export interface ReducedRows {
  /** Samples. */
  n: number;
  /** Numbers of a sample. */
  width: number;
  /** n × width. */
  data: Floats;
}

/**
 * What a reduction makes of the tokens of each sample. The rows of a model are that already, made
 * within its graph; where a side tells sequences apart its rows are tokens, reduced here in float64.
 */
export async function reducedTokens(
  { sequences }: Side,
  layer: NamedRows,
  reduction: Reduction,
  { engine }: Pick<AnalysisContext, 'engine'>,
  step: (fraction: number) => Promise<void>,
): Promise<ReducedRows> {
  if (!sequences) return { n: layer.n, width: layer.d, data: await layer.rows(0, layer.n) };
  const n = sequences.length - 1;
  let reduced: Float64Array | undefined;
  for await (const { index, tokens, data } of sequencesIn(layer, sequences)) {
    const dims = [1, tokens, layer.d];
    const row = await reduceValues(engine, reduction, Float64Array.from(data), dims, tokens);
    reduced ??= new Float64Array(n * row.length);
    reduced.set(row, index * row.length);
    await step((index + 1) / n);
  }
  const data = reduced ?? new Float64Array();
  return { n, width: data.length / n, data };
}
