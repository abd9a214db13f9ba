import { openBytes } from '../bytes/byte-source.ts';
import { openZip } from '../bytes/zip.ts';
import { UserError } from '../errors.ts';
import { openGguf } from './gguf.ts';
import { kerasWeights, openHdf5, openKerasArchive } from './keras.ts';
import { openTfjs } from './tfjs.ts';
import { checkpointPickle, openTorch } from './torch.ts';
import type { WeightFile } from './weight-file.ts';

const headBytes = 8;
const zipStart = 'PK\x03\x04';

/** What a zip archive is to Repscope. */
export type ArchiveKind = 'torch' | 'keras' | 'other';

/** @throws UserError `not-a-model` where the archive is damaged. */
export async function archiveKind(path: string): Promise<ArchiveKind> {
  const archive = await openZip(path, {
    noun: 'a readable zip archive',
    remedy: 'download it again',
    uncompressed: 'unpack it',
  });
  await archive.close();
  if (archive.names.some((name) => checkpointPickle.test(name))) return 'torch';
  return archive.names.includes(kerasWeights) ? 'keras' : 'other';
}

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
  if (head.startsWith('\x89HDF')) return openHdf5(path);
  if (/^\s*\{/.test(head)) return openTfjs(path);
  if (head.startsWith(zipStart)) {
    const kind = await archiveKind(path);
    if (kind === 'torch') return openTorch(path);
    if (kind === 'keras') return openKerasArchive(path);
  }
  throw new UserError(
    'not-a-model',
    path,
    'holds no tensors that Repscope reads',
    'name a GGUF, PyTorch, Keras or TensorFlow.js file, or a matrix as .npy',
  );
}
