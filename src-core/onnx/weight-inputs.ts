import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import type { ByteSource } from '../bytes/byte-source.ts';
import { UserError } from '../errors.ts';
import { nodeProto } from './graph-builder.ts';
import type { OnnxOutline, OnnxTensor } from './outline.ts';

const { Varint, LengthDelimited } = WireType;

/** Protobuf ends at 2 GiB. */
const maxCopy = 1.5 * 2 ** 30;

const message = (number: number, content: Uint8Array) =>
  new BinaryWriter().tag(number, LengthDelimited).bytes(content).finish();

/** ValueInfoProto of a tensor of known shape. */
function valueInfo({ name, elementType, shape }: OnnxTensor): Uint8Array {
  const dims = new BinaryWriter();
  for (const size of shape) {
    dims.tag(1, LengthDelimited).bytes(new BinaryWriter().tag(1, Varint).int64(size).finish());
  }
  const tensor = new BinaryWriter()
    .tag(1, Varint)
    .int32(elementType)
    .tag(2, LengthDelimited)
    .bytes(dims.finish());
  const type = message(1, tensor.finish());
  return new BinaryWriter()
    .tag(1, LengthDelimited)
    .string(name)
    .tag(2, LengthDelimited)
    .bytes(type)
    .finish();
}

/**
 * A model's bytes in which weights are inputs, to be fed with others at each run, and `taps` are
 * outputs beside the model's own, under the name `tap:` before theirs.
 * @throws UserError `unsupported` where what is left is too large for one file.
 */
export async function withWeightInputs(
  source: ByteSource,
  { graph }: OnnxOutline,
  weights: readonly OnnxTensor[],
  taps: readonly string[] = [],
): Promise<Uint8Array> {
  const removed = weights.toSorted((a, b) => a.start - b.start);
  // Before version 4 of the format every initialiser is an input as well.
  const inputs = new Set(graph.inputs.map(({ name }) => name));
  const pieces: Uint8Array[] = [];
  let size = 0;
  const keep = async (start: number, end: number) => {
    size += end - start;
    if (size > maxCopy) {
      throw new UserError(
        'unsupported',
        source.label,
        'keeps too much beside its float weights in one file',
        'save it with its weights as external data',
      );
    }
    if (end > start) pieces.push(await source.read(start, end - start));
  };
  let position = 0;
  for (const range of graph.ranges) {
    await keep(position, range.start);
    const inside = removed.filter(({ start, end }) => start >= range.offset && end <= range.end);
    const gone = inside.reduce((sum, { start, end }) => sum + end - start, 0);
    const length = range.end - range.offset - gone;
    pieces.push(new BinaryWriter().tag(7, LengthDelimited).uint32(length).finish());
    position = range.offset;
    for (const { start, end } of inside) {
      await keep(position, start);
      position = end;
    }
    await keep(position, range.end);
    position = range.end;
  }
  await keep(position, source.size);
  for (const tensor of weights) {
    if (!inputs.has(tensor.name)) pieces.push(message(7, message(11, valueInfo(tensor))));
  }
  for (const name of taps) {
    const tap = { name: `tap:${name}` };
    pieces.push(message(7, message(1, nodeProto('Identity', [{ name }], [tap]))));
    const value = new BinaryWriter().tag(1, LengthDelimited).string(tap.name).finish();
    pieces.push(message(7, message(12, value)));
  }
  return new Uint8Array(Buffer.concat(pieces));
}
