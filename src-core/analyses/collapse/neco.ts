import { z } from 'zod';
import { UserError } from '../../errors.ts';
import { classesOf } from '../classes.ts';
import { layersOfSets } from '../corresponding.ts';
import type { AnalysisContext, AnalysisDefinition, NamedRows, Side } from '../definition.ts';
import { checkRows } from '../layers.ts';
import { requireMemory } from '../memory.ts';
import { mean, real } from '../statistics.ts';
import { classMeans, keepClasses, type KeptClasses } from './class-moments.ts';
import { lengthsOf } from './class-pairs.ts';
import {
  auroc,
  deviations,
  falsePositives,
  principalAxes,
  ScaledRows,
  shares,
} from './neco-scores.ts';
import { necoKeys, necoViews, type LayerNeco } from './neco-views.ts';

const params = z.object({
  dims: z
    .int()
    .min(0)
    .default(0)
    .describe('Principal axes that span the in-distribution space; 0 for classes − 1'),
  features: z
    .enum(['raw', 'centred', 'standardized'])
    .default('raw')
    .describe(
      'Rows as they are, less the in-distribution mean, or also over its standard deviations',
    ),
});
type Params = z.infer<typeof params>;

export const neco: AnalysisDefinition<typeof params> = {
  id: 'neco',
  family: 'collapse',
  title: 'Out-of-distribution detection by neural collapse',
  summary:
    'Whether samples from elsewhere leave the few directions that in-distribution classes span.',
  arity: 2,
  relation: 'sets',
  labels: 'optional',
  params,
  values: {
    auroc:
      'chance that an in-distribution sample scores above one from outside, ties counted half; 0.5 by chance, 1 for sets told apart',
    fpr95: 'share of outside samples that pass where 95 % of in-distribution ones do, 0 to 1',
    inScore: 'mean score of in-distribution samples, 0 to 1',
    outScore: 'mean score of outside samples, 0 to 1',
    nc5: 'mean |cosine| between class means and the mean of outside samples, 0 when orthogonal; null without labels',
  },
  headline: 'auroc',
  formula: `score(h) = ‖P h‖/‖h‖, P the projection on the \`dims\` leading principal axes (of the covariance) of the in-distribution set (Ben Ammar et al. 2024, eq. 6).
features=raw: h as it is. centred: h less the in-distribution mean. standardized: also over the in-distribution standard deviation of each unit, axes and scores alike, as in the authors’ code.
auroc = P(score in > score out) + ½P(equal). fpr95 = share of outside samples at or above the highest threshold that at least 95 % of in-distribution samples reach.
nc5 = mean_c |cos(μ_c, μ_out)|, of the rows as they are. Rows of zeros have no score and are left out. The first input is the in-distribution set, with labels; of two models, layers correspond by name, else by rank.`,
  invariances: [
    'orthogonal transformation of both sets alike (not with features=standardized)',
    'isotropic scaling of both',
    'translation of both (features=centred and standardized; not nc5)',
    'permutation of the samples',
  ],
  invariantTo: ['permutation', 'orthogonal', 'scaling'],
  misleads:
    'In-distribution samples set the axes and are scored on them: with few samples a unit they score too high. An offset that all samples share, as after ReLU, drowns raw scores: use features=centred. Features that have not collapsed need more axes than classes − 1. The authors multiply by the largest logit for transformers, which this does not. One outside set says nothing of another.',
  citation:
    'Ben Ammar, Belkhir, Popescu, Manzanera and Franchi, NECO: Neural Collapse Based Out-of-distribution Detection, ICLR 2024',

  async run(sides, settings, context) {
    const [first, second] = sides as [Side, Side];
    const classes = first.labels === undefined ? undefined : keepClasses(classesOf(first), 1);
    const dims = settings.dims > 0 ? settings.dims : classes && classes.names.length - 1;
    if (dims === undefined) {
      throw new UserError(
        'usage',
        first.name,
        'has samples without labels, so that there is no number of axes',
        'set dims, or name a file of labels with --labels',
      );
    }
    const pairs = layersOfSets(first, second);
    const layers: LayerNeco[] = [];
    for (const [index, [x, y]] of pairs.entries()) {
      const step = (fraction: number) =>
        context.step((index + fraction) / pairs.length, `Scores of ${x.label}`);
      layers.push(await measure(x, y, classes, dims, settings, context, step));
    }
    warnOf(pairs, classes, context);
    const layered = first.layered || second.layered;
    const valueOf = (key: (typeof necoKeys)[number]) =>
      layered ? layers.map(({ values }) => values[key]) : layers[0]!.values[key];
    return {
      values: Object.fromEntries(necoKeys.map((key) => [key, valueOf(key)])),
      estimator: `neco.${settings.features}`,
      preprocessing:
        settings.features === 'raw'
          ? 'centred for the axes, not for the scores'
          : `in-distribution mean subtracted${settings.features === 'centred' ? '' : ', divided by its standard deviations'}`,
      views: necoViews(first, layers),
    };
  },
};

/** Samples a unit below which axes fit the samples that set them. */
const enoughSamples = 5;

function warnOf(
  pairs: readonly [NamedRows, NamedRows][],
  classes: KeptClasses | undefined,
  context: AnalysisContext,
): void {
  const few = pairs.map(([x]) => x).filter(({ n, d }) => n < enoughSamples * d);
  if (few.length > 0) {
    const { label, n, d } = few[0]!;
    context.warn(
      `${pairs.length > 1 && few.length > 1 ? `${few.length} of ${pairs.length} layers (${label} first)` : label}: ${n} in-distribution samples for ${d} units, and they set the axes they are scored on: auroc comes out too high`,
    );
  }
  if (!classes) context.warn('nc5 is null: it needs the labels of the in-distribution samples');
}

async function measure(
  x: NamedRows,
  y: NamedRows,
  classes: KeptClasses | undefined,
  dims: number,
  { features }: Params,
  context: AnalysisContext,
  step: (fraction: number) => Promise<void>,
): Promise<LayerNeco> {
  const { engine } = context;
  const { d, label } = x;
  const size = Math.min(x.n, d);
  requireMemory(
    context,
    8 * (3 * size * size + dims * d),
    `principal axes of ${x.n} samples of ${d} units`,
    'use fewer samples, or pool to fewer units',
  );
  const inside = await checkRows(x, context, 4);
  const outside = await checkRows(y, context, 1);
  const ones = new Float64Array(d).fill(1);
  const scale =
    features === 'standardized'
      ? await deviations(x, inside.mean, (part) => step(0.1 * part))
      : ones;
  const axes = await principalAxes(engine, new ScaledRows(x, inside.mean, scale), dims, (part) =>
    step(0.1 + 0.6 * part),
  );
  const rank = axes.length / d;
  if (rank < dims && inside.constantColumns < d) {
    context.warn(`${label}: in-distribution samples vary along ${rank} axes, fewer than ${dims}`);
  }
  const shift = features === 'raw' ? new Float64Array(d) : inside.mean;
  const scored = async (rows: NamedRows, part: number) => {
    const scores = await shares(engine, new ScaledRows(rows, shift, scale), axes, (fraction) =>
      step(part + 0.1 * fraction),
    );
    const none = rows.n - scores.length;
    if (none > 0) context.warn(`${rows.label}: ${none} rows of zeros have no score`);
    return scores;
  };
  const [inScores, outScores] = [await scored(x, 0.7), await scored(y, 0.8)];
  // Without an axis left out every score is 1.
  const told = rank < d && inScores.length > 0 && outScores.length > 0 && rank > 0;
  if (rank >= d) {
    context.warn(`${label}: ${dims} axes span all ${d} units, so that its values are null`);
  } else if (rank === 0) {
    context.warn(`${label}: in-distribution samples are all alike, so that its values are null`);
  }
  const known = (value: () => number) => (told ? real(value()) : null);
  const nc5 =
    classes &&
    meanCosine(
      await classMeans(x, classes, context, (part) => step(0.9 + 0.1 * part)),
      outside.mean,
    );
  return {
    label,
    values: {
      auroc: known(() => auroc(inScores, outScores)),
      fpr95: known(() => falsePositives(inScores, outScores, 0.95)),
      inScore: known(() => mean(inScores)),
      outScore: known(() => mean(outScores)),
      nc5: real(nc5 ?? NaN),
    },
    inScores: told ? inScores : new Float64Array(0),
    outScores: told ? outScores : new Float64Array(0),
  };
}

/** Mean |cosine| of rows of width d with a vector. */
function meanCosine(rows: Float64Array, vector: Float64Array): number {
  const d = vector.length;
  const lengths = lengthsOf(rows, d);
  const length = lengthsOf(vector, d)[0]!;
  const cosines = lengths.map((own, row) => {
    let product = 0;
    for (let j = 0; j < d; j++) product += rows[row * d + j]! * vector[j]!;
    return Math.abs(product) / (own * length);
  });
  return mean(cosines);
}
