import type { Floats } from '../../tensor/matrix.ts';

/**
 * ‖X − 1x̄ᵀ‖_{1,∞} / ‖X‖_{1,∞} for X of d columns, x̄ the mean row, ‖A‖_{1,∞} = √(‖A‖_1·‖A‖_∞)
 * (Dong et al. 2021). NaN where X is zero; exactly 0 where all rows are equal.
 */
export function relativeResidual(data: Floats, d: number): number {
  const rows = data.length / d;
  const mean = new Float64Array(d);
  const varies = new Uint8Array(d);
  for (let at = 0; at < data.length;) {
    for (let j = 0; j < d; j++, at++) {
      mean[j]! += data[at]!;
      if (data[at] !== data[j]) varies[j] = 1;
    }
  }
  // A mean of copies may be off by a rounding; their own value leaves exact zeros.
  for (let j = 0; j < d; j++) mean[j] = varies[j] === 1 ? mean[j]! / rows : data[j]!;
  return norm(data, mean) / norm(data, new Float64Array(d));
}

/** √(largest column sum · largest row sum) of |X − 1sᵀ|. */
function norm(data: Floats, shift: Float64Array): number {
  const d = shift.length;
  const columns = new Float64Array(d);
  let largestRow = 0;
  for (let at = 0; at < data.length;) {
    let row = 0;
    for (let j = 0; j < d; j++, at++) {
      const size = Math.abs(data[at]! - shift[j]!);
      row += size;
      columns[j]! += size;
    }
    largestRow = Math.max(largestRow, row);
  }
  const largestColumn = columns.reduce((largest, sum) => Math.max(largest, sum), 0);
  return Math.sqrt(largestColumn) * Math.sqrt(largestRow);
}
