import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { openBytes, statFile } from '../bytes/byte-source.ts';
import { UserError } from '../errors.ts';
import { openHdf5, openKerasArchive } from '../tensor/keras.ts';
import { archiveKind } from '../tensor/open-weights.ts';
import { openGgufModel } from './formats/gguf.ts';
import { openHuggingFace } from './formats/huggingface.ts';
import { openKerasModel } from './formats/keras.ts';
import { openOnnx } from './formats/onnx.ts';
import { openSafetensorsModel } from './formats/safetensors-model.ts';
import { openTfjsModel } from './formats/tfjs.ts';
import { openTorchModel } from './formats/torch.ts';
import type { Model } from './model.ts';
import { sniff } from './sniff.ts';

const headBytes = 4096;
/** Names of the weight files that a Hugging Face `config.json` describes. */
const checkpointFile = /^model(-\d+-of-\d+)?\.safetensors$/;

/**
 * Opens a model file or folder, told apart by content rather than by name.
 * @throws UserError `missing`, `empty`, `truncated`, `not-a-model`, `unsupported`.
 */
export async function openModel(path: string): Promise<Model> {
  const absolute = resolve(path);
  const stats = await statFile(absolute);
  return stats.isDirectory() ? openFolder(absolute) : openFile(absolute);
}

async function openFile(path: string): Promise<Model> {
  const source = await openBytes(path);
  const head = await source.read(0, Math.min(headBytes, source.size)).finally(() => source.close());
  const found = sniff(head, source.size);
  if (found.kind === 'onnx') return openOnnx(path);
  if (found.kind === 'gguf') return openGgufModel(path);
  if (found.kind === 'hdf5') return openKerasModel(path, openHdf5);
  if (found.kind === 'json') return openTfjsModel(path);
  if (found.kind === 'zip') return openArchive(path);
  if (found.kind === 'safetensors') {
    const folder = dirname(path);
    return checkpointFile.test(basename(path)) && existsSync(join(folder, 'config.json'))
      ? openHuggingFace(folder)
      : openSafetensorsModel(path);
  }
  throw new UserError(found.code, path, found.what, found.remedy);
}

async function openArchive(path: string): Promise<Model> {
  const kind = await archiveKind(path);
  if (kind === 'torch') return openTorchModel(path);
  if (kind === 'keras') return openKerasModel(path, openKerasArchive);
  throw new UserError('not-a-model', path, 'is a zip archive', 'unpack it');
}

/** A Hugging Face checkpoint, or a folder with one ONNX or safetensors file. */
async function openFolder(folder: string): Promise<Model> {
  const names = await readdir(folder);
  const hasConfig = names.includes('config.json');
  if (hasConfig && names.some((name) => name.endsWith('.safetensors'))) {
    return openHuggingFace(folder);
  }
  // Exports of Hugging Face models to ONNX come as model.onnx or onnx/model.onnx.
  for (const candidate of [join(folder, 'model.onnx'), join(folder, 'onnx', 'model.onnx')]) {
    if (existsSync(candidate)) return openFile(candidate);
  }
  if (hasConfig) return openHuggingFace(folder);
  if (names.includes('model.json')) return openFile(join(folder, 'model.json'));
  const models = names.filter((name) => /\.(onnx|safetensors)$/i.test(name)).sort();
  if (models.length === 1) return openFile(join(folder, models[0]!));
  throw new UserError(
    'not-a-model',
    folder,
    models.length === 0 ? 'the folder holds no model' : `the folder holds ${models.length} models`,
    models.length === 0
      ? 'name a folder with config.json, or a model file'
      : `name one of ${models.slice(0, 5).join(', ')}`,
  );
}
