import { UserError } from '../errors.ts';
import type { ResultValue } from '../results/schema.ts';
import type { Floats, RowSource } from '../tensor/matrix.ts';
import { blocks, type Range } from './blocks.ts';
import type { AnalysisContext, NamedRows, Side } from './definition.ts';
import { firstUnusable, largest, unusable } from './magnitude.ts';

/** Elements of a block that is read at once. */
const blockElements = 1 << 20;

/** Rows with a vector subtracted in float64, in the type asked for. */
class ShiftedRows implements RowSource {
  readonly n: number;
  readonly d: number;
  readonly dtype: 'float32' | 'float64';
  readonly #source: RowSource;
  readonly #shift: Float64Array;

  constructor(source: RowSource, shift: Float64Array, dtype: 'float32' | 'float64') {
    this.n = source.n;
    this.d = source.d;
    this.dtype = dtype;
    this.#source = source;
    this.#shift = shift;
  }

  async rows(start: number, end: number): Promise<Floats> {
    const source = await this.#source.rows(start, end);
    const target = this.dtype === 'float64' ? new Float64Array(source.length) : source;
    const { d } = this;
    for (let row = 0; row < source.length; row += d) {
      for (let j = 0; j < d; j++) target[row + j] = source[row + j]! - this.#shift[j]!;
    }
    return target;
  }
}

/** A layer that has been read once: finite, with its column means known. */
export interface CheckedRows {
  readonly label: string;
  readonly n: number;
  readonly d: number;
  /** Float64 column means. */
  readonly mean: Float64Array;
  /** Columns that hold one value only. */
  readonly constantColumns: number;
  /** The rows with column means subtracted, so that float32 products lose nothing to an offset. */
  centred(dtype?: 'float32' | 'float64'): RowSource;
  /** Rows of a range with that range's own column means subtracted. */
  centredOver(range: Range): Promise<RowSource>;
  /** The rows as they are. */
  uncentred(dtype?: 'float32' | 'float64'): RowSource;
}

/**
 * Read a layer once, in blocks: column means in float64, constant columns, and a check.
 * @throws UserError `non-finite` that names the layer and the row, also of values too large to be
 * squared; `too-few-samples` below `least`.
 */
export async function checkRows(
  rows: NamedRows,
  context: AnalysisContext,
  least: number,
): Promise<CheckedRows> {
  const { n, d, label } = rows;
  if (n < least) {
    throw new UserError(
      'too-few-samples',
      label,
      `has ${n} ${n === 1 ? 'sample' : 'samples'}, and at least ${least} are needed`,
      'use a probe with more samples',
    );
  }
  const mean = new Float64Array(d);
  const first = await rows.rows(0, 1);
  const bound = largest[rows.dtype];
  let peak = 0;
  /** Columns that have held one value so far: soon few, or none. */
  let constant = Array.from({ length: d }, (_, j) => j);
  for (const [start, end] of blocks(n, Math.max(1, Math.floor(blockElements / d)))) {
    const block = await rows.rows(start, end);
    for (let at = 0; at < block.length; at += d) {
      for (let j = 0; j < d; j++) {
        const value = block[at + j]!;
        mean[j]! += value;
        const size = Math.abs(value);
        if (size > peak) peak = size;
      }
      if (constant.some((j) => block[at + j] !== first[j])) {
        constant = constant.filter((j) => block[at + j] === first[j]);
      }
    }
    // NaN is in no comparison, but in every sum.
    if (peak > bound || mean.some(Number.isNaN)) {
      const at = firstUnusable(block);
      const place = { where: `row ${start + Math.floor(at / d)}`, of: 'row' };
      throw unusable(label, place, block[at]!, at % d);
    }
    await context.step(0, `Reading ${label}`);
  }
  if (peak > 0 && peak < 1 / bound) {
    context.warn(`${label}: no value is above ${peak}, too small to be squared: scale all up`);
  }
  // A mean of copies may be off by a rounding; their own value leaves exact zeros.
  for (let j = 0; j < d; j++) mean[j]! /= n;
  for (const j of constant) mean[j] = first[j]!;
  return {
    label,
    n,
    d,
    mean,
    constantColumns: constant.length,
    centred: (dtype = rows.dtype) => new ShiftedRows(rows, mean, dtype),
    centredOver: async (range) => new ShiftedRows(rows, await meanOver(rows, range), rows.dtype),
    uncentred: (dtype = rows.dtype) => new ShiftedRows(rows, new Float64Array(d), dtype),
  };
}

async function meanOver(rows: RowSource, [from, to]: Range): Promise<Float64Array> {
  const mean = new Float64Array(rows.d);
  for (const [start, end] of blocks(to, Math.max(1, Math.floor(blockElements / rows.d)), from)) {
    const block = await rows.rows(start, end);
    for (let at = 0; at < block.length;) {
      for (let j = 0; j < rows.d; j++) mean[j]! += block[at++]! / (to - from);
    }
  }
  return mean;
}

/** Two lists of layers over the same samples. */
export interface LayerPair {
  rows: readonly NamedRows[];
  columns: readonly NamedRows[];
  /** True where one list is compared with itself. */
  self: boolean;
  /** True where values are a matrix rather than one number. */
  layered: boolean;
  /** More than two sides are one list compared with itself: the side of each of its layers. */
  sideOf?: readonly number[];
}

/**
 * The sides of a two-sided measure; one layered side alone is compared with itself, and of more
 * than two each with each.
 * @throws UserError `usage` where a matrix has no partner, `wrong-shape` where samples do not pair.
 */
export function pairSides(sides: readonly Side[]): LayerPair {
  const [first, second] = sides;
  if (first === undefined) {
    throw new UserError('usage', 'inputs', 'none given', 'give one model or two inputs');
  }
  if (second === undefined && !first.layered) {
    throw new UserError(
      'usage',
      first.name,
      'has no other matrix to compare with',
      'give two matrices',
    );
  }
  checkPaired(sides);
  const layered = sides.some((side) => side.layered);
  if (second !== undefined && sides.length === 2) {
    return { rows: first.layers, columns: second.layers, self: false, layered };
  }
  const all = sides.flatMap((side) => side.layers);
  if (second === undefined) return { rows: all, columns: all, self: true, layered };
  const sideOf = sides.flatMap((side, index) => side.layers.map(() => index));
  return { rows: all, columns: all, self: true, layered: true, sideOf };
}

function checkPaired(sides: readonly Side[]): void {
  const [reference, ...others] = sides.flatMap((side) =>
    side.layers.map((layer) => ({ n: layer.n, name: fullLabel(side, layer) })),
  );
  const odd = others.find(({ n }) => n !== reference!.n);
  if (odd === undefined) return;
  throw new UserError(
    'wrong-shape',
    `${reference!.name} and ${odd.name}`,
    `have ${reference!.n} and ${odd.n} rows, and rows must be the same samples`,
    'give both the same samples in the same order',
  );
}

/** The label of a layer among those of several models, which may share their layers' names. */
export const fullLabel = (side: Side, { label }: { label: string }): string =>
  side.layered ? `${side.name} ${label}` : label;

/**
 * Read every layer of a pair once; see {@link checkRows}. Where there are several sides, labels
 * say which model a layer is of.
 */
export async function checkPair(
  { rows, columns, self, sideOf }: LayerPair,
  sides: readonly Side[],
  context: AnalysisContext,
  least: number,
): Promise<{ rows: CheckedRows[]; columns: CheckedRows[] }> {
  const check = async (layers: readonly NamedRows[], sideAt: (index: number) => Side) => {
    const checked: CheckedRows[] = [];
    for (const [index, layer] of layers.entries()) {
      const label = sides.length > 1 ? fullLabel(sideAt(index), layer) : layer.label;
      checked.push({ ...(await checkRows(layer, context, least)), label });
    }
    return checked;
  };
  const first = await check(rows, (index) => sides[sideOf?.[index] ?? 0]!);
  return { rows: first, columns: self ? first : await check(columns, () => sides[1]!) };
}

/** A matrix of layer pairs as it is reported: one number where neither side is layered. */
export function pairValue<T>(pair: { layered: boolean }, matrix: T[][]): T | T[][] {
  return pair.layered ? matrix : matrix[0]![0]!;
}

/**
 * One-sided values as they are reported: for a matrix its own, for a model arrays over layers.
 */
export function layerValues(
  side: Side,
  results: readonly Record<string, ResultValue>[],
): Record<string, ResultValue> {
  if (!side.layered) return results[0]!;
  return Object.fromEntries(
    Object.keys(results[0]!).map((key) => [key, results.map((result) => result[key]!)]),
  );
}
