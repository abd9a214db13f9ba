// The globals that checkpoints of PyTorch are made of, and what calls of them give.
import { elementCount } from './convert.ts';
import { dtypeBytes, type DType } from './dtype.ts';
import {
  Dict,
  Global,
  HostValue,
  Refused,
  Tuple,
  type PickleHost,
  type PickleValue,
} from './pickle.ts';

/** How a storage's elements lie: `other` types have a size too. */
interface Element {
  dtype: DType;
  bytes: number;
}

const plain = (dtype: DType): Element => ({ dtype, bytes: dtypeBytes[dtype] });
const other = (bytes: number): Element => ({ dtype: 'other', bytes });

const storageElements: Readonly<Record<string, Element>> = {
  DoubleStorage: plain('float64'),
  FloatStorage: plain('float32'),
  HalfStorage: plain('float16'),
  BFloat16Storage: plain('bfloat16'),
  LongStorage: plain('int64'),
  IntStorage: plain('int32'),
  ShortStorage: plain('int16'),
  CharStorage: plain('int8'),
  ByteStorage: plain('uint8'),
  BoolStorage: plain('bool'),
  ComplexFloatStorage: other(8),
  ComplexDoubleStorage: other(16),
  QInt8Storage: other(1),
  QUInt8Storage: other(1),
  QInt32Storage: other(4),
  QUInt4x2Storage: other(1),
  QUInt2x4Storage: other(1),
  UntypedStorage: plain('uint8'),
};

const dtypeElements: Readonly<Record<string, Element>> = {
  float64: plain('float64'),
  float32: plain('float32'),
  float16: plain('float16'),
  bfloat16: plain('bfloat16'),
  int64: plain('int64'),
  int32: plain('int32'),
  int16: plain('int16'),
  int8: plain('int8'),
  uint64: plain('uint64'),
  uint32: plain('uint32'),
  uint16: plain('uint16'),
  uint8: plain('uint8'),
  bool: plain('bool'),
  complex32: other(4),
  complex64: other(8),
  complex128: other(16),
  float8_e4m3fn: other(1),
  float8_e4m3fnuz: other(1),
  float8_e5m2: other(1),
  float8_e5m2fnuz: other(1),
  float8_e8m0fnu: other(1),
  quint8: other(1),
  qint8: other(1),
  qint32: other(4),
};

/** Numbers of a checkpoint that lie outside its pickle, under `data/KEY` of the archive. */
export class Storage extends HostValue {
  readonly kind = 'storage';
  readonly key: string;
  readonly element: Element;
  readonly elements: number;
  constructor(key: string, element: Element, elements: number) {
    super();
    this.key = key;
    this.element = element;
    this.elements = elements;
  }
}

/** A view of a storage; offset and strides are in elements. */
export class StridedTensor extends HostValue {
  readonly kind = 'tensor';
  readonly storage: Storage;
  readonly element: Element;
  readonly offset: number;
  readonly shape: readonly number[];
  readonly strides: readonly number[];
  constructor(
    storage: Storage,
    element: Element,
    offset: number,
    shape: readonly number[],
    strides: readonly number[],
  ) {
    super();
    this.storage = storage;
    this.element = element;
    this.offset = offset;
    this.shape = shape;
    this.strides = strides;
  }

  get count(): number {
    return elementCount(this.shape);
  }

  /** One past the last element of the storage that it uses. */
  get end(): number {
    if (this.count === 0) return this.offset;
    return this.shape.reduce((at, size, i) => at + (size - 1) * this.strides[i]!, this.offset) + 1;
  }

  /** Whether its elements lie in row-major order without gaps. */
  get contiguous(): boolean {
    let expected = 1;
    for (let i = this.shape.length - 1; i >= 0; i--) {
      if (this.shape[i] !== 1 && this.strides[i] !== expected) return false;
      expected *= this.shape[i]!;
    }
    return true;
  }
}

/** A value that is read over: a generator, a NumPy scalar, a sparse tensor. */
export class Opaque extends HostValue {
  readonly kind = 'opaque';
  readonly name: string;
  constructor(name: string) {
    super();
    this.name = name;
  }
}

/** Tensors that are not views of a storage. */
const unlistedTensors = new Set(
  [
    '_rebuild_sparse_tensor',
    '_rebuild_sparse_csr_tensor',
    '_rebuild_qtensor',
    '_rebuild_nested_tensor',
    '_rebuild_meta_tensor_no_storage',
    '_rebuild_device_tensor_from_numpy',
    '_rebuild_device_tensor_from_cpu_tensor',
  ].map((name) => `torch._utils.${name}`),
);

/** Whether a value that is read over is a tensor. */
export const isUnlistedTensor = (value: Opaque) => unlistedTensors.has(value.name);

const opaque = new Set([
  ...unlistedTensors,
  'torch.device',
  'torch.serialization._get_layout',
  '_codecs.encode',
  'numpy.dtype',
  'numpy.ndarray',
  'numpy.core.multiarray.scalar',
  'numpy._core.multiarray.scalar',
  'numpy.core.multiarray._reconstruct',
  'numpy._core.multiarray._reconstruct',
  ...['bytearray', 'complex', 'range', 'slice'].flatMap((name) => [
    `builtins.${name}`,
    `__builtin__.${name}`,
  ]),
]);

const collections = new Set([
  'torch.Size',
  ...['set', 'frozenset', 'list', 'tuple'].flatMap((name) => [
    `builtins.${name}`,
    `__builtin__.${name}`,
  ]),
]);

const rebuilders = new Set([
  'torch._utils._rebuild_tensor',
  'torch._utils._rebuild_tensor_v2',
  'torch._utils._rebuild_tensor_v3',
  'torch._utils._rebuild_parameter',
  'torch._utils._rebuild_parameter_with_state',
  'torch._tensor._rebuild_from_type_v2',
]);

/** Classes that are named and never called. */
const named = new Set([
  'torch.Tensor',
  'torch.nn.parameter.Parameter',
  'torch.nn.parameter.Buffer',
]);

const last = (name: string) => name.slice(name.lastIndexOf('.') + 1);

function elementNamed(name: string): Element | undefined {
  const key = last(name);
  const table = /^torch(\.storage)?\.\w+Storage$/.test(name)
    ? storageElements
    : /^torch\.\w+$/.test(name)
      ? dtypeElements
      : {};
  return Object.hasOwn(table, key) ? table[key] : undefined;
}

const maxAxes = 64;

const isIndex = (value: PickleValue | undefined): value is number =>
  typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;

/** Items of a list or tuple; none of anything else. */
export function listItems(value: PickleValue | undefined): readonly PickleValue[] {
  if (value instanceof Tuple) return value.items;
  return isList(value) ? value : [];
}

const isList = (value: PickleValue | undefined): value is PickleValue[] => Array.isArray(value);

function indices(value: PickleValue | undefined): readonly number[] | undefined {
  const items = listItems(value);
  return items.length <= maxAxes && items.every(isIndex) ? items : undefined;
}

/** A tensor from the arguments of `_rebuild_tensor` and its later forms. */
function rebuild(name: string, args: readonly PickleValue[]): PickleValue | undefined {
  if (name.includes('_rebuild_parameter')) {
    return args[0] instanceof StridedTensor || args[0] instanceof Opaque ? args[0] : undefined;
  }
  if (name.endsWith('_rebuild_from_type_v2')) {
    const [inner, , innerArgs] = args;
    // One level only: an inner call of the same kind could nest without end.
    return inner instanceof Global &&
      innerArgs instanceof Tuple &&
      inner.name !== name &&
      rebuilders.has(inner.name)
      ? rebuild(inner.name, innerArgs.items)
      : undefined;
  }
  const [storage, offset, size, stride] = args;
  const shape = indices(size);
  const strides = indices(stride);
  if (!(storage instanceof Storage) || !isIndex(offset)) return undefined;
  if (shape === undefined || strides?.length !== shape.length) return undefined;
  const given = name.endsWith('_v3') ? args[6] : undefined;
  const element = given instanceof Global ? elementNamed(given.name) : storage.element;
  if (element === undefined) return undefined;
  return new StridedTensor(storage, element, offset, shape, strides);
}

function orderedDict(args: readonly PickleValue[]): Dict {
  const dict = new Dict();
  for (const pair of listItems(args[0])) {
    const [key, value] = listItems(pair);
    if (key !== undefined && value !== undefined) dict.entries.set(key, value);
  }
  return dict;
}

/** What a checkpoint may ask for: names of data, never of code that does anything. */
export const torchHost: PickleHost = {
  knows: (name) =>
    name === 'collections.OrderedDict' ||
    rebuilders.has(name) ||
    collections.has(name) ||
    opaque.has(name) ||
    named.has(name) ||
    /^numpy\.dtypes\.\w+DType$/.test(name) ||
    elementNamed(name) !== undefined,

  call(name, args) {
    if (name === 'collections.OrderedDict') return orderedDict(args);
    // A tensor with impossible numbers is damage, not an attempt to run something.
    if (rebuilders.has(name)) return rebuild(name, args) ?? new Opaque(name);
    if (collections.has(name)) return args[0] instanceof Refused ? args[0] : (args[0] ?? []);
    if (opaque.has(name) || name.startsWith('numpy.dtypes.')) return new Opaque(name);
    return undefined;
  },

  persistent(id) {
    const [kind, type, key, , count] = id instanceof Tuple ? id.items : [];
    if (kind !== 'storage' || !(type instanceof Global) || typeof key !== 'string') {
      return undefined;
    }
    const element = elementNamed(type.name);
    return element !== undefined && isIndex(count) ? new Storage(key, element, count) : undefined;
  },
};

/** Whether a tensor's numbers did not describe one. */
export const isBrokenTensor = (value: Opaque) => rebuilders.has(value.name);
