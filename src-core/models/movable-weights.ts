import { dirname, join } from 'node:path';
import { openBytes } from '../bytes/byte-source.ts';
import { UserError } from '../errors.ts';
import { permutableUnits, type PermutableUnits } from '../onnx/permutable-axes.ts';
import { readOutline, type OnnxOutline, type OnnxTensor } from '../onnx/outline.ts';
import { withWeightInputs } from '../onnx/weight-inputs.ts';
import { elementCount, toFloats } from '../tensor/convert.ts';
import type { Floats } from '../tensor/matrix.ts';
import { openMatrix } from '../tensor/matrix-file.ts';
import type { Model, RunnableGraph } from './model.ts';
import { namedChain } from './named-chain.ts';

/** A float tensor of a model, whole. */
export interface MovableTensor {
  readonly name: string;
  readonly shape: readonly number[];
  readonly data: Floats;
}

/** A model's float weights, with what is known of the order of its hidden units. */
export interface MovableWeights {
  /** In the order in which the graph uses them, or by layer. */
  readonly tensors: readonly MovableTensor[];
  readonly units: PermutableUnits;
  /** The model with some of its tensors as inputs, and values of it as further outputs `tap:…`. */
  graph?(inputs: readonly string[], taps?: readonly string[]): Promise<RunnableGraph>;
}

/** Bytes that {@link readMovable} will take, known before it reads. */
export const movableBytes = ({ outline }: Model): number =>
  (outline.dtypes.float32 ?? 0) * 4 + (outline.dtypes.float64 ?? 0) * 8;

/**
 * Read a model's float weights: an ONNX graph's, or those of a file of linear layers that are
 * named in their order.
 * @throws UserError `unsupported` for what has neither.
 */
export async function readMovable(model: Model): Promise<MovableWeights> {
  const { format, path, notRunnableBecause } = model.outline;
  if (format === 'onnx') {
    if (notRunnableBecause === undefined) return readOnnx(path);
    throw new UserError('unsupported', path, notRunnableBecause, 'export it again');
  }
  if (format === 'safetensors' || format === 'torch' || format === 'gguf' || format === 'keras') {
    const { tensors, units } = namedChain(path, model.outline.tensors);
    const read: MovableTensor[] = [];
    for (const { name, shape } of tensors) {
      const file = await openMatrix(`${path}#${name}`, '/');
      read.push({ name, shape, data: await file.rows(0, file.n).finally(() => file.close()) });
    }
    return { tensors: read, units };
  }
  throw new UserError(
    'unsupported',
    path,
    `is a model in the format ${format}, whose units cannot be followed from layer to layer`,
    'export it to ONNX',
  );
}

async function readOnnx(path: string): Promise<MovableWeights> {
  const source = await openBytes(path);
  try {
    const outline = await readOutline(source);
    const stored = inOrderOfUse(outline);
    const half = stored.find(({ dtype }) => dtype === 'float16' || dtype === 'bfloat16');
    if (half) {
      throw new UserError(
        'unsupported',
        path,
        `${half.name} is ${half.dtype}, and weights are mixed as float32 or float64`,
        'export it with float32 weights',
      );
    }
    const floats = stored.filter(
      ({ dtype, data }) => (dtype === 'float32' || dtype === 'float64') && data.kind !== 'other',
    );
    const tensors: MovableTensor[] = [];
    for (const tensor of floats) {
      const { name, shape } = tensor;
      tensors.push({ name, shape, data: await readTensor(path, tensor) });
    }
    return {
      tensors,
      units: permutableUnits(outline.graph),
      async graph(inputs, taps = []) {
        const again = await openBytes(path);
        try {
          const fed = floats.filter(({ name }) => inputs.includes(name));
          const bytes = await withWeightInputs(again, outline, fed, taps);
          return {
            bytes,
            externalFolder: dirname(path),
            inputs: [],
            outputs: [
              ...outline.graph.outputs.map(({ name }) => name),
              ...taps.map((name) => `tap:${name}`),
            ],
          };
        } finally {
          await again.close();
        }
      },
    };
  } finally {
    await source.close();
  }
}

/** Initialisers as the nodes come to use them, so that two exports of one network agree. */
function inOrderOfUse({ graph }: OnnxOutline): OnnxTensor[] {
  const stored = new Map(graph.initializers.map((tensor) => [tensor.name, tensor]));
  const used = new Set(
    graph.nodes.flatMap(({ inputs }) => inputs.filter((name) => stored.has(name))),
  );
  return [...used].map((name) => stored.get(name)!);
}

/** All elements of a float32 or float64 tensor; none where they are not stored as such. */
export async function readTensor(
  path: string,
  { data, shape, dtype, bytes }: OnnxTensor,
): Promise<Floats> {
  const type = dtype === 'float64' ? 'float64' : 'float32';
  if (data.kind === 'other' || elementCount(shape) === 0) {
    return type === 'float64' ? new Float64Array(0) : new Float32Array(0);
  }
  const place = data.kind === 'external' ? join(dirname(path), data.location) : path;
  const file = await openBytes(place);
  try {
    return toFloats(await file.read(data.offset, data.length ?? bytes), type);
  } finally {
    await file.close();
  }
}
