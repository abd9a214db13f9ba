// The part of HDF5 that libraries write by default: superblocks 0 to 3, groups as symbol tables or
// compact links, datasets in one piece. Structure is read by byte range, values on request.
import type { ByteSource } from '../bytes/byte-source.ts';
import { UserError } from '../errors.ts';
import { elementCount, isNumeric } from './convert.ts';
import type { DType } from './dtype.ts';
import { maxObjects, noAddress, Structure } from './hdf5-structure.ts';
import { readBlock, readHeader, type Message } from './hdf5-headers.ts';
import { parseDataspace, parseDatatype, parseLayout, type Layout } from './hdf5-messages.ts';

export interface Hdf5Dataset {
  /** Path from the root group, without a leading slash. */
  name: string;
  dtype: DType;
  bigEndian: boolean;
  shape: number[];
  /** Bytes of an element. */
  width: number;
  layout: Layout;
}

const maxDepth = 64;
const maxName = 1000;
const maxNames = 16 << 20;

const messages = {
  dataspace: 1,
  linkInfo: 2,
  datatype: 3,
  link: 6,
  layout: 8,
  symbols: 17,
} as const;

/**
 * Lists the datasets of an HDF5 file, in the order of their groups.
 * @throws UserError `truncated`, `not-a-model`; `unsupported` for parts of HDF5 that are not read.
 */
export async function readHdf5(source: ByteSource): Promise<Hdf5Dataset[]> {
  const structure = new Structure(source);
  const found: Hdf5Dataset[] = [];
  await visit(structure, await rootAddress(structure), '', 0, found);
  checkPlaces(structure, found);
  return found;
}

/** Where the root group's header is. */
async function rootAddress(structure: Structure): Promise<number> {
  const view = await structure.read(0, Math.min(96, structure.source.size));
  const need = (length: number) => {
    if (view.byteLength < length) throw structure.damaged('it ends within its superblock');
  };
  need(48);
  const version = view.getUint8(8);
  if (version > 3) throw structure.unsupported(`its superblock has version ${version}`);
  const sizes = version < 2 ? 13 : 9;
  if (view.getUint8(sizes) !== 8 || view.getUint8(sizes + 1) !== 8) {
    throw structure.unsupported('its addresses do not have 8 bytes');
  }
  const base = version < 2 ? 24 + version * 4 : 12;
  // A symbol table entry: the offset of its name before the address.
  const root = version < 2 ? base + 4 * 8 + 8 : base + 3 * 8;
  need(root + 8);
  if (view.getBigUint64(base, true) !== 0n) {
    throw structure.unsupported('its addresses do not start at the beginning of the file');
  }
  return structure.number(view.getBigUint64(root, true));
}

async function visit(
  structure: Structure,
  address: number,
  path: string,
  depth: number,
  found: Hdf5Dataset[],
): Promise<void> {
  // Hard links may form cycles; an object is listed under the first name that leads to it.
  if (!structure.enter(address)) return;
  if (depth > maxDepth) throw structure.damaged(`groups are nested deeper than ${maxDepth}`);
  const header = await readHeader(structure, address);
  const layout = header.find(({ type }) => type === messages.layout);
  if (layout) {
    if (found.length >= maxObjects) throw structure.damaged(`more than ${maxObjects} datasets`);
    found.push(dataset(structure, path, header, layout));
    return;
  }
  for (const [name, target] of await links(structure, header)) {
    const below = path === '' ? name : `${path}/${name}`;
    await visit(structure, target, below, depth + 1, found);
  }
}

function dataset(
  structure: Structure,
  name: string,
  header: readonly Message[],
  layout: Message,
): Hdf5Dataset {
  const space = header.find(({ type }) => type === messages.dataspace);
  const type = header.find((message) => message.type === messages.datatype);
  if (!space || !type) throw structure.damaged(`dataset ${name} has no shape or type`);
  if (type.shared) throw structure.unsupported(`dataset ${name} has a named type`);
  const shape = parseDataspace(structure, space.data);
  const { dtype, bigEndian, width } = parseDatatype(structure, type.data);
  if (!Number.isSafeInteger(elementCount(shape) * width)) {
    throw structure.damaged(`dataset ${name} has shape [${shape.join(', ')}]`);
  }
  return { name, dtype, bigEndian, shape, width, layout: parseLayout(structure, layout) };
}

/** Datasets lie in the file, have room for their elements and do not overlap. */
function checkPlaces(structure: Structure, datasets: readonly Hdf5Dataset[]): void {
  const { label, size } = structure.source;
  const placed = datasets.flatMap(({ name, dtype, shape, width, layout }) => {
    if (layout.kind !== 'contiguous' || !isNumeric(dtype)) return [];
    const bytes = elementCount(shape) * width;
    if (layout.bytes < bytes) throw structure.damaged(`dataset ${name} is larger than its place`);
    return bytes === 0 ? [] : [{ name, start: layout.address, end: layout.address + bytes }];
  });
  let end = 0;
  for (const place of placed.sort((a, b) => a.start - b.start)) {
    if (place.end > size) {
      throw new UserError(
        'truncated',
        label,
        `dataset ${place.name} ends at byte ${place.end} but the file has ${size}`,
        'download or copy the file again',
      );
    }
    if (place.start < end) throw structure.damaged(`dataset ${place.name} overlaps another`);
    end = place.end;
  }
}

type Link = readonly [name: string, address: number];

/** What a group holds. Soft and external links are left out: they lead to other names or files. */
async function links(structure: Structure, header: readonly Message[]): Promise<Link[]> {
  const table = header.find(({ type }) => type === messages.symbols);
  if (table) return symbolTable(structure, table.data);
  const info = header.find(({ type }) => type === messages.linkInfo);
  if (info && info.data.byteLength >= 10) {
    const heap = info.data.getUint8(1) & 1 ? 10 : 2;
    if (info.data.byteLength < heap + 8) throw structure.damaged('a group is cut short');
    if (info.data.getBigUint64(heap, true) !== noAddress) {
      throw structure.unsupported('a group of it has its links in a heap');
    }
  }
  return header
    .filter(({ type }) => type === messages.link)
    .flatMap(({ data }) => parseLink(structure, data));
}

function parseLink(structure: Structure, data: DataView): Link[] {
  if (data.byteLength < 4) throw structure.damaged('a link is cut short');
  const flags = data.getUint8(1);
  let at = 2;
  const kind = flags & 8 ? data.getUint8(at++) : 0;
  if (flags & 4) at += 8;
  if (flags & 16) at += 1;
  const width = 1 << (flags & 3);
  if (data.byteLength < at + width) throw structure.damaged('a link is cut short');
  const length =
    width === 8
      ? structure.number(data.getBigUint64(at, true))
      : width === 4
        ? data.getUint32(at, true)
        : width === 2
          ? data.getUint16(at, true)
          : data.getUint8(at);
  at += width;
  if (kind !== 0) return [];
  if (length > maxName || data.byteLength < at + length + 8) {
    throw structure.damaged('a link is cut short');
  }
  const name = text(new Uint8Array(data.buffer, data.byteOffset + at, length));
  return [[name, structure.number(data.getBigUint64(at + length, true))]];
}

/** The links of a group in the older form: a B-tree of nodes with names in a heap. */
async function symbolTable(structure: Structure, data: DataView): Promise<Link[]> {
  if (data.byteLength < 16) throw structure.damaged('a group is cut short');
  const tree = structure.number(data.getBigUint64(0, true));
  const names = await localHeap(structure, structure.number(data.getBigUint64(8, true)));
  const found: Link[] = [];
  await walkTree(structure, tree, 0, async (address) => {
    const head = await readBlock(structure, address, 'SNOD', 8);
    const count = head.getUint16(6, true);
    const entries = await structure.read(address + 8, count * 40);
    for (let i = 0; i < count; i++) {
      // Kind 2 is a link by name.
      if (entries.getUint32(i * 40 + 16, true) === 2) continue;
      const at = structure.number(entries.getBigUint64(i * 40, true));
      const end = names.indexOf(0, at);
      if (at >= names.length || end === -1 || end - at > maxName) {
        throw structure.damaged('a name is missing');
      }
      found.push([
        text(names.subarray(at, end)),
        structure.number(entries.getBigUint64(i * 40 + 8, true)),
      ]);
    }
  });
  return found;
}

async function localHeap(structure: Structure, address: number): Promise<Uint8Array> {
  const head = await readBlock(structure, address, 'HEAP', 32);
  const size = structure.number(head.getBigUint64(8, true));
  if (size > maxNames) throw structure.damaged('a group has too many names');
  const data = await structure.read(structure.number(head.getBigUint64(24, true)), size);
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

/** Calls `use` for each leaf's child of a group's B-tree, in order. */
async function walkTree(
  structure: Structure,
  address: number,
  depth: number,
  use: (address: number) => Promise<void>,
): Promise<void> {
  if (!structure.enter(address) || depth > maxDepth) throw structure.damaged('a tree has a cycle');
  const head = await readBlock(structure, address, 'TREE', 24);
  if (head.getUint8(4) !== 0) throw structure.damaged('a tree of groups is one of chunks');
  const level = head.getUint8(5);
  const count = head.getUint16(6, true);
  const entries = await structure.read(address + 24, count * 16);
  for (let i = 0; i < count; i++) {
    const child = structure.number(entries.getBigUint64(i * 16 + 8, true));
    if (level > 0) {
      await walkTree(structure, child, depth + 1, use);
    } else {
      if (!structure.enter(child)) throw structure.damaged('a tree has a cycle');
      await use(child);
    }
  }
}

const text = (bytes: Uint8Array) => Buffer.from(bytes).toString('utf8');
