import { basename, resolve } from 'node:path';
import type { NamedRows } from '../analyses/definition.ts';
import { openBytes, sha256File, type ByteSource } from '../bytes/byte-source.ts';
import { UserError } from '../errors.ts';
import { elementCount, floatsFor, isNumeric } from './convert.ts';
import type { DType } from './dtype.ts';
import { parseJson, readJsonArray, readSmallFile } from './json-matrix.ts';
import type { BlockType } from './gguf-blocks.ts';
import type { Floats } from './matrix.ts';
import { readNpyHeader, readNpyRows, readNpyStrings } from './npy.ts';
import { missingKey, openNpz } from './npz.ts';
import { openWeights } from './open-weights.ts';
import { readSafetensorsHeader, readSafetensorsRows } from './safetensors.ts';
import { isBlockType } from './weight-file.ts';

/** A matrix in a file, read by row range. */
export interface MatrixFile extends NamedRows {
  /** SHA-256 (hex) of the file's bytes. */
  sha256(): Promise<string>;
  close(): Promise<void>;
}

interface Spec {
  path: string;
  kind: 'npy' | 'npz' | 'safetensors' | 'json' | 'weights';
  key: string;
}

const kinds: Readonly<Record<string, Spec['kind']>> = {
  npy: 'npy',
  npz: 'npz',
  safetensors: 'safetensors',
  json: 'json',
};

function parseSpec(spec: string): Spec | undefined {
  const match =
    /^(.*\.(npy|json|npz|safetensors|gguf|pt|pth|bin|ckpt|h5|hdf5|keras))(?:#(.*))?$/is.exec(spec);
  if (!match) return undefined;
  const [, path, ending, key] = match;
  const kind = kinds[ending!.toLowerCase()] ?? 'weights';
  // JSON text with a key is a TensorFlow.js model with the name of a weight.
  const isWeight = kind === 'json' && key !== undefined && key !== '';
  return { path: path!, kind: isWeight ? 'weights' : kind, key: key ?? '' };
}

/**
 * Whether `spec` names a matrix: `a.npy`, `b.npz#key`, `c.safetensors#key`, `d.json`, or a tensor of
 * a GGUF, PyTorch or Keras file. A file of weights without a key is a model.
 */
export function isMatrixSpec(spec: string): boolean {
  const parsed = parseSpec(spec);
  if (!parsed) return false;
  if (parsed.kind === 'safetensors' || parsed.kind === 'weights') return parsed.key !== '';
  return !/config\.json$/i.test(parsed.path);
}

/** An array in a file, whatever its container. */
interface StoredArray {
  dtype: DType | BlockType;
  shape: readonly number[];
  rows(start: number, end: number): Promise<Floats>;
  strings(): Promise<string[]>;
  close(): Promise<void>;
}

const noStrings = (label: string) => () =>
  Promise.reject(new UserError('unsupported', label, 'holds no text', 'give numbers'));

async function npyArray(source: ByteSource, close: () => Promise<void>): Promise<StoredArray> {
  const header = await readNpyHeader(source);
  return {
    dtype: header.dtype,
    shape: header.shape,
    rows: (start, end) => readNpyRows(source, header, start, end),
    strings: () => readNpyStrings(source, header),
    close,
  };
}

/** The asked-for key, or the only one where none is asked for. */
function chooseKey(path: string, key: string, keys: readonly string[]): string {
  if (keys.includes(key)) return key;
  if (key === '' && keys.length === 1) return keys[0]!;
  throw missingKey(path, key, keys);
}

/** Opens with `open`, and closes the file again where that fails. */
async function opening<S extends { close(): Promise<void> }>(
  source: S,
  open: (source: S) => Promise<StoredArray>,
): Promise<StoredArray> {
  try {
    return await open(source);
  } catch (error) {
    await source.close();
    throw error;
  }
}

async function openArray({ path, kind, key }: Spec): Promise<StoredArray> {
  switch (kind) {
    case 'npy':
      return opening(await openBytes(path), (source) => npyArray(source, () => source.close()));
    case 'npz':
      return opening(await openNpz(path), async (archive) => {
        const entry = await archive.entry(chooseKey(path, key, archive.keys));
        return npyArray(entry, () => archive.close());
      });
    case 'safetensors':
      return opening(await openBytes(path), async (source) => {
        const { tensors } = await readSafetensorsHeader(source);
        const tensor = tensors.get(chooseKey(path, key, [...tensors.keys()]))!;
        return {
          dtype: tensor.dtype,
          shape: tensor.shape,
          rows: (start, end) => readSafetensorsRows(source, tensor, start, end),
          strings: noStrings(`${path}#${tensor.name}`),
          close: () => source.close(),
        };
      });
    case 'weights':
      return opening(await openWeights(path), (file) => {
        const tensor = file.tensors.get(chooseKey(path, key, [...file.tensors.keys()]))!;
        const width = elementCount(tensor.shape.slice(1));
        return Promise.resolve({
          dtype: tensor.dtype,
          shape: tensor.shape,
          rows: (start, end) => tensor.elements(start * width, end * width),
          strings: noStrings(`${path}#${tensor.name}`),
          close: () => file.close(),
        });
      });
    case 'json': {
      const { shape, matrix } = await readJsonArray(path);
      return {
        dtype: matrix.dtype,
        shape,
        rows: (start, end) => matrix.rows(start, end),
        strings: noStrings(path),
        close: () => Promise.resolve(),
      };
    }
  }
}

/** The parts of `spec`, its path resolved against `cwd`. */
function located(spec: string, cwd: string): Spec {
  const parsed = parseSpec(spec);
  if (parsed) return { ...parsed, path: resolve(cwd, parsed.path) };
  throw new UserError(
    'usage',
    spec,
    'is not the name of a matrix',
    'give a.npy, d.json, or a tensor as b.npz#key, c.safetensors#key, e.gguf#key or f.pt#key',
  );
}

/**
 * Opens a matrix: one-dimensional arrays are n × 1; further axes are flattened into columns, and
 * `sample` tells them.
 * float64 and wide integers are read as float64, everything else as float32.
 * @throws UserError naming the file, and the keys it has where the asked-for one is missing.
 */
export async function openMatrix(spec: string, cwd: string): Promise<MatrixFile> {
  const place = located(spec, cwd);
  const label = basename(place.path) + (place.key === '' ? '' : `#${place.key}`);
  const array = await openArray(place);
  const n = array.shape[0] ?? 1;
  const d = elementCount(array.shape.slice(1));
  const shown = `[${array.shape.join(', ')}]`;
  const refuse = async (error: UserError): Promise<never> => {
    await array.close();
    throw error;
  };
  const { dtype } = array;
  if (!isBlockType(dtype) && !isNumeric(dtype)) {
    return refuse(
      new UserError('unsupported', label, 'does not hold numbers', 'save it as float32'),
    );
  }
  if (n === 0 || d === 0) {
    return refuse(new UserError('wrong-shape', label, `has shape ${shown}`, 'give some rows'));
  }
  return {
    label,
    n,
    d,
    ...(array.shape.length > 2 ? { sample: array.shape.slice(1) } : {}),
    dtype: isBlockType(dtype) ? 'float32' : floatsFor(dtype),
    rows(start, end) {
      if (start < 0 || end < start || end > n) {
        return Promise.reject(new RangeError(`rows ${start} to ${end} of ${n}`));
      }
      return array.rows(start, end);
    },
    sha256: () => sha256File(place.path),
    close: () => array.close(),
  };
}

/**
 * One label a sample: integers or text from .npy, .npz#key or .safetensors#key, a JSON array, or a
 * text file with one a line (the first column of a .csv).
 */
export async function openLabels(spec: string, cwd: string): Promise<string[]> {
  const place = parseSpec(spec);
  const path = resolve(cwd, place?.path ?? spec);
  if (place === undefined) return textLabels(path);
  if (place.kind === 'json') return jsonLabels(path);
  const array = await openArray({ ...place, path });
  try {
    if (array.shape.length > 2 || (array.shape[1] ?? 1) !== 1) {
      throw new UserError(
        'wrong-shape',
        spec,
        `has shape [${array.shape.join(', ')}]`,
        'give one label a sample',
      );
    }
    if (array.dtype === 'string') return await array.strings();
    return Array.from(await array.rows(0, array.shape[0] ?? 1), String);
  } finally {
    await array.close();
  }
}

async function jsonLabels(path: string): Promise<string[]> {
  const value = parseJson(path, await readSmallFile(path));
  const wrong = () =>
    new UserError('wrong-shape', path, 'is not a list of labels', 'give ["a", "b", …]');
  if (!Array.isArray(value)) throw wrong();
  return value.map((item: unknown) => {
    if (typeof item !== 'string' && typeof item !== 'number' && typeof item !== 'boolean') {
      throw wrong();
    }
    return String(item);
  });
}

async function textLabels(path: string): Promise<string[]> {
  const lines = (await readSmallFile(path)).replace(/^\ufeff/, '').split(/\r?\n/);
  while (lines.at(-1) === '') lines.pop();
  if (!/\.csv$/i.test(path)) return lines;
  return lines.map((line) => {
    const quoted = /^"((?:[^"]|"")*)"/.exec(line)?.[1];
    return quoted === undefined ? line.split(',', 1)[0]! : quoted.replaceAll('""', '"');
  });
}
