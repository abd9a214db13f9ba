import { z } from 'zod';
import type { Real } from '../../results/schema.ts';
import { Matrix, type RowSource } from '../../tensor/matrix.ts';
import { classesOf, type Classes } from '../classes.ts';
import type { AnalysisContext, AnalysisDefinition } from '../definition.ts';
import { checkRows, layerValues, type CheckedRows } from '../layers.ts';
import { requireMemory } from '../memory.ts';
import { nearestNeighbours } from '../neighbours.ts';
import { seed } from '../parameters.ts';
import { Random } from '../random.ts';
import { warnConstantUnits } from '../warnings.ts';
import { principalComponents } from './projection-pca.ts';
import { parsePrefixes, powersOfTwo, UnitPrefix } from './truncation-prefixes.ts';
import { truncationViews } from './truncation-views.ts';

const leastSamples = 4;

const params = z.object({
  prefixes: z
    .string()
    .default('')
    .refine(
      (text) => text === '' || parsePrefixes(text) !== undefined,
      "whole numbers from 1 as '8,16,32'",
    )
    .describe("Numbers of leading units to keep, as '8,16,32'; empty for powers of two up to all"),
  k: z
    .int()
    .min(1)
    .max(1000)
    .default(10)
    .describe('Neighbours of each sample whose overlap with those of all units is counted'),
  seed,
});
type Params = z.infer<typeof params>;

/** How well one choice of units, or of components, keeps what all of them hold. */
interface Kept {
  /** Share of samples whose nearest other one has their class; null without labels. */
  accuracy: Real;
  overlap: Real;
}

export interface LayerTruncation {
  label: string;
  prefixes: number[];
  leading: Kept[];
  components: Kept[];
  random: Kept[];
}

export const truncation: AnalysisDefinition<typeof params> = {
  id: 'truncation',
  family: 'geometry',
  title: 'Truncation of units',
  summary: 'How much of a representation its first units hold, against as many others.',
  arity: 1,
  labels: 'optional',
  params,
  values: {
    prefixes: 'numbers of leading units that were kept',
    accuracy:
      'share of samples whose nearest other sample in the prefix has the same label; null without labels',
    overlap:
      'mean share of the k nearest neighbours in the prefix that are among the k of all units',
    pca: 'the same for as many principal components: accuracy where samples have labels, else overlap',
    random: 'the same for as many units chosen at random, each choice part of the next',
  },
  headline: 'overlap',
  formula: `z_i[:m] the first m units of sample i, scaled to unit length after truncation (Kusupati et al. 2022); neighbours are the nearest other samples by the cosine, ties to the lower index.
accuracy[m] = share of samples whose nearest neighbour in z[:m] has their label, each left out in turn.
overlap[m] = mean_i |N_k(z_i[:m]) ∩ N_k(z_i)|/k.
pca[m]: the first m principal components of the centred samples in place of the first m units, scaled alike; random[m]: the first m units of one random order (seed).`,
  invariances: [
    'isotropic scaling',
    'permutation of the samples (but for ties)',
    'scaling of each sample (all but pca)',
  ],
  invariantTo: ['scaling'],
  misleads:
    'A rotation that mixes all units lowers only short prefixes, since a random projection keeps most neighbours: compare curves, do not expect a collapse. pca is fitted to the samples that it is judged by. Copies and near copies of samples make accuracy easy. A prefix of one unit is a sign.',
  citation:
    'Kusupati, Bhatt, Rege, Wallingford, Sinha, Ramanujan, Howard-Snyder, Chen, Kakade, Jain and Farhadi, Matryoshka Representation Learning, NeurIPS 2022',

  async run(sides, settings, context) {
    const side = sides[0]!;
    const classes = side.labels ? classesOf(side) : undefined;
    const layers: LayerTruncation[] = [];
    const checked: CheckedRows[] = [];
    for (const [index, layer] of side.layers.entries()) {
      const step = (fraction: number) =>
        context.step((index + fraction) / side.layers.length, `Prefixes of ${layer.label}`);
      const rows = await checkRows(layer, context, leastSamples);
      checked.push(rows);
      layers.push(await truncated(rows, classes, settings, context, step));
    }
    warnConstantUnits(checked, context);
    const pick = ({ accuracy, overlap }: Kept) => (classes ? accuracy : overlap);
    return {
      values: layerValues(
        side,
        layers.map(({ prefixes, leading, components, random }) => ({
          prefixes,
          accuracy: classes ? leading.map(({ accuracy }) => accuracy) : null,
          overlap: leading.map(({ overlap }) => overlap),
          pca: components.map(pick),
          random: random.map(pick),
        })),
      ),
      estimator: classes ? '1-nn.leave-one-out.cosine' : 'knn-overlap.cosine',
      preprocessing: 'prefixes scaled to unit length; columns centred for pca',
      views: truncationViews(side, layers, classes !== undefined),
    };
  },
};

type Step = (fraction: number) => Promise<void>;

async function truncated(
  rows: CheckedRows,
  classes: Classes | undefined,
  { prefixes, k: wanted, seed: from }: Params,
  context: AnalysisContext,
  step: Step,
): Promise<LayerTruncation> {
  const { n, d, label } = rows;
  const asked = parsePrefixes(prefixes) ?? powersOfTwo(d);
  const sizes = asked.filter((size) => size <= d);
  if (sizes.length < asked.length) {
    context.warn(`${label}: prefixes above its ${d} units are left out`);
  }
  const k = Math.min(wanted, n - 1);
  if (k < wanted) context.warn(`${label}: ${n} samples have ${k} neighbours each, not ${wanted}`);
  requireMemory(context, 40 * n * d, `${label}: ${n} samples of ${d} units`, 'use fewer samples');
  const tasks = 3 * sizes.length + 2;
  let done = 0;
  const part = (fraction: number) => step((done + fraction) / tasks);

  const zeros: ZeroRows[] = [];
  const inOrder = Int32Array.from({ length: d }, (_, j) => j);
  const full = await neighboursIn(context, zeros, label, rows.uncentred(), inOrder, k, part);
  done++;
  const judge = async (source: RowSource, units: Int32Array): Promise<Kept> => {
    const found = await neighboursIn(context, zeros, label, source, units, k, part);
    done++;
    return {
      accuracy: classes ? sameClass(found, k, classes.index) : null,
      overlap: shared(found, full, k),
    };
  };
  const leading: Kept[] = [];
  for (const size of sizes) leading.push(await judge(rows.uncentred(), inOrder.slice(0, size)));
  const { scores, count } = await principalComponents(
    context.engine,
    rows,
    Math.max(0, ...sizes),
    part,
  );
  done++;
  const components: Kept[] = [];
  const rotated = new Matrix(n, count, scores);
  for (const size of sizes) {
    components.push(await judge(rotated, inOrder.slice(0, Math.min(size, count))));
  }
  const order = new Random(from).permutation(d);
  const random: Kept[] = [];
  for (const size of sizes) random.push(await judge(rows.uncentred(), order.slice(0, size)));
  warnOfZeros(label, n, zeros, context);
  return { label, prefixes: sizes, leading, components, random };
}

/** Samples without a direction in one choice of units. */
interface ZeroRows {
  units: number;
  rows: number;
}

function warnOfZeros(
  label: string,
  n: number,
  zeros: readonly ZeroRows[],
  context: AnalysisContext,
): void {
  const some = zeros.filter(({ rows }) => rows > 0);
  if (some.length === 0) return;
  const [units, rows] = [some.map((at) => at.units), some.map((at) => at.rows)];
  context.warn(
    `${label}: samples that are zero in every unit kept have no direction: up to ${Math.max(...rows)} of ${n}, where ${Math.max(...units)} units or fewer are kept`,
  );
}

/** The k nearest others of each sample by the cosine over some units; n × k. */
async function neighboursIn(
  context: AnalysisContext,
  zeros: ZeroRows[],
  label: string,
  source: RowSource,
  units: Int32Array,
  k: number,
  step: Step,
): Promise<Int32Array> {
  const prefix = new UnitPrefix(label, source, units);
  const checked = await checkRows(prefix, { ...context, step: () => step(0) }, leastSamples);
  zeros.push({ units: units.length, rows: prefix.zeroRows });
  return (await nearestNeighbours(context.engine, checked, k, step)).indices;
}

function sameClass(neighbours: Int32Array, k: number, classes: Int32Array): number {
  let same = 0;
  for (let i = 0; i < classes.length; i++) {
    if (classes[neighbours[i * k]!] === classes[i]) same++;
  }
  return same / classes.length;
}

function shared(a: Int32Array, b: Int32Array, k: number): number {
  let count = 0;
  const of = new Int32Array(a.length / k).fill(-1);
  for (let start = 0, i = 0; start < a.length; start += k, i++) {
    for (let at = start; at < start + k; at++) of[b[at]!] = i;
    for (let at = start; at < start + k; at++) if (of[a[at]!] === i) count++;
  }
  return count / a.length;
}
