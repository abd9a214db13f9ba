import { z } from 'zod';
import { UserError } from '../../errors.ts';
import type { Real, View } from '../../results/schema.ts';
import type { AnalysisContext, AnalysisDefinition, NamedRows, Side } from '../definition.ts';
import { layerValues } from '../layers.ts';
import { requireMemory } from '../memory.ts';
import { sequencesIn, startsOf, type Sequence } from '../sequences.ts';
import { mean, quantile, real } from '../statistics.ts';

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
type Params = z.infer<typeof params>;

export const lengthCollapse: AnalysisDefinition<typeof params> = {
  id: 'length-collapse',
  family: 'collapse',
  title: 'Length collapse',
  summary: 'Whether embeddings of longer texts crowd together more than those of shorter ones.',
  arity: 1,
  input: ({ lengths }) => (lengths === '' ? 'tokens' : 'samples'),
  params,
  values: {
    anisotropy: '[bin]: mean cosine between two different samples of the bin, −1 to 1',
    centroidDistance:
      '[bin]: mean Euclidean distance of the bin’s unit embeddings to the mean of all samples, 0 to 2',
    highFrequency:
      '[bin], where tokens are known: what is left of a sample’s tokens when their mean is taken away, as a share of their norm; 0 when all tokens are equal',
    shortest: '[bin]: the shortest sample, in tokens',
    longest: '[bin]: the longest sample, in tokens',
    samples: '[bin]: how many samples it holds',
  },
  headline: 'anisotropy',
  formula: `e_i the mean of the tokens of sample i, u_i = e_i/‖e_i‖, c the mean of all u_i. Bins end at the quantiles of length, so that samples of one length share a bin.
anisotropy of a bin of N = (‖Σ u_i‖² − N)/(N(N − 1)).
centroidDistance = mean ‖u_i − c‖.
highFrequency = mean over samples of ‖X − 1x̄ᵀ‖_F/‖X‖_F for tokens X with mean x̄ (the share that a low-pass filter removes).
Layers of a model give a list of bins each. Samples of zeros are left out.`,
  invariances: [
    'orthogonal transformation (rotation, reflection, permutation of units)',
    'isotropic scaling',
    'permutation of the samples',
  ],
  misleads:
    'Long and short texts differ in more than length: compare texts on the same topics, e.g. one text cut at several lengths. Means over more tokens vary less even where no token changes. An offset common to all samples raises every bin: look at how bins differ.',
  citation:
    'Zhou, Dai, Cao, Zhang and Xu, Length-Induced Embedding Collapse in PLM-based Models, ACL 2025',

  async run(sides, settings, context) {
    const side = sides[0]!;
    const { starts, lengths } = await samplesOf(side, settings, context);
    const bins = binsOf(lengths, settings.bins);
    const layers: LayerBins[] = [];
    for (const [position, layer] of side.layers.entries()) {
      const step = (fraction: number) =>
        context.step((position + fraction) / side.layers.length, `Lengths in ${layer.label}`);
      const withTokens = settings.lengths === '';
      layers.push(await layerBins(layer, starts, bins, withTokens, context, step));
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

/** Where each sample's tokens lie (its one row where lengths come from a file), and its length. */
async function samplesOf(side: Side, { lengths: file }: Params, context: AnalysisContext) {
  if (file === '') {
    const starts = startsOf(side);
    const lengths = Array.from(starts.subarray(1), (end, at) => end - starts[at]!);
    return { starts, lengths };
  }
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
  const lengths = Array.from(await rows.rows(0, n));
  return { starts: Uint32Array.from({ length: n + 1 }, (_, at) => at), lengths };
}

/** Bins that end at quantiles of length; those without a sample are not listed. */
function binsOf(lengths: readonly number[], count: number): Bin[] {
  const sorted = Float64Array.from(lengths).sort();
  const ends = Array.from({ length: count - 1 }, (_, i) => quantile(sorted, (i + 1) / count));
  const bins = new Map<number, number[]>();
  lengths.forEach((length, sample) => {
    const bin = ends.filter((end) => length > end).length;
    bins.set(bin, [...(bins.get(bin) ?? []), sample]);
  });
  return [...bins]
    .sort(([a], [b]) => a - b)
    .map(([, members]) => {
      const own = members.map((sample) => lengths[sample]!).sort((a, b) => a - b);
      return { members, shortest: own[0]!, longest: own.at(-1)! };
    });
}

async function layerBins(
  layer: NamedRows,
  starts: Uint32Array,
  bins: readonly Bin[],
  withTokens: boolean,
  context: AnalysisContext,
  step: (fraction: number) => Promise<void>,
): Promise<LayerBins> {
  const { d, label } = layer;
  const n = starts.length - 1;
  requireMemory(
    context,
    n * d * Float64Array.BYTES_PER_ELEMENT,
    `embeddings of ${n} samples in ${label}`,
    'use fewer samples',
  );
  const units = new Float64Array(n * d);
  const shares = new Float64Array(n);
  const centre = new Float64Array(d);
  let directed = 0;
  for await (const sequence of sequencesIn(layer, starts)) {
    const unit = units.subarray(sequence.index * d, (sequence.index + 1) * d);
    shares[sequence.index] = embed(sequence, unit);
    if (unit.some((value) => value !== 0)) {
      directed++;
      for (let j = 0; j < d; j++) centre[j]! += unit[j]!;
    }
    await step((sequence.index + 1) / n);
  }
  if (directed < n) {
    context.warn(`${label}: ${n - directed} of ${n} samples are zero and left out`);
  }
  for (let j = 0; j < d; j++) centre[j]! /= directed;
  const unitOf = (sample: number) => units.subarray(sample * d, (sample + 1) * d);
  const kept = bins.map(({ members }) =>
    members.filter((sample) => unitOf(sample).some((value) => value !== 0)),
  );
  return {
    label,
    anisotropy: kept.map((members) => real(meanCosine(members.map(unitOf), d))),
    centroidDistance: kept.map((members) =>
      real(mean(members.map((sample) => distance(unitOf(sample), centre)))),
    ),
    ...(withTokens
      ? { highFrequency: kept.map((members) => real(mean(members.map((at) => shares[at]!)))) }
      : {}),
  };
}

/** Writes the unit mean of the tokens (zeros where it has no direction); gives ‖X − 1x̄ᵀ‖_F/‖X‖_F. */
function embed({ tokens, data }: Sequence, unit: Float64Array): number {
  const d = unit.length;
  for (let at = 0; at < data.length;) for (let j = 0; j < d; j++) unit[j]! += data[at++]!;
  for (let j = 0; j < d; j++) unit[j]! /= tokens;
  let [rest, whole] = [0, 0];
  for (let at = 0; at < data.length;) {
    for (let j = 0; j < d; j++, at++) {
      rest += (data[at]! - unit[j]!) ** 2;
      whole += data[at]! ** 2;
    }
  }
  const length = Math.sqrt(unit.reduce((sum, value) => sum + value * value, 0));
  if (length > 0) for (let j = 0; j < d; j++) unit[j]! /= length;
  return Math.sqrt(rest / whole);
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
