import type { InputKind, NamedRows } from '../analyses/definition.ts';
import type { Result } from '../results/schema.ts';

/** A layer as a result describes it; of attention maps the heads are the units. */
export function describeRows(
  uri: string,
  layer: string | null,
  { n, d, dtype, sample }: NamedRows,
  sha256: string,
  input: InputKind,
): Result['inputs'][number] {
  return { uri, layer, shape: [n, input === 'attention' ? sample![0]! : d], dtype, sha256 };
}
