import { readdir, readFile, realpath } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { statFile } from '../../bytes/byte-source.ts';
import { UserError } from '../../errors.ts';

export type JsonObject = Record<string, unknown>;

/**
 * What a JSON file holds.
 * @throws UserError `missing`, `directory`, `empty`, `not-a-model`.
 */
export async function readJson(path: string): Promise<unknown> {
  const stats = await statFile(path);
  if (stats.isDirectory()) throw new UserError('directory', path, 'is a folder', 'name a file');
  const text = await readFile(path, 'utf8');
  if (text.trim() === '') {
    throw new UserError('empty', path, 'the file is empty', 'download the file again');
  }
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    throw notJson(path, 'is not valid JSON, or was cut short', error);
  }
}

/**
 * A JSON file that holds an object.
 * @throws UserError as {@link readJson}
 */
export async function readJsonObject(path: string): Promise<JsonObject> {
  const value = await readJson(path);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw notJson(path, 'does not hold a JSON object');
  }
  return value as JsonObject;
}

const notJson = (path: string, what: string, cause?: unknown) =>
  new UserError('not-a-model', path, what, 'download the file again', cause);

/** As {@link readJsonObject}, or undefined where there is no such file. */
export async function readOptionalJson(path: string): Promise<JsonObject | undefined> {
  try {
    return await readJsonObject(path);
  } catch (error) {
    if (error instanceof UserError && error.code === 'missing') return undefined;
    throw error;
  }
}

const single = 'model.safetensors';
const index = 'model.safetensors.index.json';

/** Weights in formats that are code when loaded, or that other libraries own. */
const otherWeights = /^(pytorch_model.*\.bin|.*\.(pt|pth|ckpt|h5|msgpack))$/;

/**
 * Paths of a checkpoint's safetensors files: one, or the shards that the index names.
 * @throws UserError `missing`; `unsupported` where there are only weights of another kind.
 */
export async function weightFiles(folder: string): Promise<string[]> {
  const names = await readdir(folder);
  if (names.includes(single)) return [join(folder, single)];
  if (names.includes(index)) return shards(folder);
  const other = names.find((name) => otherWeights.test(name));
  if (other !== undefined) {
    throw new UserError(
      'unsupported',
      join(folder, other),
      'a checkpoint runs from safetensors only',
      `save the model as ${single} (in transformers: save_pretrained), or name this file to inspect it`,
    );
  }
  throw new UserError(
    'missing',
    folder,
    `holds no ${single}`,
    'download the weights, or check the path',
  );
}

async function shards(folder: string): Promise<string[]> {
  const path = join(folder, index);
  const { weight_map: map } = await readJsonObject(path);
  const files = typeof map === 'object' && map !== null ? new Set(Object.values(map)) : new Set();
  const names = [...files].filter((name): name is string => typeof name === 'string').sort();
  if (names.length === 0 || names.length !== files.size) {
    throw notJson(path, 'has no weight_map from tensors to files');
  }
  for (const name of names) {
    if (basename(name) !== name) {
      throw new UserError(
        'not-a-model',
        path,
        `names ${name}, outside its folder`,
        'save the model again',
      );
    }
  }
  return names.map((name) => join(folder, name));
}

/** Where the bytes of `path` really are: a Hugging Face cache holds links into its `blobs` folder. */
export async function realPlace(path: string): Promise<{ folder: string; name: string }> {
  const real = await realpath(path);
  return { folder: dirname(real), name: basename(real) };
}

/** The hub id where the folder is a snapshot in a Hugging Face cache, else the folder's own name. */
export function checkpointName(folder: string): string {
  const cached = /[\\/]models--([^\\/]+)[\\/]snapshots[\\/][^\\/]+$/.exec(folder);
  return cached?.[1]?.replace('--', '/') ?? basename(folder);
}
