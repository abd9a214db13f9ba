import type { ByteSource } from '../bytes/byte-source.ts';
import { openZip, type ZipArchive } from '../bytes/zip.ts';
import { UserError } from '../errors.ts';
import { isNumeric, toFloats } from './convert.ts';
import type { Floats } from './matrix.ts';
import { PagedBytes } from './paged-bytes.ts';
import { Dict, Refused, Tuple, unpickle, type PickleValue } from './pickle.ts';
import {
  isBrokenTensor,
  isUnlistedTensor,
  listItems,
  Opaque,
  StridedTensor,
  torchHost,
} from './torch-values.ts';
import { unreadable, type Weight, type WeightFile } from './weight-file.ts';

export interface TorchFile extends WeightFile {
  /** Globals that the pickle names and that are not on the list; none was run. */
  readonly refused: ReadonlyMap<string, 'run' | 'import'>;
  /** Names of tensors that are the same view of the same storage as an earlier one. */
  readonly repeated: ReadonlySet<string>;
  /** Sparse, quantised and other tensors that are not views of a storage. */
  readonly unlisted: number;
}

const maxPickle = 64 << 20;
const maxDepth = 64;
const maxTensors = 100_000;
const maxName = 1000;
/** A view may show a few numbers many times, but no more often than this. */
const maxRepeated = 1 << 24;

const purpose = {
  noun: 'a readable PyTorch checkpoint',
  remedy: 'download or save it again with torch.save',
  uncompressed: 'save it with torch.save, which does not compress',
};

/** The entry that holds a checkpoint's pickle. */
export const checkpointPickle = /^(?:[^/]+\/)?data\.pkl$/;

/**
 * Opens a PyTorch checkpoint (`torch.save` since PyTorch 1.6). Its pickle is read as data: nothing
 * is imported or run.
 * @throws UserError `missing`, `empty`, `truncated`, `not-a-model`, `unsupported`.
 */
export async function openTorch(path: string): Promise<TorchFile> {
  const archive = await openZip(path, purpose);
  try {
    return await readArchive(path, archive);
  } catch (error) {
    await archive.close();
    throw error;
  }
}

function damaged(path: string, what: string): UserError {
  return new UserError('not-a-model', path, `is not ${purpose.noun}: ${what}`, purpose.remedy);
}

async function readArchive(path: string, archive: ZipArchive): Promise<TorchFile> {
  const pickle = archive.names.find((name) => checkpointPickle.test(name));
  if (pickle === undefined) throw damaged(path, 'it has no data.pkl');
  const prefix = pickle.slice(0, -'data.pkl'.length);
  if (archive.names.some((name) => name.startsWith(`${prefix}code/`))) {
    throw new UserError(
      'unsupported',
      path,
      'is a TorchScript archive, whose weights come with code',
      'save its state_dict() with torch.save or as safetensors, or export it to ONNX',
    );
  }
  const source = await archive.entry(pickle, path, maxPickle);
  if (source.size > maxPickle) throw damaged(path, `its pickle has ${source.size} bytes`);
  const { value, refused } = unpickle(await source.read(0, source.size), path, torchHost);
  const bigEndian = await isBigEndian(archive, `${prefix}byteorder`, path);
  const found = listTensors(path, value);
  const seen = new Set<string>();
  const repeated = new Set<string>();
  const tensors = new Map<string, Weight>();
  for (const [name, tensor] of found.tensors) {
    const entry = `${prefix}data/${tensor.storage.key}`;
    checkTensor(path, archive.size(entry), name, tensor);
    const view = JSON.stringify([entry, tensor.offset, tensor.shape, tensor.strides]);
    if (seen.has(view)) repeated.add(name);
    seen.add(view);
    // A compressed storage is refused: inflating it whole for every range would never end.
    const open = () => archive.entry(entry, `${path}#${name}`, 0);
    tensors.set(name, weight(path, name, tensor, open, bigEndian));
  }
  return { tensors, refused, repeated, unlisted: found.unlisted, close: () => archive.close() };
}

async function isBigEndian(archive: ZipArchive, entry: string, path: string): Promise<boolean> {
  if (archive.size(entry) === undefined) return false;
  const source = await archive.entry(entry, path, 64);
  const order = Buffer.from(await source.read(0, Math.min(source.size, 64))).toString('latin1');
  return order.trim() === 'big';
}

/** Views lie in their storages, storages in the archive. */
function checkTensor(
  path: string,
  stored: number | undefined,
  name: string,
  tensor: StridedTensor,
): void {
  const { storage, element, count, end } = tensor;
  if (stored === undefined) throw damaged(path, `the numbers of tensor ${name} are missing`);
  const size = storage.elements * storage.element.bytes;
  if (stored < size) {
    throw new UserError(
      'truncated',
      path,
      `tensor ${name} needs ${size} bytes but its storage has ${stored}`,
      'download or copy the file again',
    );
  }
  if (
    !Number.isSafeInteger(count * 16) ||
    !Number.isSafeInteger(end * 16) ||
    end * element.bytes > size ||
    count > Math.max(storage.elements, maxRepeated)
  ) {
    throw damaged(path, `tensor ${name} reaches out of its storage`);
  }
}

interface Listed {
  tensors: Map<string, StridedTensor>;
  unlisted: number;
}

/** Attributes in which modules keep what they hold. */
const moduleParts = new Set(['_parameters', '_buffers', '_modules']);

/** The tensors that a value holds, by the keys and indices that lead to them. */
function listTensors(path: string, root: PickleValue): Listed {
  const tensors = new Map<string, StridedTensor>();
  const taken = new Map<string, number>();
  // A container is listed where it is met first: pickles may hold cycles, and one value many times.
  const visited = new Set<object>();
  let unlisted = 0;

  const add = (keys: string, tensor: StridedTensor): void => {
    if (tensors.size >= maxTensors) throw damaged(path, `more than ${maxTensors} tensors`);
    const name = keys === '' ? 'tensor' : keys.slice(0, maxName);
    const before = taken.get(name) ?? 0;
    taken.set(name, before + 1);
    tensors.set(before === 0 ? name : `${name} (${before + 1})`, tensor);
  };
  const visit = (value: PickleValue, keys: string, depth: number): void => {
    if (value instanceof StridedTensor) {
      add(keys, value);
      return;
    }
    if (value instanceof Opaque) {
      if (isBrokenTensor(value)) throw damaged(path, `tensor ${keys} is not described`);
      if (isUnlistedTensor(value)) unlisted += 1;
      return;
    }
    if (typeof value !== 'object' || value === null || visited.has(value)) return;
    visited.add(value);
    if (depth > maxDepth) throw damaged(path, `nested deeper than ${maxDepth} levels`);
    const below = (key: string) => {
      const joined = keys === '' ? key : key === '' ? keys : `${keys}.${key}`;
      return joined.length > 2 * maxName ? joined.slice(0, 2 * maxName) : joined;
    };
    if (value instanceof Dict) {
      for (const [key, item] of value.entries) {
        const part = keyText(key);
        visit(item, below(moduleParts.has(part) ? '' : part), depth + 1);
      }
    } else if (value instanceof Refused) {
      visit(value.entries, keys, depth + 1);
      for (const part of value.parts) visit(part, keys, depth + 1);
    } else {
      let i = 0;
      for (const item of listItems(value)) visit(item, below(String(i++)), depth + 1);
    }
  };
  visit(root, '', 0);
  return { tensors, unlisted };
}

function keyText(key: PickleValue): string {
  if (key instanceof Tuple) return key.items.slice(0, 8).map(scalarText).join('.');
  return scalarText(key);
}

const scalarText = (key: PickleValue): string =>
  typeof key === 'object' ? '?' : String(key).slice(0, maxName);

function weight(
  path: string,
  name: string,
  tensor: StridedTensor,
  open: () => Promise<ByteSource>,
  bigEndian: boolean,
): Weight {
  const { element, shape, count } = tensor;
  const { dtype, bytes: width } = element;
  let opened: Promise<ByteSource> | undefined;
  const read = async (start: number, end: number, signal?: AbortSignal): Promise<Floats> => {
    if (start < 0 || end < start || end > count) {
      throw new RangeError(`elements ${start} to ${end} of ${name}`);
    }
    if (!isNumeric(dtype)) throw unreadable(path, name, dtype);
    const source = await (opened ??= open());
    const bytes = tensor.contiguous
      ? await source.read((tensor.offset + start) * width, (end - start) * width, signal)
      : await gather(new PagedBytes(source), tensor, start, end, signal);
    return toFloats(bytes, dtype, bigEndian);
  };
  return { name, dtype, shape, bytes: count * width, elements: read };
}

/** The bytes of elements `[start, end)` of a view with strides. */
async function gather(
  pages: PagedBytes,
  { element, offset, shape, strides }: StridedTensor,
  start: number,
  end: number,
  signal?: AbortSignal,
): Promise<Uint8Array> {
  const width = element.bytes;
  const result = new Uint8Array((end - start) * width);
  const index = shape.map(() => 0);
  let rest = start;
  let place = offset;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    index[axis] = rest % shape[axis]!;
    rest = Math.floor(rest / shape[axis]!);
    place += index[axis]! * strides[axis]!;
  }
  for (let at = 0; at < result.length; at += width) {
    const { page, position } =
      pages.cached(place * width) ?? (await pages.load(place * width, signal));
    // Views start at whole elements, and so do pages.
    for (let i = 0; i < width; i++) result[at + i] = page[position + i]!;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      index[axis]! += 1;
      place += strides[axis]!;
      if (index[axis]! < shape[axis]!) break;
      place -= strides[axis]! * shape[axis]!;
      index[axis] = 0;
    }
  }
  return result;
}
