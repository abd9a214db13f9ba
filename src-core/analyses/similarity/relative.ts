import { z } from 'zod';
import type { View } from '../../results/schema.ts';
import type { AnalysisContext, AnalysisDefinition } from '../definition.ts';
import { permutations, seed } from '../parameters.ts';
import { Random } from '../random.ts';
import { comparePairs, type PairMeasure } from './pairs.ts';
import { gatherRows, rowProduct, type Columns } from './products.ts';
import { directed, meanJaccard, retrievalScores, retrieve, toUnitRows } from './retrieval.ts';

const params = z.object({
  anchors: z
    .int()
    .min(2)
    .max(1_000_000)
    .default(300)
    .describe('Samples that the others are described by; at most half of all'),
  center: z
    .boolean()
    .default(false)
    .describe('Subtract the mean over samples first; the paper does not'),
  permutations,
  seed,
});

/** Neighbours whose overlap is measured. */
const neighbours = 10;
const least = 2 * neighbours;

export const relative: AnalysisDefinition<typeof params> = {
  id: 'relative',
  family: 'similarity',
  title: 'Relative representations',
  summary:
    'Whether samples lie alike to the same anchors in two representations, so that one could stand in for the other.',
  arity: 2,
  params,
  values: {
    cosine: 'mean cosine between the two relative representations of a sample',
    jaccard: `overlap |P ∩ Q|/|P ∪ Q| of the ${neighbours} nearest in the first space and in the second, of samples as the first describes them`,
    mrr: 'mean reciprocal rank of the sample itself among those of the second space, by likeness to its description in the first; directed',
  },
  headline: 'cosine',
  formula: `Anchors a_1 … a_m are the same samples on both sides, drawn at random (seed); all other samples are described by r_x = (cos(x, a_1), …, cos(x, a_m)) (Moschella et al. 2023, eq. 1).
cosine: mean of cos(r_x, r′_x). jaccard: of r_x the ${neighbours} nearest (by cosine, itself among them; at most half of the samples) among all r and among all r′. mrr: mean of 1/rank of r′_x among all r′ by cosine with r_x; those as near share the mean of their ranks.
Samples that are zero on either side have no direction and are left out; anchors that are describe nothing.
Null: the samples of the second side are permuted; p = (1 + #{null ≥ observed}) / (1 + permutations), of the cosine.`,
  invariances: [
    'orthogonal transformation of either side (rotation, reflection, permutation of units)',
    'isotropic scaling of either side, and of each sample by its own positive factor (without center)',
    'with center: translation of either side',
  ],
  invariantTo: ['permutation', 'orthogonal', 'scaling'],
  misleads:
    'Cosines change under a shift of the origin: where all samples point one way (a large mean, a few massive units) every cosine is near 1, and so is this one; then look at jaccard and mrr, or set center. Anchors of one kind describe the others badly. mrr near 1 is easily reached with many anchors and few samples.',
  citation:
    'Moschella, Maiorca, Fumero, Norelli, Locatello and Rodolà, Relative representations enable zero-shot latent space communication, ICLR 2023',

  async run(sides, { anchors, center, permutations, seed }, context) {
    const n = sides[0]?.layers[0]?.n ?? 0;
    const most = Math.floor(n / 2);
    const count = Math.min(anchors, most);
    if (count < anchors && n >= least) {
      context.warn(`${anchors} anchors are more than half of ${n} samples: ${count} are taken`);
    }
    const order = new Random(seed).permutation(n);
    const split = { anchors: order.slice(0, count), others: order.slice(count).sort() };
    const draws = { permutations, seed };
    return {
      ...(await comparePairs(sides, relativeMeasure(split, center, context), draws, context)),
      estimator: `relative.${count}`,
      preprocessing: center ? 'columns centred, rows of unit length' : 'rows of unit length',
    };
  },
};

interface Split {
  anchors: Int32Array;
  others: Int32Array;
}

interface Described {
  /** All samples, rows of unit length. */
  samples: Columns;
  /** The samples that are no anchors, described by those that are: rows of unit length. */
  relative?: Columns;
  moved?: Int32Array;
}

export function relativeMeasure(
  { anchors, others }: Split,
  center: boolean,
  context: AnalysisContext,
): PairMeasure<Described> {
  const { engine } = context;
  const warned = new Set<string>();
  const describe = async ({ samples, moved, relative }: Described): Promise<Columns> => {
    if (relative) return relative;
    const of = (rows: Int32Array) =>
      gatherRows(samples, moved ? rows.map((row) => moved[row]!) : rows, false);
    const pause = () => Promise.resolve();
    const data = await rowProduct(engine, of(others), of(anchors), pause);
    const described = { n: others.length, width: anchors.length, data };
    toUnitRows(described);
    return described;
  };
  const cosines = (a: Columns, b: Columns): Float64Array => {
    const found = new Float64Array(a.n);
    for (let row = 0, at = 0; row < a.n; row++) {
      let [sum, left, right] = [0, 0, 0];
      for (const end = at + a.width; at < end; at++) {
        sum += a.data[at]! * b.data[at]!;
        left += a.data[at]! ** 2;
        right += b.data[at]! ** 2;
      }
      found[row] = left > 0 && right > 0 ? sum : NaN;
    }
    return found;
  };
  const meanOf = (values: Float64Array) => {
    const known = values.filter((value) => !Number.isNaN(value));
    return known.reduce((sum, value) => sum + value, 0) / known.length;
  };
  return {
    key: 'cosine',
    name: 'cosine of relative representations',
    range: [-1, 1],
    leastSamples: least,
    varying: ['cosine', 'jaccard', 'mrr'],
    bytes: ({ n, d }) => 8 * (2 * n * d + others.length * anchors.length),
    async prepare(rows, _, step) {
      const source = center ? rows.centred('float64') : rows.uncentred('float64');
      const data = (await source.rows(0, rows.n)) as Float64Array;
      const samples = { n: rows.n, width: rows.d, data };
      const zeros = toUnitRows(samples);
      if (zeros > 0 && !warned.has(rows.label)) {
        context.warn(
          `${rows.label}: ${zeros} of ${rows.n} samples are zero, have no direction, and are left out`,
        );
        warned.add(rows.label);
      }
      await step(0.5);
      return { samples, relative: await describe({ samples }) };
    },
    async compare(a, b, step) {
      const [x, y] = [await describe(a), await describe(b)];
      const both = directed(y);
      const used = directed(x).map((value, row) => value & both[row]!);
      const cosine = meanOf(cosines(x, y));
      const k = Math.min(
        neighbours,
        used.reduce((sum, value) => sum + value, 0),
      );
      const search = (from: Columns, to: Columns, part: number) =>
        retrieve(engine, from, to, used, k, (fraction) => step((part + fraction) / 4));
      const own = [await search(x, x, 0), await search(y, y, 1)] as const;
      const across = [await search(x, y, 2), await search(y, x, 3)] as const;
      const valuesOf = (way: 0 | 1) => ({
        cosine,
        jaccard: meanJaccard(own[way].nearest, across[way].nearest, used, k),
        mrr: retrievalScores(across[way].ranks).mrr,
      });
      return [valuesOf(0), valuesOf(1)];
    },
    score: async (a, b) => meanOf(cosines(await describe(a), await describe(b))),
    permute: ({ samples }, order) => ({ samples, moved: order }),
    views: (values, a, b) => [
      {
        kind: 'bars',
        title: 'How alike relative representations are',
        x: { name: 'measure', values: ['cosine', 'jaccard', 'mrr'] },
        y: { name: 'value' },
        series: [
          {
            name: 'value',
            values: ['cosine', 'jaccard', 'mrr'].map((key) => values[key] as number | null),
          },
        ],
      },
      ...(a.relative && b.relative ? [histogram(cosines(a.relative, b.relative))] : []),
    ],
  };
}

const bins = 40;

function histogram(cosines: Float64Array): View {
  const counts = new Array<number>(bins).fill(0);
  for (const cosine of cosines) {
    if (Number.isNaN(cosine)) continue;
    counts[Math.max(0, Math.min(bins - 1, Math.floor(((cosine + 1) / 2) * bins)))]! += 1;
  }
  return {
    kind: 'histogram',
    title: 'Samples by the cosine of their relative representations',
    x: { name: 'cosine' },
    edges: Array.from({ length: bins + 1 }, (_, at) => -1 + (2 * at) / bins),
    counts,
  };
}
