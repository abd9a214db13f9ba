// Every reader of model files with sound files to damage, for fuzzing.
import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { UserError } from '@repscope/core/errors.ts';
import { openModel } from '@repscope/core/models/open.ts';
import { loadTokenizer } from '@repscope/core/probes/tokenizer.ts';
import { openMatrix } from '@repscope/core/tensor/matrix-file.ts';

const fixtures = fileURLToPath(new URL('../fixtures/', import.meta.url));

export interface Reader {
  name: string;
  /** Sound files below test/fixtures, damaged in turn. */
  files: readonly string[];
  /** Files that lie beside the damaged one, sound. */
  beside?: readonly string[];
  /** Reads the damaged file as the product would. Throws UserError for what it refuses. */
  use(path: string, folder: string): Promise<void>;
}

/** Opens a model and does all that can be done without running it. */
async function useModel(path: string): Promise<void> {
  const model = await openModel(path);
  await model.nonFiniteTensors();
  if (model.outline.runnable) {
    await model.graph(model.outline.layers.slice(0, 50).map((layer) => layer.name));
  }
}

const maxRows = 100;

/** Opens a matrix and reads its first rows. */
async function useMatrix(spec: string, folder: string): Promise<void> {
  const matrix = await openMatrix(spec, folder);
  try {
    const count = Math.min(matrix.n, maxRows, Math.ceil(2 ** 22 / matrix.d));
    const rows = await matrix.rows(0, count);
    if (rows.length !== count * matrix.d) throw new Error(`${rows.length} values`);
  } finally {
    await matrix.close();
  }
}

/** A file of weights as a model, and its first tensor as a matrix. */
async function useWeights(path: string, folder: string): Promise<void> {
  const { outline } = await openModel(path);
  await useModel(path);
  const [first] = outline.tensors;
  if (first) await useMatrix(`${path}#${first.name}`, folder);
}

const checkpoint = 'minilm/tiny-f32';

export const readers: readonly Reader[] = [
  {
    name: 'onnx',
    files: ['block', 'branch', 'cnn', 'custom', 'external', 'half', 'int8'].map(
      (name) => `onnx/${name}.onnx`,
    ),
    beside: ['onnx/external.bin'],
    use: useModel,
  },
  {
    name: 'safetensors',
    files: ['tensors/all.safetensors', 'tensors/bf16.safetensors'],
    async use(path, folder) {
      await useModel(path);
      await useMatrix(`${path}#x`, folder);
    },
  },
  {
    name: 'npy',
    files: ['f4', 'f8-cube-fortran', 'f4-big-endian', 'version3', 'i8', 'structured'].map(
      (name) => `tensors/${name}.npy`,
    ),
    use: useMatrix,
  },
  {
    name: 'npz',
    files: ['tensors/stored.npz', 'tensors/deflated.npz'],
    use: (path, folder) => useMatrix(`${path}#b`, folder),
  },
  {
    name: 'gguf',
    files: ['gguf/aligned.gguf', 'gguf/version2.gguf', 'gguf/types.gguf'],
    use: useWeights,
  },
  {
    name: 'torch',
    files: ['state', 'nested', 'module', 'protocol5', 'system', 'chain', 'laughs', 'sparse'].map(
      (name) => `torch/${name}.pt`,
    ),
    use: useWeights,
  },
  {
    name: 'keras',
    files: ['keras/latest.h5', 'keras/model.h5', 'keras/model.keras'],
    use: useWeights,
  },
  {
    name: 'tfjs',
    files: ['tfjs/layers/model.json', 'tfjs/graph/model.json'],
    beside: [
      'tfjs/graph/group1-shard1of1.bin',
      ...['1', '2', '3'].map((shard) => `tfjs/layers/group1-shard${shard}of3.bin`),
    ],
    use: useWeights,
  },
  {
    name: 'config.json',
    files: [`${checkpoint}/config.json`],
    beside: [`${checkpoint}/model.safetensors`],
    use: (_, folder) => useModel(folder),
  },
  {
    name: 'tokenizer.json',
    files: [`${checkpoint}/tokenizer.json`],
    beside: [`${checkpoint}/tokenizer_config.json`],
    async use(_, folder) {
      const tokenizer = await loadTokenizer(folder);
      tokenizer.encode(['a text with words', 'and another: 42!']);
    },
  },
];

/** A reader's sound files, with those that belong beside them copied into `folder`. */
export async function prepare(
  reader: Reader,
  folder: string,
): Promise<{ path: string; sound: Uint8Array }[]> {
  await mkdir(folder, { recursive: true });
  for (const name of reader.beside ?? []) {
    await copyFile(join(fixtures, name), join(folder, basename(name)));
  }
  return Promise.all(
    reader.files.map(async (name) => ({
      path: join(folder, basename(name)),
      sound: await readFile(join(fixtures, name)),
    })),
  );
}

/** Reads one damaged file: true where it was read, false where it was refused with a reason. */
export async function readDamaged(
  reader: Reader,
  path: string,
  bytes: Uint8Array,
  folder: string,
): Promise<boolean> {
  await writeFile(path, bytes);
  try {
    await reader.use(path, folder);
    return true;
  } catch (error) {
    if (error instanceof UserError && !error.message.includes('\n')) return false;
    throw error;
  }
}
