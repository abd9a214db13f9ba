import type { DType } from '../tensor/dtype.ts';
import type { Dim, OnnxNode } from './outline.ts';

/** What is known of a value without running the model. */
export interface Inferred {
  dtype: DType;
  shape: Dim[] | undefined;
  /** Elements of a small integer value, as far as known: what shape arithmetic computes. */
  contents: Dim[] | undefined;
  /** False for what depends on weights and constants alone. */
  dynamic: boolean;
  /** Whether the axes are those of a convolution: batch, channels, positions. */
  image: boolean;
}

export type Shape = Dim[];
/** What a node's first output is, given its inputs; what it does not say stays unknown. */
export type Rule = (node: OnnxNode, inputs: (Inferred | undefined)[]) => Partial<Inferred>;

/** Bounds what a hostile graph can make us compute. */
export const maxRank = 32;
export const maxContents = 1024;

/** A shape of which only the rank is known. */
export const unknown = (rank: number): Shape => new Array<Dim>(rank).fill(null);
/** A negative axis counts from the end. */
export const wrap = (axis: number, rank: number) => (axis < 0 ? axis + rank : axis);
/** An integer attribute of the node. */
export const attribute = (node: OnnxNode, name: string, fallback: number) =>
  node.ints.get(name)?.[0] ?? fallback;

/** Product of sizes; null where one is not a number. */
export const product = (dims: readonly Dim[]) =>
  dims.every((dim) => typeof dim === 'number')
    ? dims.reduce<number>((total, dim) => total * dim, 1)
    : null;

function broadcastDim(a: Dim, b: Dim): Dim {
  if (a === b || b === 1) return a;
  if (a === 1) return b;
  if (typeof a === 'number') return a;
  if (typeof b === 'number') return b;
  // Of two unequal sizes one must be 1, so a symbol and an unknown give the symbol.
  return a === null || b === null ? (a ?? b) : null;
}

/** NumPy's rule, which ONNX follows, on sizes that may be symbols or unknown. */
export function broadcast(a: Shape | undefined, b: Shape | undefined): Shape | undefined {
  if (!a || !b) return undefined;
  const rank = Math.max(a.length, b.length);
  const at = (shape: Shape, axis: number) => {
    const own = axis - rank + shape.length;
    return own < 0 ? 1 : shape[own]!;
  };
  return Array.from({ length: rank }, (_, axis) => broadcastDim(at(a, axis), at(b, axis)));
}

/** All inputs broadcast against one another. */
export const elementwise: Rule = (_, inputs) => ({
  shape: inputs
    .map((input) => input?.shape)
    .reduce((a, b, i) => (i === 0 ? b : broadcast(a, b)), undefined),
});

/** Axes as older opsets (an attribute) and newer ones (an input) give them. */
export const axesOf = (node: OnnxNode, input: Inferred | undefined): number[] | undefined =>
  node.ints.get('axes') ?? input?.contents?.filter((axis) => typeof axis === 'number');

/** `rule` with another element type. */
export const typed =
  (dtype: DType, rule: Rule = elementwise): Rule =>
  (node, inputs) => ({ ...rule(node, inputs), dtype });

/** The first input's shape with the element type of the input at `index`. */
export const like =
  (index: number): Rule =>
  (_, inputs) => ({ dtype: inputs[index]?.dtype ?? 'other', shape: inputs[0]?.shape });

/** The first input's shape, contents and axes. */
export const same: Rule = (_, [input]) => ({ shape: input?.shape, contents: input?.contents });
/** The first input's rank, its sizes unknown. */
export const sameRank: Rule = (_, [input]) => ({
  shape: input?.shape && unknown(input.shape.length),
});
/** A shape about which no rule here says anything. */
export const nothing: Rule = () => ({ image: false });
