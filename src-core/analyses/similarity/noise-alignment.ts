import { svd } from '../../engine/linear-algebra/svd.ts';
import type { Engine } from '../../engine/device-engine.ts';
import type { Step } from './pairs.ts';
import { crossProduct, rowProduct, type Columns } from './products.ts';
import { transpose } from '../../engine/linear-algebra/transpose.ts';

/** A representation whose samples are Gaussian: a mean and a spread each. */
export interface Noisy {
  /** n × d. */
  means: Columns;
  /** Σ over samples of the squared length of the mean. */
  meanSquares: number;
  /**
   * Of each sample `factor` rows F of d units, one sample behind the other, with FᵀF the covariance
   * over its repeats.
   */
  factors: Columns;
  factor: number;
  /** Σ over samples of the trace of the covariance. */
  traces: number;
}

/** How far two are apart, as sums over samples. */
export interface Apart {
  /** Σ‖μ_i − ν_iT‖². */
  means: number;
  /** Σ Bures²(A_i, TᵀB_iT). */
  noise: number;
}

const mostRounds = 1000;
/** Share of the objective by which a round must better it. */
const progress = 1e-12;

/**
 * Turn the second so that α·means + (2 − α)·noise becomes least: by turns the best rotation for given
 * matches Q_i of the factors and the best matches for a given rotation, both from singular vectors.
 * Each round betters the objective; where it ends may depend on the start.
 * @param start orthogonal map from units of y to those of x, y.d × x.d
 */
export async function alignNoise(
  engine: Engine,
  x: Noisy,
  y: Noisy,
  alpha: number,
  start: Float64Array,
  step: Step,
): Promise<Apart> {
  const pause: Step = () => step(0);
  const shared = await crossProduct(engine, y.means, x.means, pause);
  let map = start;
  let best: Apart | undefined;
  for (let round = 0; round < mostRounds; round++) {
    const { matched, overlap } = await matchFactors(engine, x, y, map, pause);
    const inner = shared.reduce((sum, value, at) => sum + value * map[at]!, 0);
    const apart = {
      means: x.meanSquares + y.meanSquares - 2 * inner,
      noise: x.traces + y.traces - 2 * overlap,
    };
    const objective = (value: Apart) => alpha * value.means + (2 - alpha) * value.noise;
    const scale = objective({ means: x.meanSquares + y.meanSquares, noise: x.traces + y.traces });
    if (best && objective(best) - objective(apart) <= progress * scale) {
      return objective(apart) < objective(best) ? apart : best;
    }
    best = apart;
    if (alpha === 0 && overlap === 0) return best;
    const noise = await crossProduct(engine, y.factors, matched, pause);
    const target = shared.map((value, at) => alpha * value + (2 - alpha) * noise[at]!);
    map = await polar(target, y.means.width, x.means.width);
    await step(0);
  }
  return best!;
}

/** The orthogonal factor of a matrix: what has the largest inner product with it. */
export async function polar(matrix: Float64Array, m: number, n: number): Promise<Float64Array> {
  const { u, vt } = await svd(matrix, m, n);
  return product(u, vt, m, Math.min(m, n), n);
}

/**
 * For each sample the Q that brings F_x nearest to Q·F_yT, and from it QᵀF_x, which the best rotation
 * of F_y meets; `overlap` is Σ‖F_x(F_yT)ᵀ‖_*.
 */
async function matchFactors(
  engine: Engine,
  x: Noisy,
  y: Noisy,
  map: Float64Array,
  pause: Step,
): Promise<{ matched: Columns; overlap: number }> {
  const n = x.means.n;
  const width = x.means.width;
  const [p, q] = [x.factor, y.factor];
  const matched = { n: n * q, width, data: new Float64Array(n * q * width) };
  if (x.traces === 0 || y.traces === 0) return { matched, overlap: 0 };
  const columns = { n: width, width: y.means.width, data: transpose(map, y.means.width, width) };
  const turned = await rowProduct(engine, y.factors, columns, pause);
  let overlap = 0;
  for (let sample = 0; sample < n; sample++) {
    const own = x.factors.data.subarray(sample * p * width, (sample + 1) * p * width);
    const other = turned.subarray(sample * q * width, (sample + 1) * q * width);
    // Rows of one with rows of the other, p × q.
    const products = product(own, transpose(other, q, width), p, width, q);
    const { u, s, vt } = await svd(products, p, q);
    overlap += s.reduce((sum, value) => sum + value, 0);
    const match = product(u, vt, p, s.length, q);
    matched.data.set(product(transpose(match, p, q), own, q, p, width), sample * q * width);
    await pause(0);
  }
  return { matched, overlap };
}

/** AB of a small A: m × k and B: k × n. */
function product(a: Float64Array, b: Float64Array, m: number, k: number, n: number): Float64Array {
  const result = new Float64Array(m * n);
  for (let i = 0; i < m; i++) {
    for (let l = 0; l < k; l++) {
      const factor = a[i * k + l]!;
      for (let j = 0; j < n; j++) result[i * n + j]! += factor * b[l * n + j]!;
    }
  }
  return result;
}
