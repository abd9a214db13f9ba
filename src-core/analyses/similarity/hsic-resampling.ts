import type { Engine } from '../../engine/device-engine.ts';
import { dots, weightedForms } from '../../engine/kernels.ts';
import type { Floats } from '../../tensor/matrix.ts';
import type { Random } from '../random.ts';
import { blocks, type Range } from '../blocks.ts';
import { innerScale, type CentredMatrices, type Estimator } from './hsic.ts';
import type { KernelSums, Pair, Tick, Tile } from './kernel-sums.ts';

/** Elements of a block of a matrix, for each of the matrices and draws that are held at once. */
const blockElements = 1 << 14;
/** Draws, times matrices to permute, held at once. */
const drawsHeld = 32;

/** Orders of the samples, drawn when they are needed. */
export interface Permutations {
  readonly count: number;
  readonly next: () => Int32Array;
}

/**
 * HSIC of each pair after the samples of its second kernel are permuted: result[pair][draw].
 * Permuting leaves HSIC(K, K) as it is, so that the numerator is all that changes. Blocks of the
 * upper triangles of permuted matrices are laid side by side, for all inner products at once.
 */
export async function permutedHsic(
  engine: Engine,
  { n, matrices }: CentredMatrices,
  pairs: readonly Pair[],
  estimator: Estimator,
  { count, next }: Permutations,
  tick: Tick,
): Promise<Float64Array[]> {
  const left = [...new Set(pairs.map(([i]) => i))];
  const right = [...new Set(pairs.map(([, j]) => j))];
  const place = (list: readonly number[]) => new Map(list.map((kernel, at) => [kernel, at]));
  const [leftAt, rightAt] = [place(left), place(right)];
  const answer = pairs.map(() => new Float64Array(count));
  const group = Math.max(1, Math.min(count, Math.floor(drawsHeld / right.length)));
  const ranges = triangleRows(n, blockElements);
  const inOrder = Int32Array.from({ length: n }, (_, row) => row);
  const allocate = (length: number) =>
    matrices[0] instanceof Float64Array ? new Float64Array(length) : new Float32Array(length);
  const largest = Math.max(...ranges.map(({ size }) => size));
  const fixed = allocate(left.length * largest);
  const moved = allocate(group * right.length * largest);
  for (const [from, to] of blocks(count, group)) {
    const orders = Array.from({ length: to - from }, next);
    const width = orders.length * right.length;
    for (const { start, end, size } of ranges) {
      left.forEach((i, k) => gatherUpper(matrices[i]!, n, inOrder, start, end, fixed, k * size));
      for (const [at, order] of orders.entries()) {
        for (const [k, j] of right.entries()) {
          const offset = (at * right.length + k) * size;
          gatherUpper(matrices[j]!, n, order, start, end, moved, offset);
        }
      }
      const products = await dots(
        engine,
        size,
        fixed.subarray(0, left.length * size),
        moved.subarray(0, width * size),
      );
      pairs.forEach(([i, j], pair) => {
        let at = leftAt.get(i)! * width + rightAt.get(j)!;
        for (let draw = from; draw < to; draw++, at += right.length) {
          answer[pair]![draw]! += 2 * products[at]!;
        }
      });
      await tick((size / ((n * (n - 1)) / 2)) * ((to - from) / count));
    }
    if (estimator === 'biased') addDiagonals(matrices, n, pairs, orders, answer, from);
  }
  const scale = innerScale(n, estimator);
  return answer.map((draws) => draws.map((product) => product / scale));
}

/** Rows that {@link gatherUpper} goes over together. */
const rowsTogether = 4;

/** Rows of a strictly upper triangle in ranges of about `elements` of it. */
function triangleRows(n: number, elements: number) {
  const ranges: { start: number; end: number; size: number }[] = [];
  for (let start = 0; start < n;) {
    let [end, size] = [start, 0];
    while (end < n && (end === start || size < elements || end % rowsTogether !== 0)) {
      size += n - 1 - end++;
    }
    ranges.push({ start, end, size });
    start = end;
  }
  return ranges;
}

/**
 * Rows [start, end) of the strictly upper triangle of a matrix whose rows and columns are
 * reordered, written to `target` from `at` on: four rows side by side, then the next four. The
 * range starts at a multiple of four, and ends at one or at n.
 */
function gatherUpper(
  matrix: Floats,
  n: number,
  order: Int32Array,
  start: number,
  end: number,
  target: Floats,
  at: number,
): void {
  for (let row = start; row < end; row += rowsTogether) {
    const next = Math.min(row + rowsTogether, n);
    for (let i = row; i < next; i++) {
      for (let j = i + 1; j < next; j++) target[at++] = matrix[order[i]! * n + order[j]!]!;
    }
    if (next === n) return;
    const first = order[row]! * n;
    const second = order[row + 1]! * n;
    const third = order[row + 2]! * n;
    const fourth = order[row + 3]! * n;
    for (let j = next; j < n; j++) {
      const column = order[j]!;
      target[at] = matrix[first + column]!;
      target[at + 1] = matrix[second + column]!;
      target[at + 2] = matrix[third + column]!;
      target[at + 3] = matrix[fourth + column]!;
      at += 4;
    }
  }
}

function addDiagonals(
  matrices: readonly Floats[],
  n: number,
  pairs: readonly Pair[],
  orders: readonly Int32Array[],
  answer: readonly Float64Array[],
  from: number,
): void {
  const diagonals = matrices.map((matrix) =>
    Float64Array.from({ length: n }, (_, row) => matrix[row * n + row]!),
  );
  pairs.forEach(([i, j], pair) => {
    const [k, l] = [diagonals[i]!, diagonals[j]!];
    orders.forEach((order, at) => {
      let sum = 0;
      for (let row = 0; row < n; row++) sum += k[row]! * l[order[row]!]!;
      answer[pair]![from + at]! += sum;
    });
  });
}

type Forms = [plain: Float64Array, mixed: Float64Array, squared: Float64Array];

/**
 * HSIC of bootstrap resamples, from how often each sample was drawn.
 *
 * A resample holds copies, and the kernel value between copies is the diagonal's: were they counted
 * as pairs of samples, a debiased estimate would lean upward again. So the debiased form averages
 * over tuples of *different* samples, weighted by their multiplicities c: with K̃ the kernel matrix
 * with a zero diagonal, u = K̃c, v = L̃c, W = K̃∘L̃ and D_m the sum of products of c over m different
 * samples,
 *
 *   HSIC = cᵀWc/D₂ + [cᵀu·cᵀv − 4(Σc²uv − c²ᵀWc²) − 2c²ᵀWc²]/D₄ − 2[Σcuv − cᵀWc²]/D₃,
 *
 * which is HSIC₁ when every c is 1. The biased form counts copies as the diagonal, as it does any
 * sample with itself.
 */
export class BootstrapHsic {
  readonly #engine: Engine;
  readonly #pairs: readonly Pair[];
  readonly #draws: number;
  readonly #n: number;
  /** Multiplicities, n × draws. */
  readonly #counts: Float64Array;
  /** K̃c of each kernel, n × draws. */
  readonly #products: Float64Array[];
  /** cᵀWc, cᵀWc² and c²ᵀWc² of each pair, by draw. */
  readonly #forms: Forms[];

  constructor(
    engine: Engine,
    n: number,
    kernels: number,
    pairs: readonly Pair[],
    draws: number,
    random: Random,
  ) {
    this.#engine = engine;
    this.#pairs = pairs;
    this.#draws = draws;
    this.#n = n;
    this.#counts = new Float64Array(n * draws);
    for (let draw = 0; draw < draws; draw++) {
      const counts = drawEnough(n, random);
      for (let row = 0; row < n; row++) this.#counts[row * draws + draw] = counts[row]!;
    }
    this.#products = Array.from({ length: kernels }, () => new Float64Array(n * draws));
    this.#forms = pairs.map(() => [
      new Float64Array(draws),
      new Float64Array(draws),
      new Float64Array(draws),
    ]);
  }

  /** Bytes of a bootstrap over `kernels` kernels and n samples. */
  static bytes(n: number, kernels: number, draws: number): number {
    return (kernels + 1) * n * draws * 8;
  }

  /** Take in one tile of the upper triangle; what it mirrors is added with it. */
  async add({ a, b, values }: Tile, pause: () => Promise<void>): Promise<void> {
    const draws = this.#draws;
    const weights = ([start, end]: Range): Floats => {
      const counts = this.#counts.subarray(start * draws, end * draws);
      return values[0] instanceof Float64Array ? counts : Float32Array.from(counts);
    };
    const [left, right] = [weights(a), weights(b)];
    for (const [index, tile] of values.entries()) {
      const { up, down } = await weightedForms.products(this.#engine, draws, tile, left, right);
      const sums = this.#products[index]!;
      for (let k = 0; k < down.length; k++) sums[a[0] * draws + k]! += down[k]!;
      for (let k = 0; k < up.length; k++) sums[b[0] * draws + k]! += up[k]!;
      await pause();
    }
    for (const [index, [i, j]] of this.#pairs.entries()) {
      const forms = await weightedForms.pair(
        this.#engine,
        draws,
        values[i]!,
        values[j]!,
        left,
        right,
      );
      const [plain, mixed, squared] = this.#forms[index]!;
      for (let draw = 0; draw < draws; draw++) {
        plain[draw]! += 2 * forms.plain[draw]!;
        mixed[draw]! += forms.mixed[draw]!;
        squared[draw]! += 2 * forms.squared[draw]!;
      }
      await pause();
    }
  }

  /** result[pair][draw]. */
  async finish(
    sums: KernelSums,
    estimator: Estimator,
    pause: () => Promise<void>,
  ): Promise<Float64Array[]> {
    const answer: Float64Array[] = [];
    for (const [index, pair] of this.#pairs.entries()) {
      const combine = estimator === 'debiased' ? this.#debiased : this.#biased;
      answer.push(combine.call(this, sums, pair, this.#forms[index]!));
      await pause();
    }
    return answer;
  }

  #debiased(_: KernelSums, [i, j]: Pair, [plain, mixed, squared]: Forms): Float64Array {
    const n = this.#n;
    const power2 = this.#sum((c) => c * c);
    const power3 = this.#sum((c) => c ** 3);
    const power4 = this.#sum((c) => c ** 4);
    const k = this.#products[i]!;
    const l = this.#products[j]!;
    const totalK = this.#sum((c, at) => c * k[at]!);
    const totalL = this.#sum((c, at) => c * l[at]!);
    const once = this.#sum((c, at) => c * k[at]! * l[at]!);
    const twice = this.#sum((c, at) => c * c * k[at]! * l[at]!);
    return plain.map((form, draw) => {
      const [s2, s3, s4] = [power2[draw]!, power3[draw]!, power4[draw]!];
      const d2 = n ** 2 - s2;
      const d3 = n ** 3 - 3 * n * s2 + 2 * s3;
      const d4 = n ** 4 - 6 * n ** 2 * s2 + 3 * s2 ** 2 + 8 * n * s3 - 6 * s4;
      const shared = 4 * (twice[draw]! - squared[draw]!) + 2 * squared[draw]!;
      return (
        form / d2 +
        (totalK[draw]! * totalL[draw]! - shared) / d4 -
        (2 * (once[draw]! - mixed[draw]!)) / d3
      );
    });
  }

  #biased({ diagonal }: KernelSums, [i, j]: Pair, [plain]: Forms): Float64Array {
    const n = this.#n;
    const [k, l] = [diagonal[i]!, diagonal[j]!];
    const [u, v] = [this.#products[i]!, this.#products[j]!];
    const ofK = (c: number, at: number, row: number) => u[at]! + c * k[row]!;
    const ofL = (c: number, at: number, row: number) => v[at]! + c * l[row]!;
    const totalK = this.#sum((c, at, row) => c * ofK(c, at, row));
    const totalL = this.#sum((c, at, row) => c * ofL(c, at, row));
    const rows = this.#sum((c, at, row) => c * ofK(c, at, row) * ofL(c, at, row));
    const copies = this.#sum((c, _, row) => c * c * k[row]! * l[row]!);
    return plain.map((form, draw) => {
      const between = (totalK[draw]! * totalL[draw]!) / (n * n) - (2 * rows[draw]!) / n;
      return (form + copies[draw]! + between) / (n - 1) ** 2;
    });
  }

  /** Σ over samples of a term in c, for each draw. */
  #sum(term: (c: number, at: number, row: number) => number): Float64Array {
    const sum = new Float64Array(this.#draws);
    for (let row = 0, at = 0; row < this.#n; row++) {
      for (let draw = 0; draw < this.#draws; draw++, at++) {
        sum[draw]! += term(this.#counts[at]!, at, row);
      }
    }
    return sum;
  }
}

/** HSIC needs four different samples; with few to draw from, some resamples have fewer. */
function drawEnough(n: number, random: Random): Float64Array {
  for (;;) {
    const counts = random.multiplicities(n);
    let different = 0;
    for (const count of counts) if (count > 0) different++;
    if (different >= 4) return counts;
  }
}
