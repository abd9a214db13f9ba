import { openBytes, type ByteSource } from '../bytes/byte-source.ts';
import { openZip, type ZipArchive } from '../bytes/zip.ts';
import { UserError } from '../errors.ts';
import { elementCount, isNumeric, toFloats } from './convert.ts';
import { readHdf5, type Hdf5Dataset } from './hdf5.ts';
import { unreadable, type Weight, type WeightFile } from './weight-file.ts';

/** What the configuration of a `.keras` archive says. */
export interface KerasConfig {
  /** `Sequential`, `Functional`, or a class of the user's. */
  className?: string;
  kerasVersion?: string;
  /** Whether it holds Python code, as Lambda layers do. */
  code: boolean;
}

export interface KerasFile extends WeightFile {
  /** Absent in an HDF5 file. */
  readonly config?: KerasConfig;
}

/** The entry with a `.keras` archive's weights. */
export const kerasWeights = 'model.weights.h5';
/** Compressed weights are inflated into memory; Keras does not compress them. */
const maxInflated = 1 << 30;
const maxConfig = 64 << 20;

/**
 * Opens the weights of a `.keras` archive.
 * @throws UserError `missing`, `empty`, `truncated`, `not-a-model`, `unsupported`.
 */
export async function openKerasArchive(path: string): Promise<KerasFile> {
  const archive = await openZip(path, {
    noun: 'a readable Keras archive',
    remedy: 'download or save it again',
    uncompressed: 'save it again with Keras, which does not compress weights',
  });
  try {
    const config = await readConfig(archive, path);
    const source = await archive.entry(kerasWeights, path, maxInflated);
    return { config, ...(await weightsOf(source)), close: () => archive.close() };
  } catch (error) {
    await archive.close();
    throw error;
  }
}

/**
 * Opens an HDF5 file as Keras writes them (`.h5`, `.weights.h5`).
 * @throws UserError `missing`, `empty`, `truncated`, `not-a-model`, `unsupported`.
 */
export async function openHdf5(path: string): Promise<KerasFile> {
  const source = await openBytes(path);
  try {
    return { ...(await weightsOf(source)), close: () => source.close() };
  } catch (error) {
    await source.close();
    throw error;
  }
}

async function readConfig(archive: ZipArchive, path: string): Promise<KerasConfig> {
  const read = async (name: string): Promise<string> => {
    if (archive.size(name) === undefined) return '';
    const source = await archive.entry(name, path, maxConfig);
    return source.size > maxConfig
      ? ''
      : Buffer.from(await source.read(0, source.size)).toString('utf8');
  };
  const config = await read('config.json');
  const className = field(config, 'class_name');
  const kerasVersion = field(await read('metadata.json'), 'keras_version');
  return {
    ...(className === undefined ? {} : { className }),
    ...(kerasVersion === undefined ? {} : { kerasVersion }),
    code: /"class_name"\s*:\s*"__lambda__"/.test(config),
  };
}

/** A text at the top of a JSON object; undefined where there is none. */
function field(json: string, name: string): string | undefined {
  try {
    const value: unknown = JSON.parse(json);
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name))
      return undefined;
    const found: unknown = (value as Record<string, unknown>)[name];
    return typeof found === 'string' ? found.slice(0, 200) : undefined;
  } catch {
    return undefined;
  }
}

async function weightsOf(source: ByteSource): Promise<Pick<KerasFile, 'tensors'>> {
  const datasets = await readHdf5(source);
  return {
    tensors: new Map(datasets.map((dataset) => [dataset.name, weight(source, dataset)])),
  };
}

function weight(source: ByteSource, dataset: Hdf5Dataset): Weight {
  const { name, dtype, bigEndian, shape, width, layout } = dataset;
  const count = elementCount(shape);
  return {
    name,
    dtype,
    shape,
    bytes: count * width,
    async elements(start, end, signal) {
      if (start < 0 || end < start || end > count) {
        throw new RangeError(`elements ${start} to ${end} of ${name}`);
      }
      if (!isNumeric(dtype)) throw unreadable(source.label, name, dtype);
      if (layout.kind === 'other') {
        throw new UserError(
          'unsupported',
          `${source.label}#${name}`,
          `its values are stored ${layout.what}`,
          'save it in one piece, as Keras and h5py do by default',
        );
      }
      const from = start * width;
      const length = (end - start) * width;
      if (layout.kind === 'compact') {
        if (from + length > layout.data.length) {
          throw new UserError(
            'truncated',
            `${source.label}#${name}`,
            `needs ${from + length} bytes but has ${layout.data.length}`,
            'save it again',
          );
        }
        return toFloats(layout.data.slice(from, from + length), dtype, bigEndian);
      }
      return toFloats(await source.read(layout.address + from, length, signal), dtype, bigEndian);
    },
  };
}
