import { z } from 'zod';
import { UserError } from '../../errors.ts';
import type { Real, View } from '../../results/schema.ts';
import type { AnalysisContext, AnalysisDefinition, Side } from '../definition.ts';
import { checkRows, layerValues, type CheckedRows } from '../layers.ts';
import { requireMemory } from '../memory.ts';
import { bootstrap, permutations, seed } from '../parameters.ts';
import { intervalLevel, nullSummary, real } from '../statistics.ts';
import { warnConstantUnits } from '../warnings.ts';
import { groupsOf } from './hold-out.ts';
import type { Outside, OutsideFile, OutsideScore, OutsideSettings } from './outside-kinds.ts';
import { isSymmetric, outsideRdm } from './outside-rdm.ts';
import { outsideResponses } from './outside-responses.ts';
import { areTriplets, outsideTriplets } from './outside-triplets.ts';
import { intervalAround } from './pair-report.ts';
import type { Step } from './pairs.ts';
import { comparisonKinds } from './rdm-compare.ts';
import { leastStimuli, shrinkage } from './rdm-measure.ts';
import { comparisonText, distanceText } from './rdm-text.ts';
import { distanceKinds, pairCount } from './rdm.ts';

const params = z.object({
  kind: z
    .enum(['auto', 'rdm', 'responses', 'triplets'])
    .default('auto')
    .describe('What the file holds; auto tells by its shape'),
  rdm: z
    .enum(distanceKinds)
    .default('correlation')
    .describe('rdm and triplets: dissimilarity of two samples in the representation'),
  compare: z
    .enum(comparisonKinds)
    .default('spearman')
    .describe('rdm: similarity of two dissimilarity matrices'),
  triplets: z
    .enum(['odd', 'anchor'])
    .default('odd')
    .describe(
      'triplets: the third of a row is the odd one out, or the first is an anchor nearer to the second than to the third',
    ),
  folds: z
    .int()
    .min(2)
    .max(1000)
    .default(5)
    .describe('responses: parts that are held out in turn; groups stay together'),
  shrinkage,
  permutations,
  bootstrap,
  seed,
});
type Params = z.infer<typeof params>;

export const outside: AnalysisDefinition<typeof params> = {
  id: 'outside',
  family: 'similarity',
  title: 'Outside reference',
  summary:
    'How well a representation accounts for what people or brains made of the same samples: dissimilarities, responses or choices in a file.',
  arity: 2,
  relation: 'reference',
  input: 'repeats',
  params,
  values: {
    similarity: 'of a file of dissimilarities: their similarity with those of the representation',
    encodingR2:
      'of a file of responses: mean over responses of the cross-validated R² of ridge regression',
    tripletAccuracy: 'of a file of triplets: share of choices that the representation makes alike',
    noiseCeiling:
      'what no representation can do better: [lower, upper] for dissimilarities of several judges and for triplets asked repeatedly, one number for responses with repeats, else null',
  },
  headline: 'similarity',
  formula: `The second input is a file about the n samples of the first. kind=auto takes n × n symmetric numbers for dissimilarities (of several judges: judges × n × n), three columns of indices of different samples for triplets, n rows otherwise for responses (n × repeats × responses where there are repeats).
rdm: similarity of the two lists of dissimilarities, averaged over judges. Noise ceiling as in rsa, over judges.
responses: samples are held out in random parts (seed, groups kept together); each response is predicted from the others’ rows by ridge regression, its penalty that of least generalised cross-validation error on the rows fitted to; R² = 1 − Σ(y − ŷ)²/Σ(y − ȳ)² over all samples. Noise ceiling: mean over responses of 1 − (σ²/R)/Var(ȳ), σ² the variance over R repeats.
triplets: (a, b, c) counts as alike where d(a, b) is the smallest of the three (odd) or d(a, b) < d(a, c) (anchor); a tie of m counts 1/m. Noise ceiling, of questions asked more than once: the share of answers that are the most frequent one (upper), or that among the other answers (lower).
${distanceText}
${comparisonText}
Null: the samples of the file are permuted; p = (1 + #{null ≥ observed}) / (1 + permutations).
Interval: samples (of triplets: the triplets) are drawn with replacement; pairs of copies of one sample are left out. The 2.5 % and 97.5 % percentiles are laid around the estimate.`,
  invariances: [
    'of rdm and triplets: those of the dissimilarity, see rsa',
    'of responses: orthogonal transformation, isotropic scaling and translation of the representation',
  ],
  misleads:
    'Read values against the noise ceiling: data that contradict themselves cannot be accounted for. R² depends on how many samples there are to fit to, and is led by neither the best nor the typical response: see the histogram. Samples near in time or of one source on both sides of the split make responses look predictable: give groups. A better score does not say that the representation works like what was measured.',
  citation:
    'Kriegeskorte, Mur and Bandettini, Representational similarity analysis – connecting the branches of systems neuroscience, Frontiers in Systems Neuroscience 2008; Naselaris, Kay, Nishimoto and Gallant, Encoding and decoding in fMRI, NeuroImage 2011; Hebart, Zheng, Pereira and Baker, Revealing the multidimensional mental representations of natural objects underlying human similarity judgements, Nature Human Behaviour 2020',

  async run(sides, settings, context) {
    const [side, other] = sides as [Side, Side];
    const n = side.layers[0]!.n;
    const pictured = !side.layered;
    const groups = groupsOf([side]);
    const how = { ...settings, draws: settings, context, pictured, ...(groups && { groups }) };
    const reference = await referenceOf(await fileOf(other, context), n, settings.kind, how);
    const widest = Math.max(...side.layers.map(({ d }) => d));
    const [bytes, what] =
      reference.key === 'encodingR2'
        ? [40 * n * widest, `${n} samples of ${widest} units`]
        : [32 * pairCount(n), `dissimilarities of ${n} samples`];
    requireMemory(context, bytes, what, 'use fewer samples');
    const checked: CheckedRows[] = [];
    const scores: OutsideScore[] = [];
    for (const [at, layer] of side.layers.entries()) {
      const step: Step = (part) =>
        context.step((at + Math.min(1, part)) / side.layers.length, `Comparing ${layer.label}`);
      const rows = await checkRows(layer, { ...context, step: () => step(0) }, leastStimuli);
      checked.push(rows);
      const score = await reference.of(rows, layer, step);
      if (Number.isNaN(score.value)) {
        context.warn(`${layer.label}: all dissimilarities are equal, so its value is null`);
      }
      scores.push(score);
    }
    warnConstantUnits(checked, context);
    return report(side, reference, scores, settings);
  },
};

/** The file in memory. */
async function fileOf({ name, layers }: Side, context: AnalysisContext): Promise<OutsideFile> {
  const [layer, ...more] = layers;
  if (layer === undefined || more.length > 0) {
    throw new UserError(
      'usage',
      name,
      'is a model, and the second input is a file about the samples',
      'name a matrix file of dissimilarities, responses or triplets',
    );
  }
  requireMemory(context, 8 * layer.n * layer.d, name, 'give a smaller file');
  const rows = await checkRows(layer, context, 1);
  const data = (await rows.uncentred('float64').rows(0, layer.n)) as Float64Array;
  return { name, label: layer.label, data, shape: [layer.n, ...(layer.sample ?? [layer.d])] };
}

function referenceOf(
  file: OutsideFile,
  n: number,
  kind: Params['kind'],
  settings: OutsideSettings,
): Promise<Outside> | Outside {
  const found = kind === 'auto' ? kindOf(file, n) : kind;
  if (found === 'rdm') return outsideRdm(file, n, settings);
  if (found === 'triplets') return outsideTriplets(file, n, settings);
  return outsideResponses(file, n, settings);
}

function kindOf(file: OutsideFile, n: number): 'rdm' | 'responses' | 'triplets' {
  const { shape, data, name } = file;
  const square = shape.at(-1) === n && shape.at(-2) === n;
  if (square && (shape.length === 3 || isSymmetric(data, n))) return 'rdm';
  if (areTriplets(file, n)) return 'triplets';
  if (shape[0] === n) return 'responses';
  throw new UserError(
    'wrong-shape',
    name,
    `has shape [${shape.join(', ')}], which is neither ${n} × ${n} dissimilarities, nor ${n} rows of responses, nor triplets of ${n} samples`,
    'give a file about the same samples',
  );
}

function report(
  side: Side,
  { key, name, noiseCeiling, estimator }: Outside,
  scores: readonly OutsideScore[],
  { permutations, bootstrap }: Params,
) {
  const whole = <T>(of: (score: OutsideScore) => T): T | T[] =>
    side.layered ? scores.map(of) : of(scores[0]!);
  const nulls = scores.map(({ value, permuted }) => nullSummary(permuted, real(value)));
  const intervals = scores.map(({ value, resampled }) =>
    intervalAround(real(value), resampled, [-Infinity, 1]),
  );
  const at = <T>(list: readonly T[]) => whole((score) => list[scores.indexOf(score)]!);
  const values = layerValues(
    side,
    scores.map(({ value }) => ({ [key]: real(value) })),
  );
  return {
    values: { ...values, noiseCeiling },
    ...(permutations > 0 && {
      null: {
        mean: at(nulls.map((found) => found.mean)),
        sd: at(nulls.map((found) => found.sd)),
        p: at(nulls.map((found) => found.p)),
        permutations,
      },
    }),
    ...(bootstrap > 0 && {
      interval: {
        low: at(intervals.map(({ low }) => low)),
        high: at(intervals.map(({ high }) => high)),
        level: intervalLevel,
        bootstrap,
      },
    }),
    views: [
      ...(side.layered
        ? [profile(side, name, scores, nulls, intervals, noiseCeiling)]
        : [table(side, name, scores[0]!, noiseCeiling)]),
      ...scores.flatMap(({ views }) => views),
    ],
    estimator,
    preprocessing: key === 'encodingR2' ? 'columns centred' : 'as the dissimilarity says',
  };
}

function ceilings(noiseCeiling: Outside['noiseCeiling']): [name: string, value: Real][] {
  if (noiseCeiling === null) return [];
  if (!Array.isArray(noiseCeiling)) return [['noise ceiling', noiseCeiling]];
  return [
    ['noise ceiling, lower', noiseCeiling[0]!],
    ['noise ceiling, upper', noiseCeiling[1]!],
  ];
}

function profile(
  { name: model, layers }: Side,
  name: string,
  scores: readonly OutsideScore[],
  nulls: readonly { mean: Real }[],
  intervals: readonly { low: Real; high: Real }[],
  noiseCeiling: Outside['noiseCeiling'],
): View {
  const drawn = scores[0]!;
  return {
    kind: 'line',
    title: `${name} over layers`,
    x: { name: model, values: layers.map(({ label }) => label) },
    y: { name },
    series: [
      {
        name,
        values: scores.map(({ value }) => real(value)),
        ...(drawn.resampled.length > 0 && {
          low: intervals.map(({ low }) => low),
          high: intervals.map(({ high }) => high),
        }),
      },
      ...(drawn.permuted.length > 0
        ? [{ name: 'permuted samples', values: nulls.map((found) => found.mean) }]
        : []),
      ...ceilings(noiseCeiling).map(([series, value]) => ({
        name: series,
        values: layers.map(() => value),
      })),
    ],
  };
}

function table(
  { name: model }: Side,
  name: string,
  { value }: OutsideScore,
  noiseCeiling: Outside['noiseCeiling'],
): View {
  const bounds = ceilings(noiseCeiling);
  return {
    kind: 'table',
    title: name,
    columns: ['representation', name, ...bounds.map(([bound]) => bound)],
    rows: [[model, real(value), ...bounds.map(([, bound]) => bound)]],
  };
}
