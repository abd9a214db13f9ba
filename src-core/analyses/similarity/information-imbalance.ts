import { z } from 'zod';
import { distances } from '../../engine/kernels.ts';
import type { View } from '../../results/schema.ts';
import { blocks } from '../blocks.ts';
import { warnCopies } from '../copies.ts';
import type { AnalysisContext, AnalysisDefinition } from '../definition.ts';
import { bootstrap, seed } from '../parameters.ts';
import { mean } from '../statistics.ts';
import { comparePairs, type PairMeasure, type Step } from './pairs.ts';
import { callBudget } from '../../engine/call-budget.ts';

const params = z.object({ bootstrap, seed });

/** Squared distances this much apart, relatively, are the same. */
const tie = 1e-12;
/** Squared distances below this share of the largest have lost digits. */
const uncertain = 1e-8;
/** Elements looked at between two steps. */
const stepElements = 2e7;

export const informationImbalance: AnalysisDefinition<typeof params> = {
  id: 'information-imbalance',
  family: 'similarity',
  title: 'Information imbalance',
  summary:
    'Whether neighbours in one representation predict those of the other, in each direction.',
  arity: 2,
  params,
  values: {
    aToB: 'imbalance from the first to the second: near 0 where the first’s nearest neighbours are near in the second, about 1 where they say nothing of it',
    bToA: 'imbalance from the second to the first',
  },
  headline: 'aToB',
  formula: `Δ(A → B) = (2/n²)·Σ_i rank_B(i, nn_A(i)): nn_A(i) is the nearest other sample of i by Euclidean distance in A, rank_B(i, j) the place of j among the others by distance to i in B, from 1 to n − 1; ties by the lower index (Glielmo et al. 2022).
Of a representation with itself it is 2/n. Both small: the same neighbourhoods. aToB small and bToA large: A holds what B does and more.
Interval (of aToB): copies of a sample would be each other’s neighbours, so that nothing is drawn with replacement. The imbalance is found again among random halves of the samples, over which an average varies as much as over new samples; the 2.5 % and 97.5 % percentiles of its deviations from the halves’ mean are laid around the estimate of all samples.`,
  invariances: [
    'orthogonal transformation of either side (rotation, reflection, permutation of units)',
    'isotropic scaling of either side',
    'translation of either side',
    'any monotone change of a side’s distances',
    'the same permutation of the samples of both sides',
  ],
  invariantTo: ['permutation', 'orthogonal', 'scaling', 'translation'],
  misleads:
    'Only the first neighbour counts, which noise moves: noise of one side alone raises the imbalance from that side. Samples that repeat have arbitrary first neighbours. A direction of large variance hides others: scale units first where their scale means nothing.',
  citation:
    'Glielmo, Zeni, Cheng, Csányi and Laio, Ranking the information content of distance measures, PNAS Nexus 2022',

  async run(sides, settings, context) {
    const outcome = await comparePairs(sides, measure(context), settings, context);
    return {
      ...outcome,
      estimator: 'information-imbalance.euclidean',
      preprocessing: 'none; Euclidean distances',
      views: [...outcome.views, ...plane(outcome.values)],
    };
  },
};

interface Distances {
  /** Squared, of all samples, size × size. */
  squares: Float64Array;
  size: number;
  /** The samples looked at. */
  members: Int32Array;
  /** The sample nearest to each member, a member too. */
  nearest: Int32Array;
}

function measure(context: AnalysisContext): PairMeasure<Distances> {
  return {
    key: 'aToB',
    name: 'information imbalance',
    distance: true,
    leastSamples: 3,
    varying: ['aToB', 'bToA'],
    bytes: ({ n, d }) => 8 * n * (n + 2 * d),
    drawBytes: ({ n }) => 8 * n,
    async prepare(rows, _, step) {
      const { n, d } = rows;
      const data = (await rows.centred('float64').rows(0, n)) as Float64Array;
      await warnCopies(rows.label, data, rows.d, context, () => step(0));
      const squares = new Float64Array(n * n);
      const size = Math.max(16, Math.min(2048, Math.floor(Math.sqrt(callBudget / d))));
      for (const [start, end] of blocks(n, size)) {
        const left = data.subarray(start * d, end * d);
        for (const [from, to] of blocks(n, size)) {
          const tile = await distances(context.engine, d, left, data.subarray(from * d, to * d));
          for (let row = start; row < end; row++) {
            const at = (row - start) * (to - from);
            squares.set(tile.subarray(at, at + to - from), row * n + from);
          }
          await step((0.8 * (start + ((end - start) * to) / n)) / n);
        }
      }
      await separateCopies(squares, data, n, d, (part) => step(0.8 + 0.1 * part));
      const all = Int32Array.from({ length: n }, (_, at) => at);
      return among(squares, n, all, (part) => step(0.9 + 0.1 * part));
    },
    async compare(a, b, step) {
      const forward = mean(await ranks(a, b, (part) => step(part / 2)));
      const backward = mean(await ranks(b, a, (part) => step(0.5 + part / 2)));
      return [
        { aToB: forward, bToA: backward },
        { aToB: backward, bToA: forward },
      ];
    },
    draws: 'halves',
    resample: ({ squares, size }, samples, step) => among(squares, size, samples, step),
  };
}

/** Distances by products do not tell copies from samples that are very near: measure those again. */
async function separateCopies(
  squares: Float64Array,
  data: Float64Array,
  n: number,
  d: number,
  step: Step,
): Promise<void> {
  let largest = 0;
  for (const square of squares) largest = Math.max(largest, square);
  const near = uncertain * largest;
  for (const [start, end] of rowBlocks(n, n)) {
    for (let at = start * n; at < end * n; at++) {
      if (squares[at]! > near) continue;
      let sum = 0;
      for (let a = Math.floor(at / n) * d, b = (at % n) * d, j = 0; j < d; j++) {
        sum += (data[a + j]! - data[b + j]!) ** 2;
      }
      squares[at] = sum;
    }
    await step(end / n);
  }
}

const rowBlocks = (rows: number, width: number) =>
  blocks(rows, Math.max(1, Math.floor(stepElements / width)));

/** Of the members, the nearest other of each, the first of those that are equally near. */
async function among(
  squares: Float64Array,
  size: number,
  members: Int32Array,
  step: Step,
): Promise<Distances> {
  const nearest = new Int32Array(members.length);
  for (const [start, end] of rowBlocks(members.length, members.length)) {
    for (let at = start; at < end; at++) {
      const row = members[at]!;
      let least = Infinity;
      for (let k = 0; k < members.length; k++) {
        const square = squares[row * size + members[k]!]!;
        if (k !== at && square < least) least = square;
      }
      const limit = least * (1 + tie);
      nearest[at] = members.find((j) => j !== row && squares[row * size + j]! <= limit)!;
    }
    await step(end / members.length);
  }
  return { squares, size, members, nearest };
}

/** 2/n times the rank in b of each sample's nearest neighbour in a, n the number of members. */
async function ranks(
  { nearest }: Distances,
  { squares, size, members }: Distances,
  step: Step,
): Promise<Float64Array> {
  const n = members.length;
  const terms = new Float64Array(n);
  for (const [start, end] of rowBlocks(n, n)) {
    for (let at = start; at < end; at++) {
      const row = members[at]!;
      const neighbour = nearest[at]!;
      const target = squares[row * size + neighbour]!;
      const [below, above] = [target * (1 - tie), target * (1 + tie)];
      let rank = 1;
      for (let k = 0; k < n; k++) {
        const j = members[k]!;
        const square = squares[row * size + j]!;
        if (j !== row && (square < below || (square <= above && j < neighbour))) rank++;
      }
      terms[at] = (2 * rank) / n;
    }
    await step(end / n);
  }
  return terms;
}

/** Both directions of every pair: the plane of the paper's figures. */
function plane({ aToB, bToA }: Record<string, unknown>): View[] {
  if (!Array.isArray(aToB)) return [];
  const flat = (matrix: unknown) => (matrix as (number | null)[][]).flat();
  const backward = flat(bToA);
  return [
    {
      kind: 'scatter',
      title: 'Information imbalance in both directions',
      x: { name: 'first → second' },
      y: { name: 'second → first' },
      series: [
        {
          name: 'pairs of layers',
          points: flat(aToB).map((forward, at) => [forward, backward[at] ?? null]),
        },
      ],
      square: true,
    },
  ];
}
