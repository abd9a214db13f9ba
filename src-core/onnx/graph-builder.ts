import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import type { DType } from '../tensor/dtype.ts';

const { Varint, LengthDelimited, Bit32 } = WireType;

/** TensorProto.DataType numbers (onnx.proto). */
export const onnxTypes = {
  float32: 1,
  uint8: 2,
  int8: 3,
  uint16: 4,
  int16: 5,
  int32: 6,
  int64: 7,
  string: 8,
  bool: 9,
  float16: 10,
  float64: 11,
  uint32: 12,
  uint64: 13,
  bfloat16: 16,
} as const satisfies Partial<Record<DType, number>>;
export type OnnxType = keyof typeof onnxTypes;

export function dtypeOfOnnx(code: number): DType {
  for (const [name, value] of Object.entries(onnxTypes)) {
    if (value === code) return name as OnnxType;
  }
  return 'other';
}

/** A value inside a graph under construction. */
export interface Value {
  readonly name: string;
}

export type Attribute = number | string | readonly number[] | { float: number } | { to: OnnxType };
export type Dimension = number | string;

type Operand = Value | undefined;

/** Serialise one GraphProto field as a whole ModelProto fragment or model. */
const field = (writer: BinaryWriter, number: number, bytes: Uint8Array) =>
  writer.tag(number, LengthDelimited).bytes(bytes);

function attributeProto(name: string, value: Attribute): Uint8Array {
  const writer = new BinaryWriter().tag(1, LengthDelimited).string(name);
  const kind = (code: number) => writer.tag(20, Varint).int32(code);
  if (typeof value === 'string') {
    field(writer, 4, new TextEncoder().encode(value));
    kind(3);
  } else if (typeof value === 'number') {
    // Whole numbers are INT attributes; a float attribute is written as {float: x}.
    writer.tag(3, Varint).int64(value);
    kind(2);
  } else if ('float' in value) {
    writer.tag(2, Bit32).float(value.float);
    kind(1);
  } else if ('to' in value) {
    writer.tag(3, Varint).int64(onnxTypes[value.to]);
    kind(2);
  } else {
    for (const item of value) writer.tag(8, Varint).int64(item);
    kind(7);
  }
  return writer.finish();
}

export function valueInfoProto(
  name: string,
  dtype: OnnxType,
  shape: readonly Dimension[],
): Uint8Array {
  const dims = new BinaryWriter();
  for (const dimension of shape) {
    const proto = new BinaryWriter();
    if (typeof dimension === 'number') proto.tag(1, Varint).int64(dimension);
    else proto.tag(2, LengthDelimited).string(dimension);
    field(dims, 1, proto.finish());
  }
  const tensor = new BinaryWriter().tag(1, Varint).int32(onnxTypes[dtype]);
  field(tensor, 2, dims.finish());
  const type = field(new BinaryWriter(), 1, tensor.finish());
  return field(new BinaryWriter().tag(1, LengthDelimited).string(name), 2, type.finish()).finish();
}

/** Where a tensor's bytes lie outside the graph. */
export interface ExternalData {
  /** File name relative to the session's external folder. */
  location: string;
  offset: number;
  length: number;
}

/** A TensorProto that holds its bytes (little endian), or says in which file they are. */
export function tensorProto(
  name: string,
  dtype: OnnxType,
  shape: readonly number[],
  content: Uint8Array | ExternalData,
): Uint8Array {
  const writer = new BinaryWriter();
  for (const dimension of shape) writer.tag(1, Varint).int64(dimension);
  writer.tag(2, Varint).int32(onnxTypes[dtype]).tag(8, LengthDelimited).string(name);
  if (content instanceof Uint8Array) return field(writer, 9, content).finish();
  for (const [key, value] of Object.entries(content)) {
    const entry = new BinaryWriter()
      .tag(1, LengthDelimited)
      .string(key)
      .tag(2, LengthDelimited)
      .string(String(value));
    field(writer, 13, entry.finish());
  }
  return writer.tag(14, Varint).int32(1).finish();
}

export function nodeProto(
  op: string,
  inputs: readonly Operand[],
  outputs: readonly Value[],
  attributes: Readonly<Record<string, Attribute>> = {},
): Uint8Array {
  const writer = new BinaryWriter();
  for (const input of inputs) writer.tag(1, LengthDelimited).string(input?.name ?? '');
  for (const output of outputs) writer.tag(2, LengthDelimited).string(output.name);
  writer
    .tag(3, LengthDelimited)
    .string(outputs[0]?.name ?? op)
    .tag(4, LengthDelimited)
    .string(op);
  for (const [name, value] of Object.entries(attributes)) {
    field(writer, 5, attributeProto(name, value));
  }
  return writer.finish();
}

const bytesOf = (data: ArrayBufferView) =>
  new Uint8Array(data.buffer, data.byteOffset, data.byteLength);

export type ConstantData =
  Float32Array | Float64Array | BigInt64Array | Int32Array | Int8Array | Uint8Array;

function typeOf(data: ConstantData): OnnxType {
  if (data instanceof Float32Array) return 'float32';
  if (data instanceof Float64Array) return 'float64';
  if (data instanceof BigInt64Array) return 'int64';
  if (data instanceof Int32Array) return 'int32';
  return data instanceof Int8Array ? 'int8' : 'uint8';
}

/**
 * Builds an ONNX model (default opset 21, IR 10). Every value may be given a readable name, which is
 * then what users see and tap; unnamed ones are numbered. The bytes depend on the calls alone, so
 * they serve as a cache key.
 */
export class GraphBuilder {
  readonly #opset: number;
  readonly #graph = new BinaryWriter();
  readonly #names = new Set<string>();
  readonly #unnamed: string;
  #count = 0;

  /** @param options.unnamed what the names of numbered values begin with */
  constructor(name: string, { opset = 21, unnamed = '_' } = {}) {
    this.#opset = opset;
    this.#unnamed = unnamed;
    this.#graph.tag(2, LengthDelimited).string(name);
  }

  #claim(name: string | undefined): Value {
    const unique = name ?? `${this.#unnamed}${this.#count++}`;
    if (this.#names.has(unique)) throw new Error(`value ${unique} is defined twice`);
    this.#names.add(unique);
    return { name: unique };
  }

  input(name: string, dtype: OnnxType, shape: readonly Dimension[]): Value {
    const value = this.#claim(name);
    field(this.#graph, 11, valueInfoProto(name, dtype, shape));
    return value;
  }

  output(value: Value, dtype: OnnxType, shape: readonly Dimension[]): void {
    field(this.#graph, 12, valueInfoProto(value.name, dtype, shape));
  }

  /** A node with one output. */
  op(
    op: string,
    inputs: readonly Operand[],
    attributes: Readonly<Record<string, Attribute>> = {},
    name?: string,
  ): Value {
    const output = this.#claim(name);
    field(this.#graph, 1, nodeProto(op, inputs, [output], attributes));
    return output;
  }

  /** A node with several outputs. */
  ops(
    op: string,
    inputs: readonly Operand[],
    attributes: Readonly<Record<string, Attribute>>,
    count: number,
  ): Value[] {
    const outputs = Array.from({ length: count }, () => this.#claim(undefined));
    field(this.#graph, 1, nodeProto(op, inputs, outputs, attributes));
    return outputs;
  }

  /** Weights that stay in a file. */
  external(name: string, dtype: OnnxType, shape: readonly number[], data: ExternalData): Value {
    const value = this.#claim(name);
    field(this.#graph, 5, tensorProto(name, dtype, shape, data));
    return value;
  }

  /** A constant held in the graph; scalar where `shape` is []. */
  constant(data: ConstantData, shape: readonly number[] = [data.length], name?: string): Value {
    const value = this.#claim(name);
    field(this.#graph, 5, tensorProto(value.name, typeOf(data), shape, bytesOf(data)));
    return value;
  }

  /** An int64 vector constant: shapes, axes, indices. */
  ints(...values: number[]): Value {
    return this.constant(BigInt64Array.from(values, BigInt));
  }

  /** The graph alone, to be put behind the bytes of a model whose values it uses. */
  fragment(): Uint8Array {
    return field(new BinaryWriter(), 7, this.#graph.finish()).finish();
  }

  finish(): Uint8Array {
    const model = new BinaryWriter()
      .tag(1, Varint)
      .int64(10)
      .tag(2, LengthDelimited)
      .string('repscope');
    const opset = new BinaryWriter()
      .tag(1, LengthDelimited)
      .string('')
      .tag(2, Varint)
      .int64(this.#opset)
      .finish();
    return field(field(model, 7, this.#graph.finish()), 8, opset).finish();
  }
}
