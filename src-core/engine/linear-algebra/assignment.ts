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
    const turned = new Float64Array(cost.length);
    for (let i = 0; i < rows; i++)
      for (let j = 0; j < columns; j++) turned[j * rows + i] = cost[i * columns + j]!;
    const matched = assignment(turned, columns, rows);
    const result = new Int32Array(rows).fill(-1);
    matched.forEach((row, column) => (result[row] = column));
    return result;
  }
  const columnOf = new Int32Array(rows).fill(-1);
  const rowOf = new Int32Array(columns).fill(-1);
  const u = new Float64Array(rows);
  const v = new Float64Array(columns);
  const shortest = new Float64Array(columns);
  const previous = new Int32Array(columns);
  const remaining = new Int32Array(columns);
  const reached = new Int32Array(columns);
  for (let start = 0; start < rows; start++) {
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
  return columnOf;
}
