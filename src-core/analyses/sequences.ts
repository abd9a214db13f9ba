import type { Floats } from '../tensor/matrix.ts';
import type { NamedRows, Side } from './definition.ts';
import { firstUnusable, unusable } from './magnitude.ts';

/** Elements that are read at once, where one sequence has no more. */
const blockElements = 1 << 20;

/** The tokens of one sample in a layer. */
export interface Sequence {
  /** Number of the sample. */
  index: number;
  tokens: number;
  /** tokens × d, row-major; not to be changed. */
  data: Floats;
}

/** Where the sequences of a side begin, and where the last one ends. */
export const startsOf = ({ sequences, layers }: Side): Uint32Array =>
  sequences ?? Uint32Array.of(0, layers[0]?.n ?? 0);

/**
 * The sequences of a layer, one after the other, read in blocks of several.
 * @throws UserError `non-finite` that names the layer and the token.
 */
export async function* sequencesIn(
  layer: NamedRows,
  starts: Uint32Array,
): AsyncGenerator<Sequence> {
  const { d } = layer;
  const count = starts.length - 1;
  for (let first = 0, end = 0; first < count; first = end) {
    const from = starts[first]!;
    for (end = first + 1; end < count; end++) {
      if ((starts[end + 1]! - from) * d > blockElements) break;
    }
    const block = await layer.rows(from, starts[end]!);
    for (let index = first; index < end; index++) {
      const [start, stop] = [starts[index]! - from, starts[index + 1]! - from];
      const data = block.subarray(start * d, stop * d);
      assertUsable(layer.label, index, data, d);
      yield { index, tokens: stop - start, data };
    }
  }
}

function assertUsable(label: string, sequence: number, data: Floats, d: number): void {
  const at = firstUnusable(data);
  if (at < 0) return;
  const where = `token ${Math.floor(at / d)} of sequence ${sequence}`;
  throw unusable(label, { where, of: 'sequence' }, data[at]!, at % d);
}
