// What every kernel of the engine is compared with itself on: numbers of no pattern, shapes that are
// no multiples of a workgroup's.
import { disagreements, withinScatter } from '../../../src-core/engine/class-kernels.ts';
import type { Engine } from '../../../src-core/engine/device-engine.ts';
import type { Operand } from '../../../src-core/engine/device-matrix.ts';
import {
  cross,
  CrossSum,
  distances,
  dots,
  gram,
  gramInto,
  lengthsInto,
  nearest,
  radialInto,
  squaredNorms,
  weightedForms,
} from '../../../src-core/engine/kernels.ts';
import type { Floats } from '../../../src-core/tensor/matrix.ts';

/** Named parts of an answer. */
type Answer = Readonly<Record<string, ArrayLike<number>>>;

/** By the name of the exported kernel. */
export type Cases = Readonly<Record<string, (engine: Engine) => Promise<Answer>>>;

const numbers = (count: number, phase: number): Float32Array =>
  Float32Array.from({ length: count }, (_, at) => Math.sin(at * 7.13 + phase) + 0.3 * Math.cos(at));

const rows = 97;
const width = 130;
const others = 61;
const a = numbers(rows * width, 1);
const b = numbers(others * width, 2);
const beside = numbers(rows * others, 3);

/**
 * A kernel with its first operand as an array, as a matrix that was uploaded before, and in float64,
 * which no device but the processor computes.
 */
async function bothWays(
  engine: Engine,
  first: Floats,
  columns: number,
  kernel: (operand: Operand) => Promise<ArrayLike<number>>,
): Promise<Answer> {
  const uploaded = await engine.upload(first, columns);
  const answer = {
    array: await kernel(first),
    uploaded: await kernel(uploaded),
    again: await kernel(uploaded),
    wide: await kernel(await engine.upload(Float64Array.from(first), columns)),
  };
  uploaded.dispose();
  return answer;
}

const into = async (length: number, kernel: (target: Float32Array) => Promise<void>) => {
  const target = new Float32Array(length);
  await kernel(target);
  return target;
};

const classes = Int32Array.from({ length: rows }, (_, row) => row % 5);
const means = Float64Array.from(numbers(5 * width, 6));

export const cases: Cases = {
  cross: (engine) => bothWays(engine, a, width, (x) => cross(engine, rows, x, beside)),
  gram: (engine) => bothWays(engine, a, width, (x) => gram(engine, width, x, b)),
  gramInto: (engine) =>
    bothWays(engine, a, width, (x) =>
      into(rows * others, (target) => gramInto(engine, width, x, b, target)),
    ),
  dots: (engine) => bothWays(engine, a, width, (x) => dots(engine, width, x, b)),
  async CrossSum(engine) {
    // Wide enough to be taken in two panels.
    const wide = numbers(40 * 600, 4);
    const itself = new CrossSum(engine, 600);
    const both = new CrossSum(engine, 600, 30);
    for (const part of [wide.subarray(0, 15 * 600), wide.subarray(15 * 600)]) {
      const n = part.length / 600;
      await itself.add(n, await engine.upload(part, 600));
      await both.add(n, part, beside.subarray(0, n * 30));
    }
    return { norms: [itself.squaredNorm(), both.squaredNorm()] };
  },
  distances: (engine) => bothWays(engine, a, width, (x) => distances(engine, width, x, b)),
  radialInto: (engine) =>
    bothWays(engine, a, width, (x) =>
      into(rows * others, (target) => radialInto(engine, width, 0.01, x, b, target)),
    ),
  lengthsInto: (engine) =>
    bothWays(engine, a, width, (x) =>
      into(rows * others, (target) => lengthsInto(engine, width, x, b, target)),
    ),
  async nearest(engine) {
    const found = await nearest(engine, width, a, b, 7);
    return { distances: found.distances, indices: Array.from(found.indices, Number) };
  },
  squaredNorms: (engine) => bothWays(engine, a, width, (x) => squaredNorms(engine, width, x)),
  async weightedForms(engine) {
    const [m, n] = [numbers(rows * others, 7), numbers(rows * others, 8)];
    const draws = 9;
    const left = numbers(rows * draws, 9);
    const right = numbers(others * draws, 10);
    return {
      ...(await weightedForms.products(engine, draws, m, left, right)),
      ...(await weightedForms.pair(engine, draws, m, n, left, right)),
    };
  },
  async withinScatter(engine) {
    const basis = Float64Array.from(numbers(6 * width, 11));
    const whole = await withinScatter(engine, width, a, classes, means);
    const along = await withinScatter(engine, width, a, classes, means, basis);
    return { ...whole, along: along.scatter };
  },
  async disagreements(engine) {
    const decisions = {
      weights: Float64Array.from(numbers(5 * width, 12)),
      bias: Float64Array.from(numbers(5, 13)),
      centres: means,
      shift: Float64Array.from(numbers(width, 14)),
    };
    return { count: [await disagreements(engine, width, a, decisions)] };
  },
};
