import { z } from 'zod';
import type { Engine } from '../../engine/device-engine.ts';
import { cross } from '../../engine/kernels.ts';
import { symmetricEigen } from '../../engine/linear-algebra/eigen.ts';
import { UserError } from '../../errors.ts';
import type { Real, View } from '../../results/schema.ts';
import { blocks } from '../blocks.ts';
import type { AnalysisContext, AnalysisDefinition, Side } from '../definition.ts';
import { checkRows, layerValues, type CheckedRows } from '../layers.ts';
import { requireMemory } from '../memory.ts';
import { seed } from '../parameters.ts';
import { Random } from '../random.ts';
import { real } from '../statistics.ts';
import { warnConstantUnits } from '../warnings.ts';
import { featureOf, sideBySide, type Feature } from './feature-variance-design.ts';
import { heldOut, probe, type ProbeScores } from './feature-variance-probe.ts';
import { profileView } from './profile-view.ts';

const leastSamples = 10;
/** Share of the largest eigenvalue of a design below which its columns depend on one another. */
const dependence = 1e-10;
/** Classes, as a share of the samples, above which a feature names samples. */
const mostClasses = 0.5;
const blockElements = 1 << 20;

const params = z.object({
  holdout: z
    .number()
    .gt(0)
    .lt(1)
    .default(0.2)
    .describe('Share of the samples on which probes are judged; groups stay together'),
  seed,
});
type Params = z.infer<typeof params>;

interface LayerFeatures {
  label: string;
  share: Real[];
  unique: Real[];
  probes: ProbeScores[];
}

export const featureVariance: AnalysisDefinition<typeof params> = {
  id: 'feature-variance',
  family: 'geometry',
  title: 'Variance of features',
  summary: 'How much of a representation’s variance each feature of the samples takes.',
  arity: 1,
  labels: 'required',
  factors: true,
  params,
  values: {
    features: 'names of the features, in the order of the other values',
    share: 'share of the variance of all units that the feature explains, 0 to 1',
    unique: 'the part of it that no other feature explains',
    probe: 'accuracy of a linear probe of the feature on samples held out; R² for a quantity',
    baseline: 'accuracy of always answering the most frequent class; 0 for a quantity',
    shuffled: 'score of the probe after training on shuffled labels',
  },
  headline: 'share',
  formula: `Features come as the columns of a table (--labels FILE.csv with a header, .jsonl, .npz, or a matrix), one row a sample; labels alone are one feature. Numbers of more than ten different values are a quantity where some are not whole or each occurs fewer than ten times; everything else is classes.
share_f = Σ_units SS(regression of the unit on f)/Σ_units SS(centred unit), with one indicator for each class or the quantity itself (Lampinen et al. 2024): for classes the variance between them.
unique_f = share of all features together − share of all but f.
probe: ridge regression of the indicators (or the quantity) on the units, penalty 0.01 times the mean variance of a unit, trained on 1 − holdout of the samples and judged on the rest: argmax for classes, R² for a quantity. shuffled: the same with training labels in random order.`,
  invariances: [
    'orthogonal transformation (rotation, reflection, permutation of units)',
    'isotropic scaling',
    'translation',
    'permutation of the samples (share and unique)',
  ],
  invariantTo: ['permutation', 'orthogonal', 'scaling', 'translation'],
  misleads:
    'Of features that a model computes equally well, the simpler, earlier learned and earlier needed take more variance: a low share is not a low importance, and every comparison by variance (PCA, CKA, RSA) sees mostly the high ones. Read it beside probe. Features that go together share variance: look at unique. Where units outnumber samples a probe fits anything in training; only held-out scores count, and shuffled shows chance.',
  citation:
    'Lampinen, Chan and Hermann, Learned feature representations are biased by complexity, learning order, position, and more, TMLR 2024',

  async run(sides, settings, context) {
    const side = sides[0]!;
    const features = featuresOf(side, context);
    const checked: CheckedRows[] = [];
    const layers: LayerFeatures[] = [];
    for (const [index, layer] of side.layers.entries()) {
      const step = (fraction: number) =>
        context.step((index + fraction) / side.layers.length, `Features in ${layer.label}`);
      const rows = await checkRows(layer, context, leastSamples);
      checked.push(rows);
      layers.push(await layerFeatures(rows, features, side.groups, settings, context, step));
    }
    warnConstantUnits(checked, context);
    const names = features.map(({ name }) => name);
    const values = layerValues(
      side,
      layers.map(({ share, unique, probes }) => ({
        share,
        unique,
        probe: probes.map(({ score }) => real(score)),
        baseline: probes.map(({ baseline }) => real(baseline)),
        shuffled: probes.map(({ shuffled }) => real(shuffled)),
      })),
    );
    return {
      values: { features: names, ...values },
      estimator: 'variance.between + ridge-probe',
      preprocessing: 'columns centred',
      views: views(side, names, layers),
    };
  },
};

/** Features that can be regressed on; the rest are left out with a warning. */
function featuresOf(side: Side, context: AnalysisContext): Feature[] {
  const given =
    side.factors ?? (side.labels ? new Map([['label', side.labels]]) : new Map<string, string[]>());
  if (given.size === 0) {
    throw new UserError(
      'usage',
      side.name,
      'has samples without labels, and this analysis needs features of them',
      'name a table with --labels FEATURES.csv, or a probe that has labels',
    );
  }
  const features: Feature[] = [];
  for (const [name, labels] of given) {
    const feature = featureOf(name, labels);
    const count = feature.classes?.length ?? 2;
    if (count < 2) {
      context.warn(`feature ${name} has one value only and is left out`);
    } else if (feature.classes && count > mostClasses * labels.length) {
      context.warn(
        `feature ${name} has ${count} values for ${labels.length} samples and is left out`,
      );
    } else {
      features.push(feature);
    }
  }
  if (features.length > 0) return features;
  throw new UserError(
    'too-few-samples',
    side.name,
    'has no feature that varies and repeats',
    'give features of two classes or more, each of several samples',
  );
}

type Step = (fraction: number) => Promise<void>;

async function layerFeatures(
  rows: CheckedRows,
  features: readonly Feature[],
  groups: readonly string[] | undefined,
  { holdout, seed: from }: Params,
  context: AnalysisContext,
  step: Step,
): Promise<LayerFeatures> {
  const { label, n, d, constantColumns } = rows;
  const { engine } = context;
  const width = features.reduce((sum, feature) => sum + feature.width, 0);
  const size = Math.min(n, d);
  requireMemory(
    context,
    8 * (3 * n * d + 5 * n * width + 2 * size * size),
    `${label}: probes of ${features.length} features over ${n} samples of ${d} units`,
    'use fewer samples or features of fewer classes',
  );
  const { share, unique } = await shares(engine, rows, features, (part) => step(0.3 * part));
  const all = (await rows.uncentred('float64').rows(0, n)) as Float64Array;
  const random = new Random(from);
  const test = heldOut(n, holdout, random, groups);
  const held = test.reduce((sum, flag) => sum + flag, 0);
  const constant = constantColumns === d;
  const probes =
    held === n || constant
      ? features.map(() => ({ score: NaN, shuffled: NaN, baseline: NaN }))
      : await probe(engine, all, d, features, test, random, (part) => step(0.3 + 0.7 * part));
  if (held === n) context.warn(`${label}: all samples are of one group, so that probes are null`);
  const told = (values: number[]) => values.map((value) => (constant ? null : real(value)));
  return { label, share: told(share), unique: told(unique), probes };
}

/** Shares of the variance that each feature explains, alone and beyond the others. */
async function shares(
  engine: Engine,
  rows: CheckedRows,
  features: readonly Feature[],
  step: Step,
): Promise<{ share: number[]; unique: number[] }> {
  const { n, d } = rows;
  const design = sideBySide(features, n);
  const width = design.length / n;
  // DᵀX and the sum of squares in one pass; the rest is small.
  const products = new Float64Array(width * d);
  let total = 0;
  const source = rows.centred('float64');
  for (const [start, end] of blocks(n, Math.max(1, Math.floor(blockElements / d)))) {
    const block = await source.rows(start, end);
    for (const value of block) total += value * value;
    const part = await cross(
      engine,
      end - start,
      design.subarray(start * width, end * width),
      block,
    );
    for (let at = 0; at < part.length; at++) products[at]! += part[at]!;
    await step((0.8 * end) / n);
  }
  const designMoment = await cross(engine, n, design, design);
  const response = new Float64Array(width * width);
  for (let i = 0; i < width; i++) {
    for (let j = 0; j <= i; j++) {
      let sum = 0;
      for (let c = 0; c < d; c++) sum += products[i * d + c]! * products[j * d + c]!;
      response[i * width + j] = sum;
      response[j * width + i] = sum;
    }
  }
  const offsets = features.map((_, at) =>
    features.slice(0, at).reduce((sum, feature) => sum + feature.width, 0),
  );
  const columnsOf = (at: number) =>
    Array.from({ length: features[at]!.width }, (_, c) => offsets[at]! + c);
  const explained = async (chosen: readonly number[]) =>
    (await explainedBy(chosen.flatMap(columnsOf), designMoment, response, width)) / total;
  const indices = [...features.keys()];
  const together = await explained(indices);
  const share: number[] = [];
  const unique: number[] = [];
  for (const at of indices) {
    share.push(await explained([at]));
    const others = indices.filter((other) => other !== at);
    unique.push(Math.max(0, together - (await explained(others))));
    await step(0.8 + (0.2 * (at + 1)) / features.length);
  }
  return { share, unique };
}

/** tr((DᵀD)⁺ DᵀXXᵀD) over some columns of the design D: the sum of squares of its regression. */
async function explainedBy(
  columns: readonly number[],
  designMoment: Float64Array,
  response: Float64Array,
  width: number,
): Promise<number> {
  const q = columns.length;
  if (q === 0) return 0;
  const part = (of: Float64Array) =>
    Float64Array.from(
      { length: q * q },
      (_, at) => of[columns[Math.floor(at / q)]! * width + columns[at % q]!]!,
    );
  const { values, vectors } = await symmetricEigen(part(designMoment), q, { vectors: true });
  const answer = part(response);
  let sum = 0;
  for (let c = 0; c < q; c++) {
    if (!(values[c]! > dependence * values[0]!)) break;
    const vector = vectors.subarray(c * q, (c + 1) * q);
    for (let i = 0; i < q; i++) {
      let along = 0;
      for (let j = 0; j < q; j++) along += answer[i * q + j]! * vector[j]!;
      sum += (vector[i]! * along) / values[c]!;
    }
  }
  return sum;
}

const mostCurves = 12;

function views(side: Side, names: readonly string[], layers: readonly LayerFeatures[]): View[] {
  const only = layers.length === 1 ? layers[0]! : undefined;
  const curves = (of: (layer: LayerFeatures, at: number) => Real) =>
    Object.fromEntries(
      names.slice(0, mostCurves).map((name, at) => [name, layers.map((layer) => of(layer, at))]),
    );
  return [
    ...profileView(
      side,
      'Variance of features over layers',
      'share of the variance',
      curves(({ share }, at) => share[at]!),
    ),
    ...profileView(
      side,
      'Probes of features over layers',
      'held-out score',
      curves(({ probes }, at) => real(probes[at]!.score)),
    ),
    ...(only
      ? [
          {
            kind: 'bars' as const,
            title: 'Variance of features, beside what a probe reads',
            x: { name: 'feature', values: [...names] },
            y: { name: 'share, score' },
            series: [
              { name: 'share of the variance', values: only.share },
              { name: 'probe, held out', values: only.probes.map(({ score }) => real(score)) },
            ],
          },
        ]
      : []),
    {
      kind: 'table',
      title: 'Features',
      columns: ['layer', 'feature', 'share', 'unique', 'probe', 'baseline', 'shuffled'],
      rows: layers.flatMap(({ label, share, unique, probes }) =>
        names.map((name, at) => {
          const { score, baseline, shuffled } = probes[at]!;
          return [
            label,
            name,
            share[at]!,
            unique[at]!,
            real(score),
            real(baseline),
            real(shuffled),
          ];
        }),
      ),
    },
  ];
}
