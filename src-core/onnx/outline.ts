import type { ByteSource } from '../bytes/byte-source.ts';
import { elementCount, toFloats } from '../tensor/convert.ts';
import { dtypeBytes, type DType } from '../tensor/dtype.ts';
import { isForeign } from './domains.ts';
import { dtypeOfOnnx } from './graph-builder.ts';
import {
  damagedModel,
  delimited,
  packedInts,
  text,
  varint,
  WireWalker,
  type Field,
} from './wire.ts';

/** Where a tensor's elements are. */
export type TensorData =
  | { kind: 'raw'; offset: number; length: number }
  | { kind: 'external'; location: string; offset: number; length: number | undefined }
  /** Inline in another form (packed numbers, text, sparse), or absent. */
  | { kind: 'other' };

export interface OnnxTensor {
  name: string;
  dtype: DType;
  /** TensorProto.DataType. */
  elementType: number;
  shape: number[];
  bytes: number;
  data: TensorData;
  /** Values of a short integer tensor: shapes, axes, indices. */
  ints: number[] | undefined;
  /** The whole field in the file, tag and length included. */
  start: number;
  end: number;
}

export interface OnnxNode {
  /** With its domain before it where onnxruntime does not bring it: `org.example.Add`. */
  op: string;
  domain: string;
  name: string;
  inputs: string[];
  outputs: string[];
  /** Integer attributes and lists of integers, by name. */
  ints: ReadonlyMap<string, number[]>;
  /** Short text attributes, by name. */
  strings: ReadonlyMap<string, string>;
  /** Tensor attributes, by name. */
  tensors: ReadonlyMap<string, OnnxTensor>;
  /** Bodies of If, Loop and Scan. */
  subgraphs: OnnxGraph[];
}

/** A size, a symbolic name, or null where unknown. */
export type Dim = number | string | null;

/** A graph input, output or inner value as the file types it. */
export interface OnnxValue {
  name: string;
  dtype: DType;
  /** Absent where the file says nothing of it. */
  shape: Dim[] | undefined;
}

export interface OnnxGraph {
  nodes: OnnxNode[];
  initializers: OnnxTensor[];
  inputs: OnnxValue[];
  outputs: OnnxValue[];
  /** Types the exporter wrote for inner values. */
  values: Map<string, OnnxValue>;
  /** Where the message's content lies in the file. */
  ranges: { start: number; offset: number; end: number }[];
}

export interface OnnxOutline {
  graph: OnnxGraph;
  /** Version of the default operator set. */
  opset: number;
  producer: string;
  metadata: Record<string, string>;
  /** Operator-set domains the model imports. */
  domains: string[];
  /** Domains for which the model brings its own function bodies. */
  functionDomains: Set<string>;
}

const maxDepth = 32;
/** Nodes, tensors and value descriptions: what is kept of a file is bounded. */
const maxItems = 1_000_000;
const maxList = 100_000;
/** Integer tensors up to this many elements are read: shapes and indices, not data. */
const maxInts = 1024;

/** Most nodes have no attributes of a kind: they share one empty map. */
const none: ReadonlyMap<string, never> = new Map<string, never>();

function withEntry<V>(map: ReadonlyMap<string, V>, key: string, value: V): ReadonlyMap<string, V> {
  return map === none ? new Map([[key, value]]) : (map as Map<string, V>).set(key, value);
}

const emptyGraph = (): OnnxGraph => ({
  nodes: [],
  initializers: [],
  inputs: [],
  outputs: [],
  values: new Map(),
  ranges: [],
});

/** Reads one message kind after another from the file; the field numbers are those of onnx.proto. */
class OutlineReader {
  readonly #walker: WireWalker;
  readonly #label: string;
  #items = 0;

  constructor(source: ByteSource, signal?: AbortSignal) {
    this.#walker = new WireWalker(source, signal);
    this.#label = source.label;
  }

  #walk(within: Field, visit: (field: Field) => Promise<void> | void): Promise<void> {
    return this.#walker.walk(within.offset, within.end, visit);
  }

  #countItem(): void {
    if (++this.#items > maxItems) {
      throw damagedModel(this.#label, `more than ${maxItems} nodes, tensors and values`);
    }
  }

  #text(field: Field): string {
    return text(this.#label, field);
  }

  /** Appends the values of a repeated int64 field, packed or not. */
  #extend(list: number[], field: Field, number: number): void {
    if (field.key === varint(number)) list.push(field.value);
    else if (field.bytes)
      for (const value of packedInts(this.#label, field.bytes)) list.push(value);
    if (list.length > maxList) throw damagedModel(this.#label, `a list of ${list.length} numbers`);
  }

  async model(size: number): Promise<OnnxOutline> {
    const outline: OnnxOutline = {
      graph: emptyGraph(),
      opset: 0,
      producer: '',
      metadata: {},
      domains: [],
      functionDomains: new Set(),
    };
    await this.#walker.walk(0, size, (field) => {
      switch (field.key) {
        case delimited(2):
          outline.producer = this.#text(field);
          return;
        case delimited(7):
          return this.#graph(field, outline.graph, 0);
        case delimited(8):
          return this.#opset(field, outline);
        case delimited(14):
          return this.#pair(field).then(([key, value]) => {
            outline.metadata[key] = value;
          });
        case delimited(25):
          return this.#walk(field, (inner) => {
            if (inner.key === delimited(10)) outline.functionDomains.add(this.#text(inner));
          });
      }
    });
    return outline;
  }

  async #opset(message: Field, outline: OnnxOutline): Promise<void> {
    let domain = '';
    let version = 0;
    await this.#walk(message, (field) => {
      if (field.key === delimited(1)) domain = this.#text(field);
      if (field.key === varint(2)) version = field.value;
    });
    outline.domains.push(domain);
    if (domain === '' || domain === 'ai.onnx') outline.opset = version;
  }

  /** StringStringEntryProto; a value too long to be read is left out. */
  async #pair(message: Field): Promise<[string, string]> {
    let key = '';
    let value = '';
    await this.#walk(message, (field) => {
      if (field.key === delimited(1)) key = this.#text(field);
      if (field.key === delimited(2) && field.bytes) value = this.#text(field);
    });
    return [key, value];
  }

  async #graph(message: Field, graph: OnnxGraph, depth: number): Promise<void> {
    if (depth > maxDepth) {
      throw damagedModel(this.#label, `graphs nested more than ${maxDepth} deep`);
    }
    this.#countItem();
    graph.ranges.push({ start: message.start, offset: message.offset, end: message.end });
    await this.#walk(message, (field) => {
      switch (field.key) {
        case delimited(1):
          return this.#node(field, depth).then((node) => void graph.nodes.push(node));
        case delimited(5):
          return this.#tensor(field).then((tensor) => void graph.initializers.push(tensor));
        case delimited(15):
          return this.#walk(field, (inner) =>
            inner.key === delimited(1)
              ? this.#tensor(inner).then((tensor) => {
                  // The stored values are fewer than the elements, so they are not addressable.
                  graph.initializers.push({ ...tensor, data: { kind: 'other' }, ints: undefined });
                })
              : undefined,
          );
        case delimited(11):
          return this.#value(field).then((value) => void graph.inputs.push(value));
        case delimited(12):
          return this.#value(field).then((value) => void graph.outputs.push(value));
        case delimited(13):
          return this.#value(field).then((value) => void graph.values.set(value.name, value));
      }
    });
  }

  async #node(message: Field, depth: number): Promise<OnnxNode> {
    const node: OnnxNode = {
      op: '',
      domain: '',
      name: '',
      inputs: [],
      outputs: [],
      ints: none,
      strings: none,
      tensors: none,
      subgraphs: [],
    };
    this.#countItem();
    await this.#walk(message, (field) => {
      switch (field.key) {
        case delimited(1):
          node.inputs.push(this.#text(field));
          return;
        case delimited(2):
          node.outputs.push(this.#text(field));
          return;
        case delimited(3):
          node.name = this.#text(field);
          return;
        case delimited(4):
          node.op = this.#text(field);
          return;
        case delimited(7):
          node.domain = this.#text(field);
          return;
        case delimited(5):
          return this.#attribute(field, node, depth);
      }
    });
    // An `Add` of another domain is not ONNX's.
    if (isForeign(node.domain)) node.op = `${node.domain}.${node.op}`;
    return node;
  }

  async #attribute(message: Field, node: OnnxNode, depth: number): Promise<void> {
    let name = '';
    const ints: number[] = [];
    let string = undefined as string | undefined;
    let tensor = undefined as OnnxTensor | undefined;
    await this.#walk(message, (field) => {
      switch (field.key) {
        case delimited(1):
          name = this.#text(field);
          return;
        case delimited(4):
          if (field.bytes) string = this.#text(field);
          return;
        case varint(3):
        case varint(8):
        case delimited(8):
          this.#extend(ints, field, field.key >> 3);
          return;
        case delimited(5):
          return this.#tensor(field).then((value) => void (tensor = value));
        case delimited(6):
        case delimited(11): {
          const body = emptyGraph();
          node.subgraphs.push(body);
          return this.#graph(field, body, depth + 1);
        }
      }
    });
    if (string !== undefined) node.strings = withEntry(node.strings, name, string);
    if (ints.length > 0) node.ints = withEntry(node.ints, name, ints);
    if (tensor) node.tensors = withEntry(node.tensors, name, tensor);
  }

  async #tensor(message: Field): Promise<OnnxTensor> {
    this.#countItem();
    const shape: number[] = [];
    const ints: number[] = [];
    const external = new Map<string, string>();
    let name = '';
    let elementType = 0;
    let raw = undefined as Field | undefined;
    const packed: Field[] = [];
    let isExternal = false as boolean;
    let inlineBytes = 0;
    await this.#walk(message, (field) => {
      switch (field.key) {
        case varint(1):
        case delimited(1):
          this.#extend(shape, field, 1);
          return;
        case varint(2):
          elementType = field.value;
          return;
        case delimited(8):
          name = this.#text(field);
          return;
        case delimited(9):
          raw = field;
          return;
        case delimited(4):
        case delimited(10):
          // A packed list of floats or doubles has the layout of raw data.
          packed.push(field);
          inlineBytes += field.end - field.offset;
          return;
        case varint(7):
        case delimited(7):
          inlineBytes += field.end - field.offset;
          if (ints.length <= maxInts) this.#extend(ints, field, 7);
          return;
        case delimited(13):
          return this.#pair(field).then(([key, value]) => void external.set(key, value));
        case varint(14):
          isExternal = field.value === 1;
          return;
        default:
          inlineBytes += field.end - field.offset;
      }
    });
    const dtype = dtypeOfOnnx(elementType);
    const count = elementCount(shape);
    if (shape.some((dimension) => dimension < 0) || !Number.isSafeInteger(count)) {
      throw damagedModel(this.#label, `tensor ${name} has shape [${shape.join(', ')}]`);
    }
    const width = dtypeBytes[dtype];
    let data: TensorData = { kind: 'other' };
    const [list] = packed.length === 1 ? packed : [];
    const isRaw = list?.key === delimited(dtype === 'float32' ? 4 : 10);
    if (isRaw && (dtype === 'float32' || dtype === 'float64')) raw ??= list;
    if (isExternal) data = this.#external(name, external);
    else if (raw) {
      const length = raw.end - raw.offset;
      if (width > 0 && length !== count * width) {
        throw damagedModel(
          this.#label,
          `tensor ${name} has ${length} bytes for ${dtype} [${shape.join(', ')}]`,
        );
      }
      data = { kind: 'raw', offset: raw.offset, length };
    }
    const bytes = width > 0 ? count * width : raw ? raw.end - raw.offset : inlineBytes;
    const integers = dtype === 'int64' || dtype === 'int32';
    const { start, end } = message;
    return {
      name,
      dtype,
      elementType,
      shape,
      bytes,
      data,
      ints: integers && count <= maxInts ? this.#smallInts(raw, dtype, ints, count) : undefined,
      start,
      end,
    };
  }

  #smallInts(
    raw: Field | undefined,
    dtype: 'int64' | 'int32',
    ints: number[],
    count: number,
  ): number[] | undefined {
    if (raw?.bytes) return Array.from(toFloats(raw.bytes, dtype));
    return ints.length === count ? ints : undefined;
  }

  #external(name: string, entries: ReadonlyMap<string, string>): TensorData {
    const number = (key: string) => {
      const value = entries.get(key);
      if (value === undefined) return undefined;
      if (/^\d{1,15}$/.test(value)) return Number(value);
      throw damagedModel(this.#label, `external data of ${name} has ${key} ${value.slice(0, 40)}`);
    };
    return {
      kind: 'external',
      location: entries.get('location') ?? '',
      offset: number('offset') ?? 0,
      length: number('length'),
    };
  }

  async #value(message: Field): Promise<OnnxValue> {
    const value: OnnxValue = { name: '', dtype: 'other', shape: undefined };
    this.#countItem();
    await this.#walk(message, (field) => {
      if (field.key === delimited(1)) value.name = this.#text(field);
      if (field.key !== delimited(2)) return;
      return this.#walk(field, (type) => {
        if (type.key !== delimited(1)) return;
        return this.#walk(type, (tensor) => {
          if (tensor.key === varint(1)) value.dtype = dtypeOfOnnx(tensor.value);
          if (tensor.key === delimited(2)) return this.#shape(tensor, (value.shape = []));
        });
      });
    });
    return value;
  }

  async #shape(message: Field, shape: Dim[]): Promise<void> {
    await this.#walk(message, (field) => {
      if (field.key !== delimited(1)) return;
      const axis = shape.push(null) - 1;
      return this.#walk(field, (dimension) => {
        if (dimension.key === varint(1) && dimension.value >= 0) shape[axis] = dimension.value;
        if (dimension.key === delimited(2)) shape[axis] = this.#text(dimension) || null;
      });
    });
  }
}

/**
 * Reads what an ONNX file says about its graph, by byte range: the elements of large tensors are
 * never read, only where they lie.
 * @throws UserError `not-a-model`, `truncated`.
 */
export async function readOutline(source: ByteSource, signal?: AbortSignal): Promise<OnnxOutline> {
  const outline = await new OutlineReader(source, signal).model(source.size);
  const { graph } = outline;
  if (graph.ranges.length === 0) throw damagedModel(source.label, 'it holds no graph');
  // Before IR version 4 initializers were inputs too.
  const initialized = new Set(graph.initializers.map(({ name }) => name));
  graph.inputs = graph.inputs.filter(({ name }) => !initialized.has(name));
  return outline;
}
