import type { Real, View } from '../../results/schema.ts';
import type { Classes } from '../classes.ts';
import type { Values } from './pairs.ts';
import { rowStart } from './rdm.ts';

/** Rows and columns of a picture. */
const mostCells = 200;

/** A dissimilarity matrix made small enough to look at. */
export interface RdmPicture {
  labels: string[];
  cells: number[][];
}

/**
 * Dissimilarities as a matrix, samples of one class side by side where there are classes; of more
 * than 200 samples means over neighbouring ones, their own zeros left out.
 */
export function rdmPicture(found: Float64Array, n: number, classes?: Classes): RdmPicture {
  const order = Int32Array.from({ length: n }, (_, i) => i);
  if (classes) order.sort((a, b) => classes.index[a]! - classes.index[b]! || a - b);
  const count = Math.min(n, mostCells);
  const groups = Array.from({ length: count }, (_, at) =>
    order.subarray(Math.round((at * n) / count), Math.round(((at + 1) * n) / count)),
  );
  const value = (i: number, j: number) => found[i < j ? rowStart(n, i) + j : rowStart(n, j) + i]!;
  const between = (a: Int32Array, b: Int32Array) => {
    let sum = 0;
    let pairs = 0;
    for (const i of a) {
      for (const j of b) {
        if (i === j) continue;
        sum += value(i, j);
        pairs++;
      }
    }
    return pairs > 0 ? sum / pairs : 0;
  };
  const cells = Array.from({ length: count }, () => new Array<number>(count).fill(0));
  for (let a = 0; a < count; a++) {
    for (let b = a; b < count; b++) {
      cells[a]![b] = between(groups[a]!, groups[b]!);
      cells[b]![a] = cells[a]![b]!;
    }
  }
  const named = (group: Int32Array) => {
    const sample = group[0]!;
    return classes ? `${sample + 1} ${classes.names[classes.index[sample]!]!}` : `${sample + 1}`;
  };
  return { labels: groups.map(named), cells };
}

/** The dissimilarity matrices of two representations, one after the other. */
export function rdmViews(
  pictures: readonly RdmPicture[],
  labels: readonly string[],
  unit: string,
): View[] {
  return pictures.map(({ labels: samples, cells }, at) => ({
    kind: 'heatmap',
    title: `Dissimilarities in ${labels[at]!}`,
    x: { name: 'sample', values: samples },
    y: { name: 'sample', values: samples },
    z: cells.map((row) => row.map((value) => (Number.isFinite(value) ? value : null))),
    unit,
  }));
}

/** How single repeats are accounted for, beside what is possible. */
export function ceilingTable(values: Values): View {
  const [lower, upper] = (values['noiseCeiling'] ?? [null, null]) as [Real, Real];
  return {
    kind: 'table',
    title: 'Single repeats and their noise ceiling',
    columns: ['similarity with repeats', 'noise ceiling, lower', 'noise ceiling, upper'],
    rows: [[values['repeatSimilarity'] as Real, lower, upper]],
  };
}
