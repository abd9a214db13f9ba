import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import type { ByteSource } from '../bytes/byte-source.ts';
import { UserError } from '../errors.ts';
import { nodeProto, type ExternalData } from './graph-builder.ts';
import type { OnnxOutline, OnnxTensor } from './outline.ts';

const { Varint, LengthDelimited } = WireType;

/** Above this the copy would no longer be light, and protobuf ends at 2 GiB. */
const maxCopy = 1.5 * 2 ** 30;

const message = (number: number, content: Uint8Array) =>
  new BinaryWriter().tag(number, LengthDelimited).bytes(content).finish();

function externalTensor(tensor: OnnxTensor, place: ExternalData): Uint8Array {
  const writer = new BinaryWriter();
  for (const dimension of tensor.shape) writer.tag(1, Varint).int64(dimension);
  writer.tag(2, Varint).int32(tensor.elementType).tag(8, LengthDelimited).string(tensor.name);
  for (const [key, value] of Object.entries(place)) {
    const entry = new BinaryWriter()
      .tag(1, LengthDelimited)
      .string(key)
      .tag(2, LengthDelimited)
      .string(String(value));
    writer.tag(13, LengthDelimited).bytes(entry.finish());
  }
  return message(5, writer.tag(14, Varint).int32(1).finish());
}

/** A range of the file, or new bytes. */
type Piece = { start: number; end: number } | Uint8Array;

const sizeOf = (piece: Piece) =>
  piece instanceof Uint8Array ? piece.length : piece.end - piece.start;

/** A value to give out, converted to float32 under a new name where `from` names the original. */
export interface Tap {
  name: string;
  from?: string;
}

/**
 * Copies a model's bytes verbatim, except that initialisers for which `relocate` gives a place are
 * written as external data, and `taps` become graph outputs. (Protobuf merges a second `graph`
 * field into the first; an output needs no more than a name.)
 */
export async function lightCopy(
  source: ByteSource,
  outline: OnnxOutline,
  relocate: (tensor: OnnxTensor) => ExternalData | undefined,
  taps: readonly Tap[],
): Promise<Uint8Array> {
  const moved = outline.graph.initializers
    .map((tensor) => ({ tensor, place: relocate(tensor) }))
    .filter(({ place }) => place !== undefined)
    .sort((a, b) => a.tensor.start - b.tensor.start);
  const pieces: Piece[] = [];
  let position = 0;
  for (const range of outline.graph.ranges) {
    pieces.push({ start: position, end: range.start });
    const content: Piece[] = [];
    position = range.offset;
    for (const { tensor, place } of moved) {
      if (tensor.start < range.offset || tensor.end > range.end) continue;
      content.push({ start: position, end: tensor.start }, externalTensor(tensor, place!));
      position = tensor.end;
    }
    content.push({ start: position, end: range.end });
    const size = content.reduce((total, piece) => total + sizeOf(piece), 0);
    pieces.push(new BinaryWriter().tag(7, LengthDelimited).uint32(size).finish(), ...content);
    position = range.end;
  }
  pieces.push({ start: position, end: source.size });
  for (const { name, from } of taps) {
    if (from !== undefined) {
      const cast = nodeProto('Cast', [{ name: from }], [{ name }], { to: { to: 'float32' } });
      pieces.push(message(7, message(1, cast)));
    }
    const value = new BinaryWriter().tag(1, LengthDelimited).string(name).finish();
    pieces.push(message(7, message(12, value)));
  }
  const total = pieces.reduce((sum, piece) => sum + sizeOf(piece), 0);
  if (total > maxCopy) {
    throw new UserError(
      'unsupported',
      source.label,
      `keeps ${Math.round(total / 2 ** 20)} MiB outside tensors that can be left in the file`,
      'save it with its weights as external data',
    );
  }
  const copy = new Uint8Array(total);
  let filled = 0;
  for (const piece of pieces) {
    const size = sizeOf(piece);
    if (piece instanceof Uint8Array) copy.set(piece, filled);
    else if (size > 0) copy.set(await source.read(piece.start, size), filled);
    filled += size;
  }
  return copy;
}
