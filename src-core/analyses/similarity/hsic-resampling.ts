import type { Engine } from '../../engine/device-engine.ts';
import { dots, weightedForms } from '../../engine/kernels.ts';
import type { Random } from '../random.ts';
import { blocks } from '../blocks.ts';
import { innerScale, type CentredMatrices, type Estimator } from './hsic.ts';
import type { KernelSums, Pair, Tick, Tile } from './kernel-sums.ts';

/** Elements of one block of permuted matrices. */
const blockElements = 1 << 20;

/** Orders of the samples, drawn when they are needed. */
export interface Permutations {
  readonly count: number;
  readonly next: () => Int32Array;
}

/** Orders drawn together at the least, so that fixed matrices are not copied for each. */
const leastGroup = 64;

/**
 * HSIC of each pair after the samples of its second kernel are permuted: result[pair][draw].
 * Permuting leaves HSIC(K, K) as it is, so that the numerator is all that changes.
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
  const answer = pairs.map(() => new Float64Array(count));
  const wide = Math.max(left.length, right.length);
  const rows = Math.max(1, Math.min(n, Math.floor(blockElements / (n * wide))));
  const batch = Math.max(1, Math.floor(blockElements / (rows * n * right.length)));
  const buffer = new Float64Array(Math.min(batch, count) * right.length * rows * n);
  // A group of orders at a time is drawn and kept for all blocks of rows.
  for (const [from, to] of blocks(count, Math.max(batch, leastGroup))) {
    const orders = Array.from({ length: to - from }, next);
    for (const [start, end] of blocks(n, rows)) {
      const size = (end - start) * n;
      const fixed = new Float64Array(left.length * size);
      left.forEach((i, k) => fixed.set(matrices[i]!.subarray(start * n, end * n), k * size));
      for (const [first, last] of blocks(to - from, batch)) {
        const moved = buffer.subarray(0, (last - first) * right.length * size);
        let at = 0;
        for (const order of orders.slice(first, last)) {
          for (const j of right) at = gather(matrices[j]!, n, order, start, end, moved, at);
        }
        const products = await dots(engine, size, fixed, moved);
        const width = (last - first) * right.length;
        pairs.forEach(([i, j], pair) => {
          for (let draw = first; draw < last; draw++) {
            const column = (draw - first) * right.length + right.indexOf(j);
            answer[pair]![from + draw]! += products[left.indexOf(i) * width + column]!;
          }
        });
        await tick(((end - start) / n) * ((last - first) / count));
      }
    }
  }
  const scale = innerScale(n, estimator);
  return answer.map((draws) => draws.map((product) => product / scale));
}

function gather(
  matrix: Float64Array,
  n: number,
  order: Int32Array,
  start: number,
  end: number,
  target: Float64Array,
  at: number,
): number {
  for (let row = start; row < end; row++) {
    const base = order[row]! * n;
    for (let column = 0; column < n; column++) target[at++] = matrix[base + order[column]!]!;
  }
  return at;
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

  /** Take in one tile of the upper triangle; what it mirrors is added with it. */
  async add({ a, b, values }: Tile, pause: () => Promise<void>): Promise<void> {
    const draws = this.#draws;
    const left = this.#counts.subarray(a[0] * draws, a[1] * draws);
    const right = this.#counts.subarray(b[0] * draws, b[1] * draws);
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
