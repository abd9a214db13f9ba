import { z } from 'zod';
import { warnCopies } from '../copies.ts';
import type { AnalysisContext, AnalysisDefinition } from '../definition.ts';
import { requireMemory } from '../memory.ts';
import { nearestByProduct } from '../neighbours.ts';
import { permutations, seed } from '../parameters.ts';
import { checkDepth, inverse } from './mutual-knn.ts';
import { comparePairs, type PairMeasure } from './pairs.ts';

/** Added to the denominator, as in platonic-rep. */
const epsilon = 1e-6;

const params = z.object({
  k: z.int().min(2).max(10_000).default(10).describe('Neighbours of each sample'),
  permutations,
  seed,
});

export const cknna: AnalysisDefinition<typeof params> = {
  id: 'cknna',
  family: 'similarity',
  title: 'Centered kernel nearest-neighbour alignment',
  summary: 'CKA that looks only at samples which are near neighbours in both representations.',
  arity: 2,
  params,
  values: {
    cknna:
      'about 1 for representations alike up to rotation, about 0 for unrelated ones; may be negative',
  },
  headline: 'cknna',
  formula: `K = XXᵀ, L = YYᵀ of the rows as they are; A_ij = 1 where j is among the k samples with the largest K_ij, i itself left out, ties by the lower index; B alike for L.
CKNNA = HSIC₁(A∘B∘K, A∘B∘L)/(√(HSIC₁(A∘K, A∘K)·HSIC₁(B∘L, B∘L)) + ${epsilon}) (Huh et al. 2024).
HSIC₁(K, L) = [tr(K̃L̃) + (1ᵀK̃1)(1ᵀL̃1)/((n−1)(n−2)) − 2·1ᵀK̃L̃1/(n−2)]/(n(n−3)), K̃ and L̃ with zero diagonals (Song et al. 2012). Masked kernels are not symmetric, so that the value of (x, y) and of (y, x) may differ a little.
With k = n − 1 it is debiased linear CKA.
Null: the samples of the second side are permuted; p = (1 + #{null ≥ observed}) / (1 + permutations).`,
  invariances: [
    'orthogonal transformation of either side (rotation, reflection, permutation of units)',
    'isotropic scaling of either side, as long as the 1e-6 does not count',
    'the same permutation of the samples of both sides',
  ],
  invariantTo: ['permutation', 'orthogonal', 'scaling'],
  misleads:
    'Rows are not centred: an offset that all samples share decides which are neighbours. Neighbours go by inner product, so that rows of large norm are everyone’s; scale rows to unit length first for cosines, as platonic-rep does. It depends on n and k.',
  citation:
    'Huh, Cheung, Wang and Isola, The Platonic Representation Hypothesis, ICML 2024; Song, Smola, Gretton, Bedo and Borgwardt, Feature Selection via Dependence Maximization, JMLR 2012',

  async run(sides, settings, context) {
    return {
      ...(await comparePairs(sides, measure(settings.k, context), settings, context)),
      estimator: `cknna.debiased.k=${settings.k}`,
      preprocessing: 'none; inner products',
    };
  },
};

/** The kernel values of each sample with its neighbours. */
interface Neighbourhoods {
  n: number;
  k: number;
  /** n × k. */
  indices: Int32Array;
  products: Float64Array;
  /** 1 where a sample is also a neighbour of its neighbour. */
  mutual: Uint8Array;
  /** HSIC₁ with itself. */
  own: number;
}

function measure(k: number, context: AnalysisContext): PairMeasure<Neighbourhoods> {
  return {
    key: 'cknna',
    name: 'CKNNA',
    range: [0, 1],
    leastSamples: 4,
    varying: ['cknna'],
    bytes: ({ n }) => 13 * n * k,
    async prepare(rows, _, step) {
      checkDepth(rows, k);
      requireMemory(
        context,
        rows.n * rows.d * 40,
        `neighbours of ${rows.n} samples of ${rows.d} units`,
        'use fewer samples',
      );
      const data = (await rows.uncentred('float64').rows(0, rows.n)) as Float64Array;
      await warnCopies(rows.label, data, rows.d, context, () => step(0));
      const { dtype } = rows.uncentred();
      const found = await nearestByProduct(context.engine, data, rows.d, dtype, k, step);
      const layer = { ...found, mutual: mutualOf(found.indices, rows.n, k), own: 0 };
      layer.own = maskedHsic(layer, layer)[0];
      if (layer.own <= 0 && rows.constantColumns < rows.d) {
        context.warn(
          `${rows.label}: its HSIC with itself is not positive, so that its value is null`,
        );
      } else if (layer.own > 0 && layer.own < 1000 * epsilon) {
        context.warn(
          `${rows.label}: activations are so small that the ${epsilon} of the definition counts: scale them up`,
        );
      }
      return layer;
    },
    compare(x, y) {
      // Rounding leaves a little of a constant kernel.
      const norm = x.own > 0 && y.own > 0 ? Math.sqrt(x.own * y.own) + epsilon : NaN;
      const [forward, backward] = maskedHsic(x, y);
      return [{ cknna: forward / norm }, { cknna: backward / norm }];
    },
    permute(y, order) {
      const { n } = y;
      const position = inverse(order);
      const moved = {
        ...y,
        indices: new Int32Array(n * k),
        products: new Float64Array(n * k),
        mutual: new Uint8Array(n * k),
      };
      order.forEach((from, to) => {
        const [source, target] = [from * k, to * k];
        for (let j = 0; j < k; j++) {
          moved.indices[target + j] = position[y.indices[source + j]!]!;
        }
        moved.products.set(y.products.subarray(source, source + k), target);
        moved.mutual.set(y.mutual.subarray(source, source + k), target);
      });
      return moved;
    },
  };
}

/** For each neighbour j of i: whether i is a neighbour of j. */
function mutualOf(indices: Int32Array, n: number, k: number): Uint8Array {
  // Who has i as a neighbour, by i.
  const ends = new Int32Array(n + 1);
  for (const j of indices) ends[j + 1]! += 1;
  for (let j = 0; j < n; j++) ends[j + 1]! += ends[j]!;
  const next = ends.slice();
  const askers = new Int32Array(n * k);
  indices.forEach((j, at) => (askers[next[j]!++] = Math.floor(at / k)));
  const mutual = new Uint8Array(n * k);
  const asked = new Int32Array(n).fill(-1);
  for (let i = 0; i < n; i++) {
    for (let at = ends[i]!; at < ends[i + 1]!; at++) asked[askers[at]!] = i;
    for (let at = i * k; at < (i + 1) * k; at++) mutual[at] = asked[indices[at]!] === i ? 1 : 0;
  }
  return mutual;
}

/** HSIC₁ of the kernels where both have a neighbour: of (x, y), and of (y, x). */
function maskedHsic(x: Neighbourhoods, y: Neighbourhoods): [number, number] {
  const { n, k } = x;
  const sums = () => new Float64Array(n);
  const [rowsK, columnsK, rowsL, columnsL] = [sums(), sums(), sums(), sums()];
  const place = new Int32Array(n);
  const seen = new Int32Array(n).fill(-1);
  // tr(K̃L̃) takes K_ij with L_ji = L_ij, where j is a neighbour of i and i one of j.
  let trace = 0;
  for (let i = 0; i < n; i++) {
    for (let at = i * k; at < (i + 1) * k; at++) {
      seen[x.indices[at]!] = i;
      place[x.indices[at]!] = at;
    }
    for (let at = i * k; at < (i + 1) * k; at++) {
      const j = y.indices[at]!;
      if (seen[j] !== i) continue;
      const other = place[j]!;
      const [kernel, target] = [x.products[other]!, y.products[at]!];
      rowsK[i]! += kernel;
      columnsK[j]! += kernel;
      rowsL[i]! += target;
      columnsL[j]! += target;
      if (x.mutual[other] === 1 && y.mutual[at] === 1) trace += kernel * target;
    }
  }
  let [totalK, totalL, forward, backward] = [0, 0, 0, 0];
  for (let i = 0; i < n; i++) {
    totalK += rowsK[i]!;
    totalL += rowsL[i]!;
    forward += columnsK[i]! * rowsL[i]!;
    backward += columnsL[i]! * rowsK[i]!;
  }
  const common = trace + (totalK * totalL) / ((n - 1) * (n - 2));
  const hsic = (between: number) => (common - (2 * between) / (n - 2)) / (n * (n - 3));
  return [hsic(forward), hsic(backward)];
}
