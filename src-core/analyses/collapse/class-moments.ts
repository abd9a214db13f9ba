import { disagreements, withinScatter, type Decisions } from '../../engine/class-kernels.ts';
import type { Engine } from '../../engine/device-engine.ts';
import { UserError } from '../../errors.ts';
import type { Floats } from '../../tensor/matrix.ts';
import { blocks } from '../blocks.ts';
import type { Classes } from '../classes.ts';
import type { AnalysisContext, NamedRows } from '../definition.ts';
import { checkRows } from '../layers.ts';
import { largest } from '../magnitude.ts';

/** Elements of a block that is read at once. */
const blockElements = 1 << 21;
/** Multiply-adds of one engine call, for about 100 ms on a slow processor. */
const callBudget = 1e9;

type Step = (fraction: number) => Promise<void>;

/** Classes of which some may be left out: their samples have the index −1. */
export type KeptClasses = Classes & {
  /** Samples that are of a class. */
  readonly n: number;
};

/**
 * The classes of at least `least` samples.
 * @throws UserError `too-few-samples` where fewer than two are left.
 */
export function keepClasses(classes: Classes, least: number): KeptClasses {
  const kept = [...classes.counts.keys()].filter((at) => classes.counts[at]! >= least);
  if (kept.length < 2) {
    throw new UserError(
      'too-few-samples',
      'labels',
      `${kept.length} of ${classes.names.length} classes have at least ${least} samples, and two classes are needed`,
      'lower minSamples',
    );
  }
  const position = new Int32Array(classes.names.length).fill(-1);
  kept.forEach((from, to) => (position[from] = to));
  const counts = Int32Array.from(kept, (at) => classes.counts[at]!);
  return {
    names: kept.map((at) => classes.names[at]!),
    index: classes.index.map((at) => position[at]!),
    counts,
    n: counts.reduce((sum, count) => sum + count, 0),
  };
}

interface ClassBlock {
  /** Rows that are of a class, m × d. */
  x: Floats;
  /** Class of each of them. */
  classes: Int32Array;
  /** Row of the source after the last. */
  end: number;
}

/** Blocks of the rows that are of a class. */
async function* classBlocks(
  rows: NamedRows,
  { index, n }: KeptClasses,
  size: number,
): AsyncGenerator<ClassBlock> {
  const { d } = rows;
  for (const [start, end] of blocks(rows.n, size)) {
    const x = await rows.rows(start, end);
    if (n === rows.n) {
      yield { x, classes: index.slice(start, end), end };
      continue;
    }
    let count = 0;
    const classes = new Int32Array(end - start);
    for (let row = start; row < end; row++) {
      const of = index[row]!;
      if (of < 0) continue;
      x.copyWithin(count * d, (row - start) * d, (row - start + 1) * d);
      classes[count++] = of;
    }
    if (count > 0) yield { x: x.subarray(0, count * d), classes: classes.slice(0, count), end };
  }
}

/**
 * The mean of each class in float64, C × d, from one pass.
 * @throws UserError `non-finite` that names the layer and the row.
 */
export async function classMeans(
  rows: NamedRows,
  classes: KeptClasses,
  context: AnalysisContext,
  step: Step,
): Promise<Float64Array> {
  const { d } = rows;
  const means = new Float64Array(classes.names.length * d);
  const size = Math.max(1, Math.floor(blockElements / d));
  for await (const { x, classes: of, end } of classBlocks(rows, classes, size)) {
    for (let row = 0, at = 0; row < of.length; row++) {
      const base = of[row]! * d;
      for (let j = 0; j < d; j++, at++) means[base + j]! += x[at]!;
    }
    await step(end / rows.n);
  }
  // It reads the rows again, and says where they are not finite, too large or too small.
  const bound = largest[rows.dtype];
  const usable = means.every((sum) => Math.abs(sum) <= bound);
  const vanishing = means.every((sum) => Math.abs(sum) < 1 / bound);
  if (!usable || vanishing) await checkRows(rows, context, 1);
  for (const [of, count] of classes.counts.entries()) {
    for (let j = of * d; j < (of + 1) * d; j++) means[j]! /= count;
  }
  return means;
}

/** Mean of the class means: every class counts alike. */
export function centreOf(means: Float64Array, d: number): Float64Array {
  const count = means.length / d;
  const centre = new Float64Array(d);
  for (let at = 0; at < means.length; at++) centre[at % d]! += means[at]! / count;
  return centre;
}

/** Rows of width d less a vector. */
export const shifted = (rows: Float64Array, shift: Float64Array): Float64Array =>
  rows.map((value, at) => value - shift[at % shift.length]!);

export interface WithinClasses {
  /** Mean squared distance of a class's samples to its mean. */
  variances: Float64Array;
  /** Mean of (h − μ_c)(h − μ_c)ᵀ over all samples, d × d; with a basis its r quadratic forms. */
  scatter: Float64Array;
  /** Share of samples whose linear class is not the nearest one. */
  disagreement?: number;
}

/**
 * Second pass: how samples lie about the mean of their class.
 * @param basis r × d unit vectors: the scatter along them instead of all of it
 */
export async function withinClasses(
  engine: Engine,
  rows: NamedRows,
  classes: KeptClasses,
  means: Float64Array,
  options: { basis?: Float64Array | undefined; decisions?: Decisions | undefined },
  step: Step,
): Promise<WithinClasses> {
  const { d } = rows;
  const { basis, decisions } = options;
  const columns = basis ? basis.length / d : d;
  const work = d * (columns + (decisions ? 2 * classes.names.length : 0));
  const size = Math.max(16, Math.min(blockElements / d, callBudget / work));
  const scatter = new Float64Array(basis ? columns : d * d);
  const variances = new Float64Array(classes.names.length);
  let differ = 0;
  for await (const { x, classes: of, end } of classBlocks(rows, classes, Math.floor(size))) {
    const part = await withinScatter(engine, d, x, of, means, basis);
    for (let at = 0; at < scatter.length; at++) scatter[at]! += part.scatter[at]!;
    for (let row = 0; row < of.length; row++) variances[of[row]!]! += part.squares[row]!;
    await step(end / rows.n);
    if (decisions) {
      differ += await disagreements(engine, d, x, decisions);
      await step(end / rows.n);
    }
  }
  return {
    variances: variances.map((sum, of) => sum / classes.counts[of]!),
    scatter: scatter.map((sum) => sum / classes.n),
    ...(decisions ? { disagreement: differ / classes.n } : {}),
  };
}
