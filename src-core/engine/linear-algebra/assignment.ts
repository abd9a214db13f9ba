import { transpose } from './transpose.ts';

/**
 * The matching of rows and columns of least total cost (`cost`: rows × columns, row-major, finite):
 * for each row its column. Where rows outnumber columns the rows left over get −1.
 *
 * Shortest augmenting paths (Jonker and Volgenant, 1987; Crouse, 2016), O(r²·c).
 *
 * @throws RangeError where a cost is not finite.
 */
export function assignment(cost: Float64Array, rows: number, columns: number): Int32Array {
  if (!cost.every(Number.isFinite)) throw new RangeError('costs hold values that are not finite');
  if (rows > columns) {
    const matched = assignment(transpose(cost, rows, columns), columns, rows);
    const result = new Int32Array(rows).fill(-1);
    matched.forEach((row, column) => (result[row] = column));
    return result;
  }
  const matching: Matching = {
    columnOf: new Int32Array(rows).fill(-1),
    rowOf: new Int32Array(columns).fill(-1),
    u: new Float64Array(rows),
    v: new Float64Array(columns),
  };
  // Only where all columns are matched may their prices differ from zero at first.
  if (rows === columns) reduceColumns(cost, rows, matching);
  reduceRows(cost, rows, columns, matching);
  augment(cost, rows, columns, matching);
  return matching.columnOf;
}

/** A matching with prices: cost[i, j] ≥ u[i] + v[j], equal where i and j are matched. */
interface Matching {
  columnOf: Int32Array;
  rowOf: Int32Array;
  u: Float64Array;
  v: Float64Array;
}

/** A column's price is its least cost; it takes the row of that where no other has. */
function reduceColumns(cost: Float64Array, n: number, { columnOf, rowOf, v }: Matching): void {
  const best = new Int32Array(n);
  v.set(cost.subarray(0, n));
  for (let i = 1; i < n; i++) {
    for (let j = 0; j < n; j++) {
      if (cost[i * n + j]! < v[j]!) {
        v[j] = cost[i * n + j]!;
        best[j] = i;
      }
    }
  }
  for (let j = 0; j < n; j++) {
    const row = best[j]!;
    if (columnOf[row]! >= 0) continue;
    columnOf[row] = j;
    rowOf[j] = row;
  }
}

/**
 * A free row takes its best column and lowers the price as far as its second best allows; the row
 * that had the column is free. Twice over those that are.
 */
function reduceRows(
  cost: Float64Array,
  rows: number,
  columns: number,
  { columnOf, rowOf, u, v }: Matching,
): void {
  if (columns < 2) return;
  for (let pass = 0; pass < 2; pass++) {
    const free = Array.from(columnOf.keys()).filter((row) => columnOf[row]! < 0);
    let turns = 2 * rows;
    while (free.length > 0 && turns-- > 0) {
      const row = free.pop()!;
      let first = Infinity;
      let second = Infinity;
      let column = -1;
      let other = -1;
      for (let j = 0; j < columns; j++) {
        const reduced = cost[row * columns + j]! - v[j]!;
        if (reduced >= second) continue;
        if (reduced < first) {
          second = first;
          other = column;
          first = reduced;
          column = j;
        } else {
          second = reduced;
          other = j;
        }
      }
      const gain = second - first;
      if (gain === 0 && rowOf[column]! >= 0) column = other;
      const before = rowOf[column]!;
      // With nothing to gain a matched row keeps its column.
      if (before >= 0 && gain === 0) {
        u[row] = first;
        continue;
      }
      v[column]! -= gain;
      u[row] = second;
      columnOf[row] = column;
      rowOf[column] = row;
      if (before >= 0) {
        columnOf[before] = -1;
        free.push(before);
      }
    }
  }
}

/** Shortest ways from each free row to a free column. */
function augment(
  cost: Float64Array,
  rows: number,
  columns: number,
  { columnOf, rowOf, u, v }: Matching,
): void {
  const shortest = new Float64Array(columns);
  const previous = new Int32Array(columns);
  const remaining = new Int32Array(columns);
  const reached = new Int32Array(columns);
  for (let start = 0; start < rows; start++) {
    if (columnOf[start]! >= 0) continue;
    shortest.fill(Infinity);
    for (let j = 0; j < columns; j++) remaining[j] = j;
    let left = columns;
    let count = 0;
    let least = 0;
    let row = start;
    let sink = -1;
    while (sink < 0) {
      let at = -1;
      let lowest = Infinity;
      const offset = least - u[row]!;
      for (let index = 0; index < left; index++) {
        const j = remaining[index]!;
        const through = cost[row * columns + j]! - v[j]! + offset;
        if (through < shortest[j]!) {
          shortest[j] = through;
          previous[j] = row;
        }
        const length = shortest[j]!;
        // Among equals a free column ends the search at once.
        if (length < lowest || (length === lowest && rowOf[j]! < 0)) {
          lowest = length;
          at = index;
        }
      }
      least = lowest;
      const column = remaining[at]!;
      remaining[at] = remaining[--left]!;
      if (rowOf[column]! < 0) sink = column;
      else {
        reached[count++] = column;
        row = rowOf[column]!;
      }
    }
    u[start]! += least;
    for (let index = 0; index < count; index++) {
      const column = reached[index]!;
      const slack = least - shortest[column]!;
      u[rowOf[column]!]! += slack;
      v[column]! -= slack;
    }
    for (let column = sink; ;) {
      const from = previous[column]!;
      rowOf[column] = from;
      const next = columnOf[from]!;
      columnOf[from] = column;
      if (from === start) break;
      column = next;
    }
  }
}
