import { openBytes } from '../bytes/byte-source.ts';
import { UserError } from '../errors.ts';
import { openGguf } from './gguf.ts';
import type { WeightFile } from './weight-file.ts';

const headBytes = 8;

/**
 * Opens a file of weights, told apart by content.
 * @throws UserError `missing`, `empty`, `truncated`, `not-a-model`, `unsupported`.
 */
export async function openWeights(path: string): Promise<WeightFile> {
  const source = await openBytes(path);
  const bytes = await source
    .read(0, Math.min(headBytes, source.size))
    .finally(() => source.close());
  const head = Buffer.from(bytes).toString('latin1');
  if (head.startsWith('GGUF')) return openGguf(path);
  throw new UserError(
    'not-a-model',
    path,
    'is not a GGUF file',
    'name a file of weights, or a matrix as .npy',
  );
}
