import { access } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { Model } from '../models/model.ts';

/** The path of a file beside a model, e.g. its `preprocessor_config.json`; undefined where absent. */
export async function sideFile(model: Model, name: string): Promise<string | undefined> {
  const { path } = model.outline;
  const folder = dirname(path);
  // Exports for transformers.js keep the graph in a folder `onnx` below the other files.
  const above = basename(folder) === 'onnx' ? [dirname(folder)] : [];
  const folders = [model.tokenizerFolder, path, folder, ...above];
  for (const candidate of folders) {
    if (candidate === undefined) continue;
    const file = join(candidate, name);
    const found = await access(file).then(
      () => true,
      () => false,
    );
    if (found) return file;
    // A model that is a folder of its own has its files in it.
    if (candidate === path && model.outline.format === 'huggingface') return undefined;
  }
  return undefined;
}
