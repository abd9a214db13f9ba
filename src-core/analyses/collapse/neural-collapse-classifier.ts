import { UserError } from '../../errors.ts';
import { modelClassifier } from '../../models/classifier.ts';
import type { AnalysisContext, NamedRows, Side } from '../definition.ts';
import { lengthsOf } from './class-pairs.ts';

/** A linear classifier as it is stored: scores are W·h + b. */
export interface Classifier {
  /** Where it is from, for errors. */
  readonly name: string;
  readonly rows: number;
  readonly columns: number;
  /** rows × columns; which of the two are classes is seen when it meets a layer. */
  readonly weights: Float64Array;
  /** Empty for none. */
  readonly bias: Float64Array;
  /** The only layer that it reads, where that is known. */
  readonly layer?: string;
}

/** The rows of a classifier that belong to the classes at hand, in their order. */
export interface FittedClassifier {
  /** C × d. */
  readonly weights: Float64Array;
  readonly bias: Float64Array;
}

async function whole(rows: NamedRows): Promise<Float64Array> {
  return Float64Array.from(await rows.rows(0, rows.n));
}

/**
 * The classifier that parameters name, or nothing where they name none.
 * @throws UserError `usage` for offsets without weights.
 */
export async function openClassifier(
  weights: string,
  bias: string,
  context: AnalysisContext,
): Promise<Classifier | undefined> {
  if (weights === '') {
    if (bias === '') return undefined;
    throw new UserError('usage', 'b', 'is given without W', 'name the weights as well: W=FILE');
  }
  const matrix = await context.open(weights);
  return {
    name: matrix.label,
    rows: matrix.n,
    columns: matrix.d,
    weights: await whole(matrix),
    bias: bias === '' ? new Float64Array(0) : await whole(await context.open(bias)),
  };
}

/** The linear classifier that a model ends in, where the labels are its classes. */
export async function ownClassifier(
  { model, layers }: Side,
  all: readonly string[],
  context: AnalysisContext,
): Promise<Classifier | undefined> {
  const found = model && (await modelClassifier(model));
  const layer = found?.layers.find((name) =>
    layers.some(({ label, d }) => label === name && d === found.units),
  );
  if (!found || layer === undefined) return undefined;
  const { name, classes, units, weights, bias } = found;
  if (classes !== all.length && !areRows(all, classes)) {
    context.warn(`its classifier ${name} has ${classes} classes, and the labels ${all.length}`);
    return undefined;
  }
  return { name, rows: classes, columns: units, weights, bias, layer };
}

/** Whether each class is named by a different row number. */
function areRows(names: readonly string[], rows: number): boolean {
  return names.every((name) => /^\d+$/.test(name) && Number(name) < rows);
}

/**
 * Rows of the classes in a classifier for units of number d; nothing where it is for another width.
 * @param all classes of the labels, in order, of which `kept` are measured
 * @throws UserError `wrong-shape` where its classes are not those of the labels.
 */
export function fitClassifier(
  { name, rows, columns, weights, bias }: Classifier,
  d: number,
  all: readonly string[],
  kept: readonly string[],
): FittedClassifier | undefined {
  const upright = columns === d;
  if (!upright && rows !== d) return undefined;
  const classes = upright ? rows : columns;
  const numbered = areRows(all, classes);
  if (classes !== all.length && !numbered) {
    throw new UserError(
      'wrong-shape',
      name,
      `has ${classes} classes for units of number ${d}, and the labels have ${all.length}`,
      'give one row for each label in ascending order, or labels that are row numbers',
    );
  }
  if (bias.length > 0 && bias.length !== classes) {
    throw new UserError(
      'wrong-shape',
      'b',
      `has ${bias.length} numbers for ${classes} classes`,
      'give one for each row of W',
    );
  }
  const position = new Map(all.map((label, at) => [label, at]));
  const rowOf = kept.map((label) => (numbered ? Number(label) : position.get(label)!));
  const picked = new Float64Array(kept.length * d);
  for (const [to, from] of rowOf.entries()) {
    for (let j = 0; j < d; j++) {
      picked[to * d + j] = weights[upright ? from * columns + j : j * columns + from]!;
    }
  }
  return { weights: picked, bias: Float64Array.from(rowOf, (at) => bias[at] ?? 0) };
}

/** How classifier rows and class means about a centre are alike. */
export interface Duality {
  /** ‖W/‖W‖ − M/‖M‖‖² (Frobenius). */
  nc3: number;
  /** Variance over classes of ⟨w_c, m_c⟩. */
  unc3: number;
  /** Variance over classes of their cosines. */
  cosineVariance: number;
}

/** @param weights, means C × d */
export function duality(weights: Float64Array, means: Float64Array, d: number): Duality {
  const norm = (values: Float64Array) => Math.sqrt(values.reduce((sum, v) => sum + v * v, 0));
  const [normW, normM] = [norm(weights), norm(means)];
  const products = new Float64Array(means.length / d);
  let nc3 = 0;
  for (let at = 0; at < means.length; at++) {
    nc3 += (weights[at]! / normW - means[at]! / normM) ** 2;
    products[Math.floor(at / d)]! += weights[at]! * means[at]!;
  }
  const [lengthsW, lengthsM] = [lengthsOf(weights, d), lengthsOf(means, d)];
  const cosines = products.map((product, of) => product / (lengthsW[of]! * lengthsM[of]!));
  return { nc3, unc3: variance(products), cosineVariance: variance(cosines) };
}

function variance(values: Float64Array): number {
  const middle = values.reduce((sum, value) => sum + value, 0) / values.length;
  return values.reduce((sum, value) => sum + (value - middle) ** 2, 0) / values.length;
}
