import type { Engine } from '../../engine/device-engine.ts';
import { gram } from '../../engine/kernels.ts';
import type { Floats, RowSource } from '../../tensor/matrix.ts';
import { blocks, type Range } from '../blocks.ts';
import { hold } from './held-rows.ts';
import { callBudget } from '../../engine/call-budget.ts';

const largestTile = 512;
/** Elements of rows that are kept rather than read and changed again for every tile. */
const heldElements = 1 << 24;
const blockElements = 1 << 20;

export type Step = (fraction: number) => Promise<void>;

export const distanceKinds = [
  'sqeuclidean',
  'euclidean',
  'correlation',
  'cosine',
  'mahalanobis',
  'crossnobis',
] as const;
export type DistanceKind = (typeof distanceKinds)[number];

/** Pairs of n stimuli. */
export const pairCount = (n: number) => (n * (n - 1)) / 2;

/** Where row i of the upper triangle begins, less its first column: (i, j) is at start + j. */
export const rowStart = (n: number, i: number) => (i * (2 * n - i - 1)) / 2 - i - 1;

/** Rows each changed by a function of the block that they are in. */
export class ChangedRows implements RowSource {
  readonly n: number;
  readonly d: number;
  readonly dtype: 'float32' | 'float64';
  readonly #source: RowSource;
  readonly #change: (block: Floats) => Floats;

  constructor(source: RowSource, d: number, change: (block: Floats) => Floats) {
    this.n = source.n;
    this.d = d;
    this.dtype = source.dtype;
    this.#source = source;
    this.#change = change;
  }

  async rows(start: number, end: number): Promise<Floats> {
    return this.#change(await this.#source.rows(start, end));
  }
}

const likeOf = (block: Floats, length: number): Floats =>
  block instanceof Float64Array ? new Float64Array(length) : new Float32Array(length);

/**
 * Rows of unit length, for `correlation` with their own mean subtracted first. A row without a
 * direction becomes zeros.
 */
export function unitRows(source: RowSource, kind: 'correlation' | 'cosine'): RowSource {
  const { d } = source;
  return new ChangedRows(source, d, (block) => {
    const target = likeOf(block, block.length);
    for (let row = 0; row < block.length; row += d) {
      let mean = 0;
      let varies = kind === 'cosine';
      if (kind === 'correlation') {
        for (let at = row; at < row + d; at++) {
          mean += block[at]!;
          if (block[at] !== block[row]) varies = true;
        }
        mean /= d;
      }
      let square = 0;
      for (let at = row; at < row + d; at++) square += (block[at]! - mean) ** 2;
      const scale = varies && square > 0 ? 1 / Math.sqrt(square) : 0;
      for (let at = row; at < row + d; at++) target[at] = (block[at]! - mean) * scale;
    }
    return target;
  });
}

/** One Gram matrix of the weighted sum that distances come from. */
export interface GramPart {
  readonly rows: RowSource;
  readonly weight: number;
}

/** How dissimilarities follow from G = Σ weight·XXᵀ. */
export interface Dissimilarity {
  readonly parts: readonly GramPart[];
  /** `distance`: G_ii + G_jj − 2G_ij; `unit`: 1 − G_ij, of rows of unit length. */
  readonly form: 'distance' | 'unit';
  /** Cross-validated distances may be negative; others are not, whatever rounding makes of them. */
  readonly signed?: boolean;
  /** Divide by this. */
  readonly divisor?: number;
  /** Take the root. */
  readonly root?: boolean;
}

/** Rounding of a difference of products, in units of rounding of what it is the difference of. */
const roundingUnits = 16;

/**
 * Dissimilarities of all pairs of rows: the upper triangle, row by row, without the diagonal. They
 * are rounded to what the products are good for (12 digits of float64, 5 of float32), so that equal
 * ones are equal, and what cannot be told from zero is zero.
 */
export async function dissimilarities(
  engine: Engine,
  how: Dissimilarity,
  step: Step,
): Promise<Float64Array> {
  const { form, signed = false, divisor = 1, root = false } = how;
  const n = how.parts[0]!.rows.n;
  const parts = [];
  for (const { rows, weight } of how.parts) parts.push({ rows: await held(rows, step), weight });
  const widest = Math.max(...parts.map(({ rows }) => rows.d));
  const size = Math.max(16, Math.min(largestTile, Math.floor(Math.sqrt(callBudget / widest))));
  const single = parts.some(({ rows }) => rows.dtype === 'float32');
  const negligible = roundingUnits * (single ? 2 ** -24 : 2 ** -53);
  const splitter = 2 ** (single ? 35 : 12) + 1;
  const own = form === 'distance' ? await ownProducts(parts, n) : new Float64Array(n);
  const found = new Float64Array(pairCount(n));
  const count = Math.ceil(n / size);
  const share = 2 / (count * (count + 1));
  let done = 0;
  for (const a of blocks(n, size)) {
    for (const b of blocks(n, size, a[0])) {
      const tile = await gramTile(engine, parts, a, b);
      const width = b[1] - b[0];
      for (let i = a[0]; i < a[1]; i++) {
        const start = rowStart(n, i);
        const row = (i - a[0]) * width - b[0];
        for (let j = Math.max(i + 1, b[0]); j < b[1]; j++) {
          const product = tile[row + j]!;
          const whole = form === 'unit' ? 1 : own[i]! + own[j]!;
          let value = whole - (form === 'unit' ? product : 2 * product);
          if (!signed && value < negligible * whole) value = 0;
          // Veltkamp's splitting keeps the upper digits.
          const spread = splitter * value;
          value = spread - (spread - value);
          found[start + j] = root ? Math.sqrt(value / divisor) : value / divisor;
        }
      }
      done += share;
      await step(Math.min(1, done));
    }
  }
  return found;
}

/** The rows in memory where they are few enough. */
const held = (rows: RowSource, step: Step): Promise<RowSource> | RowSource =>
  rows.n * rows.d > heldElements ? rows : hold(rows, () => step(0));

async function gramTile(
  engine: Engine,
  parts: readonly GramPart[],
  a: Range,
  b: Range,
): Promise<Float64Array> {
  let sum: Float64Array | undefined;
  for (const { rows, weight } of parts) {
    const left = await rows.rows(...a);
    const right = a[0] === b[0] ? left : await rows.rows(...b);
    const tile = await gram(engine, rows.d, left, right);
    if (sum === undefined) {
      sum = tile;
      if (weight !== 1) for (let at = 0; at < sum.length; at++) sum[at]! *= weight;
    } else {
      for (let at = 0; at < sum.length; at++) sum[at]! += weight * tile[at]!;
    }
  }
  return sum!;
}

/** G_ii of every row, in float64. */
async function ownProducts(parts: readonly GramPart[], n: number): Promise<Float64Array> {
  const own = new Float64Array(n);
  for (const { rows, weight } of parts) {
    const { d } = rows;
    for (const [start, end] of blocks(n, Math.max(1, Math.floor(blockElements / d)))) {
      const block = await rows.rows(start, end);
      for (let row = start, at = 0; row < end; row++) {
        let square = 0;
        for (const stop = at + d; at < stop; at++) square += block[at]! ** 2;
        own[row]! += weight * square;
      }
    }
  }
  return own;
}
