import type { NamedRows } from '../analyses/definition.ts';
import type { Result } from '../results/schema.ts';

/** Rows as a result describes them. */
export function describeRows(
  uri: string,
  layer: string | null,
  rows: Pick<NamedRows, 'n' | 'd' | 'dtype'>,
  sha256: string,
): Result['inputs'][number] {
  return { uri, layer, shape: [rows.n, rows.d], dtype: rows.dtype, sha256 };
}
