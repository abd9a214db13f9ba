import { readFileSync } from 'node:fs';

type Scores = Record<'r2' | 'top1' | 'mrr', number>;

/** Values of test/fixtures/similarity/alignment.py. */
export const reference = JSON.parse(
  readFileSync(
    new URL('../../../test/fixtures/similarity/alignment.json', import.meta.url),
    'utf8',
  ),
) as {
  x: number[][];
  y: number[][];
  held: number[];
  anchors: number[];
  encoding: number;
  relative: Record<'cosine' | 'jaccard' | 'mrr', number>;
  stitching: Record<'linear' | 'ridge' | 'orthogonal', Scores>;
  neurons: Record<'argmax' | 'bipartite', Record<'signed' | 'unsigned', number>> & {
    lasso: Record<string, { matched: number; used: number }>;
  };
};

/** The indices below n that are not among those given. */
export const othersOf = (n: number, taken: readonly number[]): Int32Array =>
  Int32Array.from(Array.from({ length: n }, (_, i) => i).filter((i) => !taken.includes(i)));
