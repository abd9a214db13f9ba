import { z } from 'zod';
import type { Real } from '../../results/schema.ts';
import { classesOf } from '../classes.ts';
import type { AnalysisContext, AnalysisDefinition, NamedRows, Side } from '../definition.ts';
import { mean, real } from '../statistics.ts';
import { attentionStatistics, type AttentionStatistic } from './attention-statistics.ts';
import { attentionViews } from './attention-views.ts';

const params = z.object({
  threshold: z
    .number()
    .min(0)
    .max(1)
    .default(0.5)
    .describe('Attention to the first token above which a head counts as dormant'),
});

export const attention: AnalysisDefinition<typeof params> = {
  id: 'attention',
  family: 'collapse',
  title: 'Attention heads',
  summary: 'How widely each head attends, how much it gives to the first token, and its rank.',
  arity: 1,
  input: 'attention',
  labels: 'optional',
  params,
  values: {
    entropy:
      '[layer][head]: mean entropy in nats of what a query attends to; 0 (one token) to the logarithm of the tokens it sees',
    normalizedEntropy:
      '[layer][head]: the same as a share of what each query could reach, 0 to 1; in causal maps query i of i tokens, the first one left out',
    sink: '[layer][head]: share of attention that queries after the first give to the first token, 0 to 1',
    strongest: '[layer][head]: largest share of attention, over queries, that any one token gets',
    rank: '[layer][head]: effective rank of the map, 1 (all queries alike) to the number of tokens',
    meanEntropy: '[layer]: the normalised entropy, averaged over heads',
    causal: '[layer]: whether no query attends to later tokens',
    bands:
      'share of heads whose normalised entropy is in each quarter of 0 to 1, the lowest first: collapse at one end, overload at the other',
    dormant: 'heads whose sink is above the threshold: layer, head (from 0) and sink',
    sinkByClass:
      'where samples have labels: class → [layer][head], the sink over its samples alone',
  },
  headline: 'meanEntropy',
  formula: `A the attention probabilities of a head over one sample of T tokens, padding left out; every value is the mean over samples, those of one token left out.
entropy = −(1/T) Σ_i Σ_j A_ij log A_ij, 0·log 0 = 0 (Zhai et al. 2023).
normalizedEntropy: of a causal map (nothing given to later tokens) the mean over i = 2 … T of the entropy of row i over log i; of others entropy / log T.
sink = mean_{i≥2} A_i1; strongest = max_j (1/T) Σ_i A_ij; dormant: sink > threshold (Guo et al. 2024).
rank = (Σσ²)²/Σσ⁴ = ‖A‖_F⁴/‖AᵀA‖_F² over singular values σ of A.
Uniform causal attention has entropy log(T!)/T and a normalised entropy of 1.
For models the sums are taken within the model’s own graph, in float32: the maps do not leave the device. A file is heads × tokens × tokens, layers × heads × tokens × tokens, or layers × samples × heads × tokens × tokens.`,
  invariances: ['permutation of the tokens, the first kept (all but causal maps)'],
  misleads:
    'Entropy grows with the number of tokens: compare probes of equal length, or the normalised one. Sliding windows allow less than normalizedEntropy assumes. The first token is a sink in many models without being of use: a dormant head on these samples may be busy on others, so look at several classes. Attention is not what a head does to the output: its values may be near zero.',
  citation:
    'Zhai et al., Stabilizing Transformer Training by Preventing Attention Entropy Collapse, ICML 2023; Jha and Reagen, Entropy-Guided Attention for Private LLMs, 2025; Guo et al., Active-Dormant Attention Heads: Mechanistically Demystifying Extreme-Token Phenomena in LLMs, 2024',

  async run(sides, { threshold }, context) {
    const side = sides[0]!;
    const layers: LayerAttention[] = [];
    for (const [index, layer] of side.layers.entries()) {
      await context.step(index / side.layers.length, `Attention of ${layer.label}`);
      layers.push(await layerAttention(layer, context));
    }
    const byClass = await sinkByClass(side);
    const dormant = layers.flatMap(({ label, sink }) =>
      sink.flatMap((value, head) =>
        value !== null && value > threshold ? [{ layer: label, head, sink: value }] : [],
      ),
    );
    const bands = bandsOf(layers);
    return {
      values: {
        ...Object.fromEntries(
          measures.map((key) => [key, layers.map((layer) => layer[key])] as const),
        ),
        meanEntropy: layers.map(({ normalizedEntropy }) => meanOfHeads(normalizedEntropy)),
        causal: layers.map(({ causal }) => causal),
        bands,
        dormant,
        ...(byClass ? { sinkByClass: byClass } : {}),
      },
      estimator: 'attention.row-entropy',
      preprocessing: 'padding left out',
      views: attentionViews(side, layers, dormant, bands, byClass),
    };
  },
};

const meanOfHeads = (values: readonly Real[]): Real =>
  real(mean(values.filter((value) => value !== null)));

const measures = ['entropy', 'normalizedEntropy', 'sink', 'strongest', 'rank'] as const;

/** Per head, the mean over samples. */
export interface LayerAttention extends Record<(typeof measures)[number], Real[]> {
  label: string;
  causal: boolean;
}

export interface DormantHead {
  layer: string;
  head: number;
  sink: number;
}

/** Attention to later tokens above which a map is not causal: softmax leaves some rounding. */
const aheadTolerance = 1e-6;
const at = (name: AttentionStatistic) => attentionStatistics.indexOf(name);

/** A sample of one token is one whose map adds up to about 1. */
const isSequence = (mass: number) => mass > 1.5;

async function layerAttention(layer: NamedRows, context: AnalysisContext): Promise<LayerAttention> {
  const rows = await layer.rows(0, layer.n);
  const heads = layer.sample![0]!;
  const width = attentionStatistics.length;
  let ahead = 0;
  const samples: number[] = [];
  for (let sample = 0; sample < layer.n; sample++) {
    const start = sample * layer.d;
    if (isSequence(rows[start + at('mass')]!)) samples.push(sample);
    for (let head = 0; head < heads; head++) {
      ahead = Math.max(ahead, rows[start + head * width + at('ahead')]!);
    }
  }
  if (samples.length < layer.n) {
    context.warn(
      `${layer.label}: ${layer.n - samples.length} of ${layer.n} samples have one token and are left out`,
    );
  }
  const causal = ahead <= aheadTolerance;
  const meanOf = (name: AttentionStatistic) =>
    Array.from({ length: heads }, (_, head) =>
      real(
        samples.reduce(
          (sum, sample) => sum + rows[sample * layer.d + head * width + at(name)]!,
          0,
        ) / samples.length,
      ),
    );
  return {
    label: layer.label,
    causal,
    entropy: meanOf('entropy'),
    normalizedEntropy: meanOf(causal ? 'causalEntropy' : 'fullEntropy'),
    sink: meanOf('sink'),
    strongest: meanOf('strongest'),
    rank: meanOf('rank'),
  };
}

const quarters = 4;

function bandsOf(layers: readonly LayerAttention[]): number[] {
  const shares = layers.flatMap(({ normalizedEntropy }) =>
    normalizedEntropy.filter((value) => value !== null),
  );
  const counts = Array<number>(quarters).fill(0);
  for (const share of shares) {
    counts[Math.min(quarters - 1, Math.floor(Math.max(0, share) * quarters))]! += 1;
  }
  return counts.map((count) => count / Math.max(1, shares.length));
}

/** More classes than this are not told apart one by one. */
const mostClasses = 50;

async function sinkByClass(side: Side): Promise<Record<string, Real[][]> | undefined> {
  const distinct = new Set(side.labels).size;
  if (distinct < 2 || distinct > mostClasses) return undefined;
  const { names, index } = classesOf(side);
  const byClass: Record<string, Real[][]> = Object.fromEntries(names.map((name) => [name, []]));
  const width = attentionStatistics.length;
  for (const layer of side.layers) {
    const rows = await layer.rows(0, layer.n);
    const heads = layer.sample![0]!;
    names.forEach((name, which) => {
      const sums = new Float64Array(heads);
      let count = 0;
      for (let sample = 0; sample < layer.n; sample++) {
        const start = sample * layer.d;
        if (index[sample] !== which || !isSequence(rows[start + at('mass')]!)) continue;
        count++;
        for (let head = 0; head < heads; head++) {
          sums[head]! += rows[start + head * width + at('sink')]!;
        }
      }
      byClass[name]!.push(Array.from(sums, (sum) => real(sum / count)));
    });
  }
  return byClass;
}
