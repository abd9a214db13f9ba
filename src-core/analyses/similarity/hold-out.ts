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

/**
 * Each of n rows held out once, in `count` parts of about the same size; rows of one group stay
 * together, so that there may be fewer parts.
 */
export function foldsOf(
  n: number,
  count: number,
  seed: number,
  groups?: readonly string[],
): HoldOut[] {
  const names = groups ?? Array.from({ length: n }, (_, row) => String(row));
  const all = [...new Set(names)];
  const order = new Random(seed).permutation(all.length);
  const part = new Map<string, number>();
  order.forEach((at, place) => part.set(all[at]!, place % count));
  return Array.from({ length: Math.min(count, all.length) }, (_, fold) => {
    const rows = Array.from({ length: n }, (_, row) => row);
    return {
      train: Int32Array.from(rows.filter((row) => part.get(names[row]!) !== fold)),
      test: Int32Array.from(rows.filter((row) => part.get(names[row]!) === fold)),
    };
  });
}

/** The groups of the first side that has any. */
export const groupsOf = (sides: readonly Side[]): readonly string[] | undefined =>
  sides.find(({ groups }) => groups !== undefined)?.groups;
