import { shortNumber } from './format.ts';
import type { Real, Result, ResultValue } from './schema.ts';

const isReal = (value: ResultValue | undefined): value is Real =>
  value === null || typeof value === 'number';

/**
 * The line that lists, lenses and hovers show: the headline value as it stands, a profile as
 * `first → last`, a layers × layers matrix as the mean of matching layers between two models and as
 * first against last layer within one, and a matrix over more models as the mean of their pairs.
 * Where an analysis has other values for such an input, the first of them.
 */
export function headlineOf(result: Result, headline: string): string {
  const key = headline in result.values ? headline : (Object.keys(result.values)[0] ?? headline);
  const value = result.values[key];
  if (isReal(value)) return `${key} ${shortNumber(value)}`;
  if (!Array.isArray(value)) return result.analysis;
  const rows = value;
  const first = rows[0];
  if (rows.every(isReal)) {
    const last = rows.at(-1)!;
    return rows.length === 1
      ? `${key} ${shortNumber(rows[0]!)}`
      : `${key} ${shortNumber(rows[0]!)} → ${shortNumber(last)}`;
  }
  if (!Array.isArray(first)) return key;
  const matrix = rows as Real[][];
  const models = new Set(result.inputs.map((input) => input.uri)).size;
  if (models > 2) {
    const pairs = matrix.flatMap((row, i) => row.filter((_, j) => j !== i));
    const finite = pairs.filter((value) => value !== null);
    const mean = finite.reduce((sum, item) => sum + item, 0) / finite.length;
    return `${key} ${shortNumber(finite.length > 0 ? mean : null)} (mean of ${models} models’ pairs)`;
  }
  // Something else than layers × layers has no line of its own.
  if (models === 1 && matrix.some((row) => row.length !== matrix.length)) return result.analysis;
  if (models === 1) {
    return `${key} first–last layer ${shortNumber(matrix[0]?.at(-1) ?? null)}`;
  }
  const diagonal = matrix.flatMap((row, index) => row[index] ?? []);
  const mean = diagonal.reduce((sum, item) => sum + item, 0) / diagonal.length;
  return `${key} ${shortNumber(diagonal.length > 0 ? mean : null)} (mean of matching layers)`;
}
