import { UserError } from '../errors.ts';
import type { Side } from './definition.ts';

/** Samples by class. */
export interface Classes {
  /** In ascending order, numbers by value. */
  readonly names: readonly string[];
  /** Class of each sample, as an index of `names`. */
  readonly index: Int32Array;
  /** Samples of each class. */
  readonly counts: Int32Array;
}

/**
 * The classes of a side's samples.
 * @throws UserError `usage` where it has no labels, `too-few-samples` below `least` classes.
 */
export function classesOf({ name, labels }: Side, least = 2): Classes {
  if (labels === undefined) {
    throw new UserError(
      'usage',
      name,
      'has samples without labels, and this analysis needs them',
      'name a file of labels with --labels, or a probe that has them',
    );
  }
  const names = [...new Set(labels)].sort((a, b) => a.localeCompare(b, 'en', { numeric: true }));
  if (names.length < least) {
    throw new UserError(
      'too-few-samples',
      name,
      `has samples of ${names.length} ${names.length === 1 ? 'class' : 'classes'}, and at least ${least} are needed`,
      'check the labels',
    );
  }
  const position = new Map(names.map((label, at) => [label, at]));
  const index = Int32Array.from(labels, (label) => position.get(label)!);
  const counts = new Int32Array(names.length);
  for (const at of index) counts[at]! += 1;
  return { names, index, counts };
}
