import type { View } from '@repscope/core/results/schema.ts';

/**
 * Which cards take a whole row where two fit side by side: tables that begin a row, and a last plot
 * with nothing beside it, but for heatmaps, whose cells would not grow.
 */
export function wideCards(kinds: readonly View['kind'][]): boolean[] {
  let beside = false;
  return kinds.map((kind, at) => {
    const starts = !beside;
    const last = at === kinds.length - 1;
    const wide = starts && (kind === 'table' || (last && kind !== 'heatmap'));
    beside = starts && !wide;
    return wide;
  });
}
