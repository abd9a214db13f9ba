import { z } from 'zod';
import { UserError } from '../../errors.ts';
import type { Real, View } from '../../results/schema.ts';
import type { AnalysisContext, AnalysisDefinition, NamedRows, Side } from '../definition.ts';
import { checkRows, layerValues } from '../layers.ts';
import { requireMemory } from '../memory.ts';
import { reducedTokens } from '../reduced-tokens.ts';
import { mean, quantile, real } from '../statistics.ts';
import { meanReduction, meanStatistics } from './token-mean.ts';

const params = z.object({
  bins: z
    .int()
    .min(1)
    .max(100)
    .default(4)
    .describe('Bins of length, of about equally many samples each'),
  lengths: z
    .string()
    .default('')
    .describe(
      'FILE with one length a sample, for embeddings whose tokens are not at hand; empty to count tokens',
    ),
});

export const lengthCollapse: AnalysisDefinition<typeof params> = {
  id: 'length-collapse',
  family: 'collapse',
  title: 'Length collapse',
  summary: 'Whether embeddings of longer texts crowd together more than those of shorter ones.',
  arity: 1,
  input: ({ lengths }) => (lengths === '' ? 'tokens' : 'samples'),
  reduction: meanReduction,
  params,
  values: {
    anisotropy: '[bin]: mean cosine between two different samples of the bin, −1 to 1',
    rise: 'anisotropy of the bin of the longest samples less that of the shortest; above 0 where long ones crowd',
    centroidDistance:
      '[bin]: mean Euclidean distance of the bin’s unit embeddings to the mean of all samples, 0 to 2',
    highFrequency:
      '[bin], where tokens are known: what is left of a sample’s tokens when their mean is taken away, as a share of their norm; 0 when all tokens are equal',
    shortest: '[bin]: the shortest sample, in tokens',
    longest: '[bin]: the longest sample, in tokens',
    samples: '[bin]: how many samples it holds',
  },
  headline: 'rise',
  formula: `e_i the mean of the tokens of sample i, u_i = e_i/‖e_i‖, c the mean of all u_i. Bins end at the quantiles of length, so that samples of one length share a bin.
anisotropy of a bin of N = (‖Σ u_i‖² − N)/(N(N − 1)).
rise = anisotropy of the last bin − that of the first; 0 where there is one bin.
centroidDistance = mean ‖u_i − c‖.
highFrequency = mean over samples of ‖X − 1x̄ᵀ‖_F/‖X‖_F for tokens X with mean x̄ (the share that a low-pass filter removes).
Layers of a model give a list of bins each. Samples of zeros are left out. For models, tokens are averaged within the model’s own graph, in float32.`,
  invariances: [
    'orthogonal transformation (rotation, reflection, permutation of units)',
    'isotropic scaling',
    'permutation of the samples',
  ],
  invariantTo: ['permutation', 'orthogonal', 'scaling'],
  misleads:
    'Long and short texts differ in more than length: compare texts on the same topics, e.g. one text cut at several lengths. Means over more tokens vary less even where no token changes. An offset common to all samples raises every bin: look at how bins differ.',
  citation:
    'Zhou, Dai, Cao, Zhang and Xu, Length-Induced Embedding Collapse in PLM-based Models, ACL 2025',

  async run(sides, settings, context) {
    const side = sides[0]!;
    const fromFile = await lengthsOfFile(side, settings.lengths, context);
    let bins = fromFile ? binsOf(fromFile, settings.bins) : [];
    const layers: LayerBins[] = [];
    for (const [position, layer] of side.layers.entries()) {
      const step = (fraction: number) =>
        context.step((position + fraction) / side.layers.length, `Lengths in ${layer.label}`);
      const samples = fromFile
        ? await ofEmbeddings(layer, context)
        : await ofTokens(side, layer, context, step);
      if (samples.lengths && position === 0) bins = binsOf(samples.lengths, settings.bins);
      layers.push(layerBins(layer.label, samples, bins, context));
      await step(1);
    }
    if (bins.reduce((sum, { members }) => sum + members.length, 0) < 2) {
      throw new UserError(
        'too-few-samples',
        side.name,
        'holds one sample, and lengths are compared between samples',
        'give sequences × tokens × units, or embeddings and --set lengths=FILE',
      );
    }
    const small = bins.filter(({ members }) => members.length < 2).length;
    if (small > 0) context.warn(`${small} of ${bins.length} bins hold one sample only`);
    if (bins.length < settings.bins) {
      context.warn(
        `${bins.length} bins rather than ${settings.bins}: too many samples have one length`,
      );
    }
    return {
      values: {
        ...layerValues(
          side,
          layers.map(({ anisotropy, centroidDistance, highFrequency }) => ({
            anisotropy,
            rise: real((anisotropy.at(-1) ?? NaN) - (anisotropy[0] ?? NaN)),
            centroidDistance,
            ...(highFrequency ? { highFrequency } : {}),
          })),
        ),
        shortest: bins.map(({ shortest }) => shortest),
        longest: bins.map(({ longest }) => longest),
        samples: bins.map(({ members }) => members.length),
      },
      estimator: 'length-collapse.quantile-bins',
      preprocessing:
        settings.lengths === ''
          ? 'tokens averaged, embeddings scaled to unit length'
          : 'embeddings scaled to unit length',
      views: viewsOf(side, layers, bins),
    };
  },
};

interface Bin {
  members: number[];
  shortest: number;
  longest: number;
}

interface LayerBins {
  label: string;
  anisotropy: Real[];
  centroidDistance: Real[];
  /** Where tokens are known. */
  highFrequency?: Real[];
}

/** The samples of a layer. */
interface Samples {
  n: number;
  d: number;
  /** n × d. */
  embeddings: Float64Array;
  /** Where tokens are known: how many, and what their mean leaves of their norm. */
  lengths?: Float64Array;
  shares?: Float64Array;
}

async function lengthsOfFile(side: Side, file: string, context: AnalysisContext) {
  if (file === '') return undefined;
  const rows = await context.open(file);
  const n = side.layers[0]?.n ?? 0;
  if (rows.n !== n || rows.d !== 1) {
    throw new UserError(
      'wrong-shape',
      file,
      `has shape [${rows.n}, ${rows.d}], and there are ${n} samples`,
      'give one length for each sample, in their order',
    );
  }
  return Float64Array.from(await rows.rows(0, n));
}

function requireRoom(context: AnalysisContext, n: number, d: number, label: string): void {
  requireMemory(
    context,
    3 * n * d * Float64Array.BYTES_PER_ELEMENT,
    `embeddings of ${n} samples in ${label}`,
    'use fewer samples',
  );
}

async function ofEmbeddings(layer: NamedRows, context: AnalysisContext): Promise<Samples> {
  const { n, d, label } = layer;
  requireRoom(context, n, d, label);
  await checkRows(layer, context, 1);
  return { n, d, embeddings: Float64Array.from(await layer.rows(0, n)) };
}

async function ofTokens(
  side: Side,
  layer: NamedRows,
  context: AnalysisContext,
  step: (fraction: number) => Promise<void>,
): Promise<Samples> {
  const count = side.sequences ? side.sequences.length - 1 : layer.n;
  requireRoom(context, count, layer.d, layer.label);
  const { n, width, data } = await reducedTokens(side, layer, meanReduction, context, step);
  const d = width - meanStatistics.length;
  const column = (name: (typeof meanStatistics)[number]) =>
    Float64Array.from({ length: n }, (_, at) => data[at * width + meanStatistics.indexOf(name)]!);
  const [rest, whole] = [column('rest'), column('whole')];
  const embeddings = new Float64Array(n * d);
  for (let sample = 0; sample < n; sample++) {
    const end = (sample + 1) * width;
    embeddings.set(data.subarray(end - d, end), sample * d);
  }
  return {
    n,
    d,
    embeddings,
    lengths: column('tokens').map(Math.round),
    shares: rest.map((value, at) => Math.sqrt(value / whole[at]!)),
  };
}

/** Bins that end at quantiles of length; those without a sample are not listed. */
function binsOf(lengths: Float64Array, count: number): Bin[] {
  const sorted = lengths.toSorted();
  const ends = Array.from({ length: count - 1 }, (_, i) => quantile(sorted, (i + 1) / count));
  const bins = new Map<number, number[]>();
  lengths.forEach((length, sample) => {
    const bin = ends.filter((end) => length > end).length;
    const members = bins.get(bin);
    if (members) members.push(sample);
    else bins.set(bin, [sample]);
  });
  return [...bins]
    .sort(([a], [b]) => a - b)
    .map(([, members]) => {
      const own = members.map((sample) => lengths[sample]!).sort((a, b) => a - b);
      return { members, shortest: own[0]!, longest: own.at(-1)! };
    });
}

function layerBins(
  label: string,
  { n, d, embeddings, shares }: Samples,
  bins: readonly Bin[],
  context: AnalysisContext,
): LayerBins {
  const centre = new Float64Array(d);
  const units: (Float64Array | undefined)[] = [];
  for (let sample = 0; sample < n; sample++) {
    const unit = embeddings.slice(sample * d, (sample + 1) * d);
    const length = Math.sqrt(unit.reduce((sum, value) => sum + value * value, 0));
    units.push(length > 0 ? unit : undefined);
    if (length === 0) continue;
    for (let j = 0; j < d; j++) centre[j]! += unit[j]! /= length;
  }
  const directed = units.filter((unit) => unit !== undefined).length;
  if (directed < n) {
    context.warn(`${label}: ${n - directed} of ${n} samples are zero and left out`);
  }
  for (let j = 0; j < d; j++) centre[j]! /= directed;
  const kept = bins.map(({ members }) => members.filter((sample) => units[sample] !== undefined));
  const unitsOf = (members: readonly number[]) => members.map((sample) => units[sample]!);
  return {
    label,
    anisotropy: kept.map((members) => real(meanCosine(unitsOf(members), d))),
    centroidDistance: kept.map((members) =>
      real(mean(unitsOf(members).map((unit) => distance(unit, centre)))),
    ),
    ...(shares
      ? { highFrequency: kept.map((members) => real(mean(members.map((at) => shares[at]!)))) }
      : {}),
  };
}

/** Mean cosine of pairs of unit vectors, without forming the pairs. */
function meanCosine(units: readonly Float64Array[], d: number): number {
  const sum = new Float64Array(d);
  for (const unit of units) for (let j = 0; j < d; j++) sum[j]! += unit[j]!;
  const squares = sum.reduce((total, value) => total + value * value, 0);
  const count = units.length;
  return (squares - count) / (count * (count - 1));
}

const distance = (a: Float64Array, b: Float64Array) =>
  Math.sqrt(a.reduce((sum, value, j) => sum + (value - b[j]!) ** 2, 0));

/** More layers than this are told apart by colour in a map rather than as curves. */
const mostCurves = 6;

function viewsOf(side: Side, layers: readonly LayerBins[], bins: readonly Bin[]): View[] {
  const names = bins.map(({ shortest, longest }) =>
    shortest === longest ? String(shortest) : `${shortest}–${longest}`,
  );
  const x = { name: 'tokens', values: names };
  const show = (title: string, unit: string, of: (layer: LayerBins) => Real[]): View =>
    layers.length > mostCurves
      ? {
          kind: 'heatmap',
          title,
          x,
          y: { name: side.name, values: layers.map(({ label }) => label) },
          z: layers.map(of),
          unit,
        }
      : {
          kind: 'line',
          title,
          x,
          y: { name: unit },
          series: layers.map((layer) => ({ name: layer.label, values: of(layer) })),
        };
  return [
    show('Cosine between samples by length', 'mean cosine', ({ anisotropy }) => anisotropy),
    show('Distance to the mean of all by length', 'distance', (layer) => layer.centroidDistance),
    ...(layers[0]?.highFrequency
      ? [show('Spread of tokens by length', 'share', ({ highFrequency }) => highFrequency ?? [])]
      : []),
    {
      kind: 'table',
      title: 'Bins of length',
      columns: ['layer', 'tokens', 'samples', 'anisotropy', 'distance to the mean'],
      rows: layers.flatMap(({ label, anisotropy, centroidDistance }) =>
        bins.map(({ members }, at) => [
          label,
          names[at]!,
          members.length,
          anisotropy[at]!,
          centroidDistance[at]!,
        ]),
      ),
    },
  ];
}
