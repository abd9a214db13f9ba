import type { Side } from '../definition.ts';
import { Random } from '../random.ts';

/** Rows to fit on, and rows to test on, each in ascending order. */
export interface HoldOut {
  train: Int32Array;
  test: Int32Array;
}

/**
 * A random part of n rows for testing; rows of one group stay together, so that the part may turn
 * out larger than `share`. There are at least one of either.
 */
export function holdOut(
  n: number,
  share: number,
  seed: number,
  groups?: readonly string[],
): HoldOut {
  const random = new Random(seed);
  const members = new Map<string, number[]>();
  for (let row = 0; row < n; row++) {
    const group = groups?.[row] ?? String(row);
    const rows = members.get(group);
    if (rows) rows.push(row);
    else members.set(group, [row]);
  }
  const all = [...members.values()];
  const wanted = Math.max(1, Math.round(share * n));
  const test: number[] = [];
  const order = random.permutation(all.length);
  for (const at of order.slice(0, -1)) {
    if (test.length >= wanted) break;
    test.push(...all[at]!);
  }
  const held = new Set(test);
  const train = Array.from({ length: n }, (_, row) => row).filter((row) => !held.has(row));
  return { train: Int32Array.from(train), test: Int32Array.from(test).sort() };
}

/** The groups of the first side that has any. */
export const groupsOf = (sides: readonly Side[]): readonly string[] | undefined =>
  sides.find(({ groups }) => groups !== undefined)?.groups;
