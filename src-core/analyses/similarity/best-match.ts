import type { Real } from '../../results/schema.ts';
import { mean, real } from '../statistics.ts';

/** A cell of a layers × layers matrix. */
type Cell = readonly [row: number, column: number];

/** Of two sides, every layer of one with the layer of the other that is most alike. */
export interface Matches {
  /** For each layer of the first. */
  forward: readonly Cell[];
  /** For each layer of the second. */
  backward: readonly Cell[];
}

/**
 * The best matches between the layers of each two sides, by a layers × layers matrix: result[a][b].
 * A layer that has numbers with none matches nothing.
 */
export function bestMatches(
  matrix: readonly (readonly Real[])[],
  sideOf: readonly number[],
  distance = false,
): Matches[][] {
  const members: number[][] = [];
  sideOf.forEach((side, layer) => (members[side] ??= []).push(layer));
  const cell = ([i, j]: Cell) => matrix[i]![j]!;
  const best = (candidates: readonly Cell[]): Cell[] => {
    const valid = candidates.filter((at) => Number.isFinite(cell(at)));
    if (valid.length === 0) return [];
    const better = (a: Cell, b: Cell) => (distance ? cell(a) < cell(b) : cell(a) > cell(b));
    return [valid.reduce((found, at) => (better(at, found) ? at : found))];
  };
  return members.map((first) =>
    members.map((second) => ({
      forward: first.flatMap((i) => best(second.map((j) => [i, j] as const))),
      backward: second.flatMap((j) => best(first.map((i) => [i, j] as const))),
    })),
  );
}

/** Mean of a matrix over matches, both directions alike; null where there are no numbers. */
export function meanMatch(
  matrix: readonly (readonly Real[])[],
  { forward, backward }: Matches,
): Real {
  const over = (cells: readonly Cell[]) => mean(cells.flatMap(([i, j]) => matrix[i]![j] ?? []));
  return real((over(forward) + over(backward)) / 2);
}
