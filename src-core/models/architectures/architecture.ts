import type { z } from 'zod';
import type { ExternalData, GraphBuilder, OnnxType, Value } from '../../onnx/graph-builder.ts';
import type { DType } from '../../tensor/dtype.ts';
import type { LayerInfo, ValueInfo } from '../model.ts';

/** A checkpoint tensor and where its bytes lie. */
export interface Weight {
  dtype: DType;
  shape: readonly number[];
  data: ExternalData;
}
export type Weights = ReadonlyMap<string, Weight>;

/** What `config.json` and the weights make together: what can be captured, and the graph for it. */
export interface ArchitecturePlan {
  inputs: ValueInfo[];
  outputs: ValueInfo[];
  /** In forward order; their names are value names of the graph. */
  layers: LayerInfo[];
  /** Serialised ModelProto with the named values as outputs, in that order. */
  graph(layers: readonly string[]): Uint8Array;
}

/**
 * Plans the forward pass of one family of checkpoints.
 * @throws Unsupported where the config asks for something the graph would not compute.
 */
export type Architecture = (
  config: Readonly<Record<string, unknown>>,
  weights: Weights,
) => ArchitecturePlan;

/** The checkpoint can be inspected but not run; the message says which field or weight is why. */
export class Unsupported extends Error {}

/** The fields that an architecture reads, checked. */
export function readConfig<S extends z.ZodType>(
  schema: S,
  config: Readonly<Record<string, unknown>>,
): z.infer<S> {
  const parsed = schema.safeParse(config);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  const path = issue?.path ?? [];
  let found: unknown = config;
  for (const step of path) found = (found as Record<PropertyKey, unknown> | undefined)?.[step];
  const given = found === undefined ? 'nothing' : JSON.stringify(found);
  throw new Unsupported(`config.json has ${path.join('.')} = ${given}, which is not supported`);
}

const floats = new Set<DType>(['float64', 'float32', 'float16', 'bfloat16']);

export const isFloat = (dtype: DType): boolean => floats.has(dtype);

/** The weights of one checkpoint as values of one graph. */
export class WeightTable {
  readonly #weights: Weights;

  constructor(weights: Weights) {
    this.#weights = weights;
  }

  /**
   * The first of the names (older checkpoints spell some differently) that is present.
   * @throws Unsupported where none is, or where its shape or type is not the expected one.
   */
  find(names: readonly string[], shape: readonly number[]): { name: string; weight: Weight } {
    for (const name of names) {
      const weight = this.#weights.get(name);
      if (weight === undefined) continue;
      if (weight.shape.join() !== shape.join()) {
        throw new Unsupported(
          `${name} is ${weight.shape.join('×')} where config.json says ${shape.join('×')}`,
        );
      }
      if (!isFloat(weight.dtype)) throw new Unsupported(`${name} is ${weight.dtype}, not a float`);
      return { name, weight };
    }
    throw new Unsupported(`the weights lack ${names[0] ?? ''}`);
  }

  has(name: string): boolean {
    return this.#weights.has(name);
  }
}

/** A weight as an initializer that stays in its file, in its own precision. */
export function storedWeight(
  graph: GraphBuilder,
  { name, weight }: { name: string; weight: Weight },
): Value {
  return graph.external(name, weight.dtype as OnnxType, weight.shape, weight.data);
}

/** `value` in float32, through a Cast where `dtype` is another. */
export function asFloat32(graph: GraphBuilder, value: Value, dtype: DType, name?: string): Value {
  return dtype === 'float32' ? value : graph.op('Cast', [value], { to: { to: 'float32' } }, name);
}
