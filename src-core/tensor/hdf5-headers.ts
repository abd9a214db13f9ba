import type { Structure } from './hdf5-structure.ts';

/** A message of an object header. */
export interface Message {
  type: number;
  /** Whether its data are a reference to a message elsewhere. */
  shared: boolean;
  data: DataView;
}

/** Attributes with a model's whole configuration lie in headers. */
const maxBlock = 4 << 20;
const maxBlocks = 1000;
const continuation = 16;

/** The first `length` bytes of a block that starts with `signature`. */
export async function readBlock(
  structure: Structure,
  address: number,
  signature: string,
  length: number,
): Promise<DataView> {
  const view = await structure.read(address, length);
  if (!startsWith(view, signature)) throw structure.damaged(`no ${signature} at byte ${address}`);
  return view;
}

const startsWith = (view: DataView, signature: string) =>
  view.byteLength >= signature.length &&
  Buffer.from(view.buffer, view.byteOffset, signature.length).toString('latin1') === signature;

/** How messages are laid out in a header and its continuations. */
interface Form {
  /** Bytes before a message's data. */
  prefix: number;
  typeBytes: 1 | 2;
  /** Bytes before and after the messages of a continuation. */
  head: number;
  tail: number;
}

/** All messages of the object header at `address`. */
export async function readHeader(structure: Structure, address: number): Promise<Message[]> {
  const available = Math.min(64, structure.source.size - address);
  const start = await structure.read(address, Math.max(available, 16));
  const first = startsWith(start, 'OHDR')
    ? newHeader(structure, start)
    : oldHeader(structure, start);
  const { form, at, size } = first;
  const found: Message[] = [];
  const blocks = [{ address: address + at, size }];
  // Continuations join the list while it is walked.
  for (const block of blocks) {
    if (block.size > maxBlock || blocks.length > maxBlocks) {
      throw structure.damaged('an object header is too long');
    }
    const view = await structure.read(block.address, block.size);
    for (const message of split(structure, view, form)) {
      if (message.type !== continuation) {
        found.push(message);
      } else if (message.data.byteLength >= 16) {
        const target = structure.number(message.data.getBigUint64(0, true));
        const length = structure.number(message.data.getBigUint64(8, true));
        if (length < form.head + form.tail || !structure.enter(target)) {
          throw structure.damaged('an object header has a cycle');
        }
        const inner = length - form.head - form.tail;
        blocks.push({ address: target + form.head, size: inner });
      }
    }
  }
  return found;
}

function oldHeader(structure: Structure, view: DataView): { form: Form; at: number; size: number } {
  if (view.getUint8(0) !== 1) throw structure.damaged('an object header is missing');
  const form: Form = { prefix: 8, typeBytes: 2, head: 0, tail: 0 };
  return { form, at: 16, size: view.getUint32(8, true) };
}

function newHeader(structure: Structure, view: DataView): { form: Form; at: number; size: number } {
  const flags = view.getUint8(5);
  const at = 6 + (flags & 32 ? 16 : 0) + (flags & 16 ? 4 : 0);
  const width = 1 << (flags & 3);
  if (view.byteLength < at + width) throw structure.damaged('an object header is cut short');
  const size =
    width === 8
      ? structure.number(view.getBigUint64(at, true))
      : width === 4
        ? view.getUint32(at, true)
        : width === 2
          ? view.getUint16(at, true)
          : view.getUint8(at);
  // Continuations start with a signature and end with a checksum.
  const form: Form = { prefix: flags & 4 ? 6 : 4, typeBytes: 1, head: 4, tail: 4 };
  return { form, at: at + width, size };
}

function split(structure: Structure, view: DataView, form: Form): Message[] {
  const found: Message[] = [];
  let at = 0;
  while (at + form.prefix <= view.byteLength) {
    const type = form.typeBytes === 2 ? view.getUint16(at, true) : view.getUint8(at);
    const size = view.getUint16(at + form.typeBytes, true);
    const flags = view.getUint8(at + form.typeBytes + 2);
    at += form.prefix;
    if (at + size > view.byteLength) throw structure.damaged('an object header is cut short');
    const data = new DataView(view.buffer, view.byteOffset + at, size);
    found.push({ type, shared: (flags & 2) !== 0, data });
    at += size;
  }
  return found;
}
