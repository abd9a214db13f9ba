import { z } from 'zod';
import { transpose } from '../../engine/linear-algebra/transpose.ts';
import { svd } from '../../engine/linear-algebra/svd.ts';
import type { View } from '../../results/schema.ts';
import type { AnalysisContext, AnalysisDefinition } from '../definition.ts';
import { permutations, seed } from '../parameters.ts';
import { inverse } from './mutual-knn.ts';
import { groupsOf, holdOut, type HoldOut } from './hold-out.ts';
import { fitterOf, predict, type Fitter } from './linear-map.ts';
import { comparePairs, type PairMeasure, type Step } from './pairs.ts';
import { crossProduct, gatherRows, rowProduct, type Columns } from './products.ts';
import { directed, retrievalScores, retrieve, toUnitRows } from './retrieval.ts';

const params = z.object({
  map: z
    .enum(['linear', 'orthogonal', 'ridge'])
    .default('ridge')
    .describe(
      'Map from the first side to the second: least squares, a rotation with one factor, or ridge regression',
    ),
  holdout: z
    .number()
    .min(0.01)
    .max(0.9)
    .default(0.2)
    .describe('Share of the samples that the map is tested on; groups stay together'),
  permutations,
  seed,
});
type Params = z.infer<typeof params>;

const least = 10;

export const stitching: AnalysisDefinition<typeof params> = {
  id: 'stitching',
  family: 'similarity',
  title: 'Stitching of representations',
  summary:
    'How well a linear map takes one representation into another, on samples it was not fitted to.',
  arity: 2,
  params,
  values: {
    r2: 'share of the held-out variance of the second side that the map from the first explains; may be negative; directed',
    top1: 'share of held-out samples whose image is nearest to the sample itself among those held out',
    mrr: 'mean reciprocal rank of the sample itself by likeness to its image, among those held out',
  },
  headline: 'r2',
  formula: `Samples are split at random (seed, groups kept together) into rows fitted to and rows held out. Both sides are centred by their means over the rows fitted to.
linear: W = argmin ‖XW − Y‖²_F, of smallest norm. ridge: argmin ‖XW − Y‖²_F + λ‖W‖²_F with the λ of least generalised cross-validation error RSS/(1 − df/n)², one for all units. orthogonal: W = c·UVᵀ with XᵀY = U·diag(s)·Vᵀ and c = Σs/‖X‖²_F (Procrustes; between different widths a projection).
r2 = 1 − Σ‖y − ŷ‖²/Σ‖y − ȳ‖² over held-out samples, ȳ their mean. top1, mrr: each ŷ is looked up among the held-out y by cosine; those as near share the mean of their ranks.
Null: the samples of the second side are permuted and the map fitted anew; p = (1 + #{null ≥ observed}) / (1 + permutations), of r2.`,
  invariances: [
    'orthogonal transformation, isotropic scaling and translation of either side',
    'of map=linear: invertible affine maps of the first side',
  ],
  invariantTo: ['permutation', 'orthogonal', 'scaling', 'translation'],
  misleads:
    'Rows that are near copies of one another (tokens of one text, frames of one film) on both sides of the split make any map look good: give groups. With more units than samples least squares fits everything and predicts nothing: prefer ridge. r2 is led by the directions of largest variance; a wide side is easily mapped onto a narrow one and not back. That a map exists does not say that the model would work with it.',
  citation:
    'Lenc and Vedaldi, Understanding image representations by measuring their equivariance and equivalence, CVPR 2015; Bansal, Nakkiran and Barak, Revisiting Model Stitching to Compare Neural Representations, NeurIPS 2021; Golub, Heath and Wahba, Generalized Cross-Validation as a Method for Choosing a Good Ridge Parameter, Technometrics 1979',

  async run(sides, { map, holdout, ...draws }, context) {
    const n = sides[0]?.layers[0]?.n ?? 0;
    const split = holdOut(n, holdout, draws.seed, groupsOf(sides));
    if (split.test.length < 2 || split.train.length < 2) {
      context.warn('the samples are in too few groups to hold some of them out');
    }
    return {
      ...(await comparePairs(
        sides,
        stitchingMeasure(split, map, sides.length !== 2, context),
        draws,
        context,
      )),
      estimator: `stitching.${map}`,
      preprocessing: `columns centred; ${split.train.length} samples fitted to, ${split.test.length} held out`,
    };
  },
};

interface Stitched {
  /** As the source of maps; the orthogonal one is of each pair. */
  fitter?: Fitter;
  /** All samples, centred over the rows fitted to. */
  all: Columns;
  train: Columns;
  test: Columns;
  /** Where the samples are permuted. */
  moved?: { from: Stitched; order: Int32Array };
}

/** @param self whether pairs stand for both directions */
export function stitchingMeasure(
  { train, test }: HoldOut,
  map: Params['map'],
  self: boolean,
  { engine }: AnalysisContext,
): PairMeasure<Stitched> {
  const parts = (all: Columns): Stitched => {
    const centred = centredOver(all, train);
    return {
      all,
      train: gatherRows(centred, train, false),
      test: gatherRows(centred, test, false),
    };
  };
  const image = async (from: Stitched, to: Stitched, step: Step): Promise<Columns> => {
    const { n } = to.test;
    const { width } = to.all;
    if (from.fitter) {
      const penalty = map === 'ridge' ? 'shared' : 'none';
      return { n, width, data: await predict(engine, from.fitter, to.train, penalty, step) };
    }
    const product = await crossProduct(engine, from.train, to.train, (part) => step(part / 3));
    const rows = from.all.width;
    const { u, s, vt } = await svd(product, rows, width, {
      step: (part) => step((1 + part) / 3),
    });
    const rank = s.length;
    const total = from.train.data.reduce((sum, value) => sum + value * value, 0);
    const factor = total > 0 ? s.reduce((sum, value) => sum + value, 0) / total : 0;
    // Z·U·Vᵀ, by rows of Uᵀ and of V.
    const turned = { n: rank, width: rows, data: transpose(u, rows, rank) };
    const inside = await rowProduct(engine, from.test, turned, (part) => step((2 + part) / 3));
    for (let at = 0; at < inside.length; at++) inside[at]! *= factor;
    const back = { n: width, width: rank, data: transpose(vt, rank, width) };
    const images = { n, width: rank, data: inside };
    return { n, width, data: await rowProduct(engine, images, back, () => step(1)) };
  };
  const forward = async (from: Stitched, to: Stitched, step: Step) => {
    const images = await image(from, to, (part) => step(part / 2));
    const r2 = explained(images.data, to.test);
    const sought = { ...to.test, data: to.test.data.slice() };
    toUnitRows(images);
    toUnitRows(sought);
    const here = directed(sought);
    const used = directed(images).map((value, row) => value & here[row]!);
    const found = await retrieve(engine, images, sought, used, 1, (part) => step((1 + part) / 2));
    return { r2, ...retrievalScores(found.ranks) };
  };
  return {
    key: 'r2',
    name: 'R² of stitching',
    // Below zero one map is as useless as another.
    range: [0, 1],
    leastSamples: least,
    bytes: ({ n, d }) => 8 * (3 * n * d + n * Math.min(n, d)),
    async prepare(rows, _, step) {
      const data = (await rows.centred('float64').rows(0, rows.n)) as Float64Array;
      const prepared = parts({ n: rows.n, width: rows.d, data });
      if (map === 'orthogonal') return prepared;
      return { ...prepared, fitter: await fitterOf(engine, prepared.train, prepared.test, step) };
    },
    async compare(a, b, step) {
      const there = await forward(a, b, (part) => step(part / 2));
      const back = await forward(b, a, (part) => step((1 + part) / 2));
      return [
        { r2: there.r2, top1: there.top1, mrr: there.mrr },
        { r2: back.r2, top1: back.top1, mrr: back.mrr },
      ];
    },
    async score(a, b, step) {
      const there = explained((await image(a, b, step)).data, b.test);
      const { moved } = b;
      if (!self || !moved) return there;
      // As (b, a) with the samples of b moved, so with those of a moved back.
      const back = parts(gatherRows(a.all, inverse(moved.order), false));
      return [there, explained((await image(moved.from, back, step)).data, back.test)];
    },
    permute: (b, order) => ({
      ...parts(gatherRows(b.all, order, false)),
      moved: { from: b, order },
    }),
    views: (values) => [
      {
        kind: 'bars',
        title: 'The map on held-out samples',
        x: { name: 'measure', values: ['r2', 'top1', 'mrr', 'top1 by chance'] },
        y: { name: 'value' },
        series: [
          {
            name: 'value',
            values: [
              ...['r2', 'top1', 'mrr'].map((key) => values[key] as number | null),
              1 / test.length,
            ],
          },
        ],
      } satisfies View,
    ],
  };
}

function centredOver({ n, width, data }: Columns, rows: Int32Array): Columns {
  const mean = new Float64Array(width);
  for (const row of rows) {
    for (let j = 0; j < width; j++) mean[j]! += data[row * width + j]! / rows.length;
  }
  const centred = data.map((value, at) => value - mean[at % width]!);
  return { n, width, data: centred };
}

/** 1 − residual / variance about the mean of the rows themselves. */
function explained(predicted: Float64Array, { n, width, data }: Columns): number {
  const mean = new Float64Array(width);
  for (let at = 0; at < data.length; at++) mean[at % width]! += data[at]! / n;
  let residual = 0;
  let variance = 0;
  for (let at = 0; at < data.length; at++) {
    residual += (data[at]! - predicted[at]!) ** 2;
    variance += (data[at]! - mean[at % width]!) ** 2;
  }
  return 1 - residual / variance;
}
