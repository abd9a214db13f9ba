import type { Engine } from '../../engine/device-engine.ts';
import { gram } from '../../engine/kernels.ts';
import { assignment } from '../../engine/linear-algebra/assignment.ts';
import type { MovableTensor } from '../../models/movable-weights.ts';
import type { PermutableUnits, TiedAxis } from '../../onnx/permutable-axes.ts';
import type { Floats } from '../../tensor/matrix.ts';
import { blocks } from '../blocks.ts';
import type { Random } from '../random.ts';
import { callBudget } from '../../engine/call-budget.ts';

type Step = (fraction: number) => Promise<void>;

/** For each layer, the unit of the second model that takes the place of each unit of the first. */
export type Permutations = Int32Array[];

/** Passes over all layers; descent ends long before, when no layer gains. */
const mostPasses = 100;
/** Gains below this share of the sum are rounding. */
const leastGain = 1e-12;

export const identity = (units: number): Int32Array =>
  Int32Array.from({ length: units }, (_, i) => i);

const product = (sizes: readonly number[]) => sizes.reduce((total, size) => total * size, 1);

/** Where each place of an axis comes from when its units are put in another order. */
function placesOf({ inner }: TiedAxis, order: Int32Array): Int32Array {
  const places = new Int32Array(order.length * inner);
  for (let unit = 0; unit < order.length; unit++) {
    for (let at = 0; at < inner; at++) places[unit * inner + at] = order[unit]! * inner + at;
  }
  return places;
}

/** A tensor with one axis in another order. */
function reordered(
  data: Floats,
  shape: readonly number[],
  axis: number,
  places: Int32Array,
): Floats {
  const behind = product(shape.slice(axis + 1));
  const size = shape[axis]!;
  const moved = data.slice();
  for (let start = 0; start < data.length; start += size * behind) {
    for (let at = 0; at < size; at++) {
      const from = start + places[at]! * behind;
      moved.set(data.subarray(from, from + behind), start + at * behind);
    }
  }
  return moved;
}

/** Tensors with the axes of all layers but one in their new order. */
export function permuted(
  tensor: MovableTensor,
  axes: readonly TiedAxis[],
  permutations: Permutations,
  except?: number,
): Floats {
  return axes
    .filter((tied) => tied.tensor === tensor.name && tied.layer !== except)
    .reduce(
      (data, tied) =>
        reordered(data, tensor.shape, tied.axis, placesOf(tied, permutations[tied.layer]!)),
      tensor.data,
    );
}

/** A tensor as units × the rest, the axis of the units in front, in float64. */
function byUnit(data: Floats, shape: readonly number[], { axis, inner }: TiedAxis): Float64Array {
  const size = shape[axis]!;
  const ahead = product(shape.slice(0, axis));
  const behind = product(shape.slice(axis + 1));
  const width = ahead * inner * behind;
  const rows = new Float64Array(data.length);
  for (let first = 0, at = 0; first < ahead; first++) {
    for (let place = 0; place < size; place++) {
      const row = Math.floor(place / inner);
      const start = row * width + (first * inner + (place % inner)) * behind;
      for (let last = 0; last < behind; last++, at++) rows[start + last] = data[at]!;
    }
  }
  return rows;
}

/** ABᵀ of units × d matrices, in blocks of rows. */
async function products(
  engine: Engine,
  units: number,
  a: Float64Array,
  b: Float64Array,
  sum: Float64Array,
  step: () => Promise<void>,
): Promise<void> {
  const d = a.length / units;
  const size = Math.max(16, Math.floor(callBudget / (units * d)));
  for (const [start, end] of blocks(units, size)) {
    const part = await gram(engine, d, a.subarray(start * d, end * d), b);
    for (let at = 0; at < part.length; at++) sum[start * units + at]! += part[at]!;
    await step();
  }
}

/** The permutation of largest sum of `gains`, units × units. */
export function bestMatch(gains: Float64Array, units: number): Int32Array {
  return assignment(
    gains.map((gain) => -gain),
    units,
    units,
  );
}

/**
 * Weight matching by coordinate descent (Ainsworth, Hayase and Srinivasa 2023, algorithm 1): in
 * random order, each layer gets the permutation that makes the weights around it most alike, until
 * none gains.
 * @param second the tensors of the other model, in the order of the first's
 */
export async function matchWeights(
  engine: Engine,
  { layers, axes }: PermutableUnits,
  first: readonly MovableTensor[],
  second: readonly MovableTensor[],
  random: Random,
  step: Step,
): Promise<Permutations> {
  const permutations = layers.map(({ units }) => identity(units));
  const position = new Map(first.map(({ name }, at) => [name, at]));
  for (let pass = 0; pass < mostPasses; pass++) {
    let gained = false;
    for (const [index, layer] of random.permutation(layers.length).entries()) {
      const { units } = layers[layer]!;
      const gains = new Float64Array(units * units);
      const fraction = (pass + index / layers.length) / (pass + 2);
      // Of a tensor with two axes of this layer each moves while the other stays as it was.
      for (const tied of axes.filter((axis) => axis.layer === layer)) {
        const a = first[position.get(tied.tensor)!]!;
        const b = { ...second[position.get(tied.tensor)!]!, name: a.name };
        const others = axes.filter((axis) => axis !== tied);
        const moved = permuted(b, others, permutations);
        await products(
          engine,
          units,
          byUnit(a.data, a.shape, tied),
          byUnit(moved, b.shape, tied),
          gains,
          () => step(fraction),
        );
      }
      const best = bestMatch(gains, units);
      const worth = (order: Int32Array) =>
        order.reduce((sum, to, from) => sum + gains[from * units + to]!, 0);
      const before = worth(permutations[layer]!);
      if (worth(best) > before + leastGain * Math.abs(before)) {
        permutations[layer] = best;
        gained = true;
      }
      await step(fraction);
    }
    if (!gained) break;
  }
  return permutations;
}

/** Cosine of all weights of two models as one vector each. */
export function weightCosine(first: readonly Floats[], second: readonly Floats[]): number {
  let [ab, aa, bb] = [0, 0, 0];
  for (const [index, a] of first.entries()) {
    const b = second[index]!;
    for (let at = 0; at < a.length; at++) {
      ab += a[at]! * b[at]!;
      aa += a[at]! ** 2;
      bb += b[at]! ** 2;
    }
  }
  return ab / Math.sqrt(aa * bb);
}
