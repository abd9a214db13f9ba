import { dirname, join, resolve } from 'node:path';
import { openBytes, statFile, type ByteSource } from '../bytes/byte-source.ts';
import { UserError } from '../errors.ts';
import { isObject, type JsonObject } from '../bytes/json-value.ts';
import { elementCount } from './convert.ts';
import { dtypeBytes, type DType } from './dtype.ts';
import type { Floats } from './matrix.ts';
import { readElements, unreadable, type Weight, type WeightFile } from './weight-file.ts';

/** How a weight was made smaller: x ≈ scale · stored + min (float16 has neither). */
export interface Quantisation {
  readonly scale: number | undefined;
  readonly min: number;
}

/** A weight as the manifest describes it. */
export interface TfjsWeight extends Weight {
  readonly quantisation: Quantisation | undefined;
}

/** Files whose bytes, one after another, are some of the weights. */
export interface WeightGroup {
  readonly paths: readonly string[];
  readonly sizes: readonly number[];
  /** Bytes that its weights take; undefined where text is among them. */
  readonly needed: number | undefined;
}

/** A TensorFlow.js model: what `model.json` says, and its weights by range. */
export interface TfjsFile extends WeightFile {
  readonly tensors: ReadonlyMap<string, TfjsWeight>;
  readonly json: JsonObject;
  /** The manifest's own entries, in order. */
  readonly specs: readonly JsonObject[];
  readonly groups: readonly WeightGroup[];
  /** Files that are missing or too short for their weights: what to say of each group. */
  readonly problems: readonly string[];
}

/** The largest graphs with ten thousands of nodes take a tenth of this. */
const maxJsonBytes = 1 << 27;
const maxRank = 32;

const stored: Readonly<Record<string, DType>> = {
  float32: 'float32',
  int32: 'int32',
  bool: 'bool',
  string: 'string',
};
const quantised: Readonly<Record<string, DType>> = {
  float16: 'float16',
  uint16: 'uint16',
  uint8: 'uint8',
};

const known = (types: Readonly<Record<string, DType>>, name: unknown): DType | undefined =>
  typeof name === 'string' && Object.hasOwn(types, name) ? types[name] : undefined;

/**
 * Reads `model.json`; no weights.
 * @throws UserError `missing`, `empty`, `not-a-model`, `unsupported`.
 */
export async function readModelJson(path: string): Promise<JsonObject> {
  const source = await openBytes(path);
  try {
    if (source.size > maxJsonBytes) {
      throw new UserError(
        'unsupported',
        path,
        `is JSON text of ${source.size} bytes, more than a model.json has`,
        'name a model file',
      );
    }
    const text = Buffer.from(await source.read(0, source.size)).toString('utf8');
    const json: unknown = JSON.parse(text);
    if (isObject(json) && isObject(json['modelTopology'])) return json;
  } catch (error) {
    if (error instanceof UserError) throw error;
    const remedy = 'name a model file, or download it again';
    throw new UserError('not-a-model', path, 'is JSON text, damaged or cut short', remedy, error);
  } finally {
    await source.close();
  }
  throw new UserError(
    'not-a-model',
    path,
    'is JSON text without the modelTopology of a TensorFlow.js model',
    'name a model file',
  );
}

/** Whether a JSON file is a TensorFlow.js model rather than numbers. */
export async function isTfjs(path: string): Promise<boolean> {
  try {
    await readModelJson(path);
    return true;
  } catch (error) {
    if (error instanceof UserError) return false;
    throw error;
  }
}

/**
 * Opens a TensorFlow.js layers or graph model by its `model.json`. The weights stay in their files.
 * @throws UserError `missing`, `empty`, `not-a-model`, `unsupported`.
 */
export async function openTfjs(path: string): Promise<TfjsFile> {
  const absolute = resolve(path);
  const json = await readModelJson(absolute);
  const tensors = new Map<string, TfjsWeight>();
  const specs: JsonObject[] = [];
  const groups: WeightGroup[] = [];
  const problems: string[] = [];
  const sources = new Map<string, ByteSource>();
  const manifest = json['weightsManifest'] ?? [];
  if (!Array.isArray(manifest)) throw damaged(absolute, 'its weightsManifest is not a list');
  for (const entry of manifest as unknown[]) {
    const { names, weights } = groupOf(absolute, entry);
    const paths = names.map((name) => join(dirname(absolute), name));
    const sizes = await Promise.all(paths.map(sizeOf));
    names.forEach((name, i) => {
      if (sizes[i] === undefined) problems.push(`${name} is missing`);
    });
    const layout = layOut(absolute, weights);
    const total = sizes.reduce<number>((sum, size) => sum + (size ?? 0), 0);
    const isWhole = sizes.every((size) => size !== undefined);
    if (isWhole && layout.least > total) {
      problems.push(
        `${names.join(', ') || 'no file'}: the weights need ${layout.least} bytes, ${total} are there`,
      );
    }
    const group = { paths, sizes: sizes.map((size) => size ?? 0), needed: layout.needed };
    groups.push(group);
    for (const { spec, ...weight } of layout.weights) {
      if (tensors.has(weight.name)) throw damaged(absolute, `${weight.name} is there twice`);
      specs.push(spec);
      tensors.set(weight.name, new StoredWeight(absolute, weight, group, sources));
    }
  }
  return {
    json,
    tensors,
    specs,
    groups,
    problems,
    close: async () => {
      const open = [...sources.values()];
      sources.clear();
      await Promise.all(open.map((source) => source.close()));
    },
  };
}

const damaged = (path: string, what: string) =>
  new UserError('not-a-model', path, what, 'download or export the model again');

const sizeOf = async (path: string): Promise<number | undefined> => {
  try {
    const stats = await statFile(path);
    return stats.isFile() ? stats.size : undefined;
  } catch {
    return undefined;
  }
};

/** Part of a path inside the folder: no way up, no drive, no address. */
const isInside = (name: string) =>
  name !== '' &&
  !/[\\\0:]/.test(name) &&
  !name.startsWith('/') &&
  !name.split('/').some((part) => part === '..');

function groupOf(path: string, entry: unknown): { names: string[]; weights: JsonObject[] } {
  const { paths, weights } = isObject(entry) ? entry : {};
  if (!Array.isArray(paths) || !Array.isArray(weights) || !weights.every(isObject)) {
    throw damaged(path, 'its weightsManifest is not as TensorFlow.js writes it');
  }
  for (const name of paths as unknown[]) {
    if (typeof name !== 'string') throw damaged(path, 'its weightsManifest names no file');
    if (!isInside(name)) {
      throw new UserError(
        'not-a-model',
        path,
        `names ${name}, outside its folder`,
        'save the model again',
      );
    }
  }
  return { names: paths as string[], weights };
}

interface Placed {
  spec: JsonObject;
  name: string;
  dtype: DType;
  shape: readonly number[];
  bytes: number;
  quantisation: Quantisation | undefined;
  /** In its group's files; undefined behind text, whose size is not in the manifest. */
  offset: number | undefined;
}

function layOut(path: string, specs: readonly JsonObject[]) {
  const weights: Placed[] = [];
  let offset: number | undefined = 0;
  let least = 0;
  for (const spec of specs) {
    const { name, shape } = spec;
    if (typeof name !== 'string') throw damaged(path, 'a weight has no name');
    if (!isShape(shape)) throw damaged(path, `${name} has no shape`);
    const { quantization } = spec;
    const quantisation = isObject(quantization) ? quantization : undefined;
    const dtype = quantisation
      ? known(quantised, quantisation['dtype'])
      : (known(stored, spec['dtype']) ?? (spec['dtype'] === 'complex64' ? 'other' : undefined));
    if (dtype === undefined) throw damaged(path, `${name} has an element type of no known name`);
    const count = elementCount(shape);
    // complex64: two float32.
    const bytes = dtype === 'other' ? 8 * count : dtypeBytes[dtype] * count;
    if (!Number.isSafeInteger(8 * count)) throw damaged(path, `${name} is beyond any size`);
    weights.push({
      spec,
      name,
      dtype,
      shape,
      bytes,
      quantisation: quantisation && {
        scale: finite(quantisation['scale']),
        min: finite(quantisation['min']) ?? 0,
      },
      offset,
    });
    // Each text comes with its length in four bytes.
    least += dtype === 'string' ? 4 * count : bytes;
    offset = dtype === 'string' || offset === undefined ? undefined : offset + bytes;
  }
  return { weights, least, needed: offset };
}

const finite = (value: unknown) =>
  typeof value === 'number' && Number.isFinite(value) ? value : undefined;

const isShape = (value: unknown): value is number[] =>
  Array.isArray(value) &&
  value.length <= maxRank &&
  value.every((size) => Number.isSafeInteger(size) && size >= 0);

class StoredWeight implements TfjsWeight {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly bytes: number;
  readonly quantisation: Quantisation | undefined;
  readonly #path: string;
  readonly #offset: number | undefined;
  readonly #group: WeightGroup;
  readonly #sources: Map<string, ByteSource>;

  constructor(
    path: string,
    { name, dtype, shape, bytes, quantisation, offset }: Omit<Placed, 'spec'>,
    group: WeightGroup,
    sources: Map<string, ByteSource>,
  ) {
    this.name = name;
    this.dtype = dtype;
    this.shape = shape;
    this.bytes = bytes;
    this.quantisation = quantisation;
    this.#path = path;
    this.#offset = offset;
    this.#group = group;
    this.#sources = sources;
  }

  /** Elements as the model computes with them, quantisation undone. */
  async elements(start: number, end: number, signal?: AbortSignal): Promise<Floats> {
    if (this.#offset === undefined) throw unreadable(this.#path, this.name, 'string');
    const source = this.#joined();
    const values = await readElements(source, this, this.#offset, [start, end], signal);
    const { scale, min } = this.quantisation ?? { scale: undefined, min: 0 };
    return scale === undefined ? values : values.map((value) => scale * value + min);
  }

  /** The group's files as one. */
  #joined(): ByteSource {
    const { paths, sizes } = this.#group;
    const source: ByteSource = {
      label: this.#path,
      size: sizes.reduce((sum, size) => sum + size, 0),
      read: async (offset, length, signal) => {
        const bytes = new Uint8Array(length);
        let at = 0;
        for (const [i, path] of paths.entries()) {
          const from = Math.max(offset, at);
          const to = Math.min(offset + length, at + sizes[i]!);
          if (from < to) {
            const part = await (await this.#open(path)).read(from - at, to - from, signal);
            bytes.set(part, from - offset);
          }
          at += sizes[i]!;
        }
        if (at < offset + length) {
          throw new UserError(
            'truncated',
            this.#path,
            `${this.name} ends at byte ${offset + length} of files that hold ${at}`,
            'copy or download the files of weights again',
          );
        }
        return bytes;
      },
      close: () => Promise.resolve(),
    };
    return source;
  }

  async #open(path: string): Promise<ByteSource> {
    const open = this.#sources.get(path);
    if (open) return open;
    const source = await openBytes(path);
    this.#sources.set(path, source);
    return source;
  }
}
