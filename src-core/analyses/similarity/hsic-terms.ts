import type { Engine } from '../../engine/device-engine.ts';
import type { RowSource } from '../../tensor/matrix.ts';
import type { AnalysisContext } from '../definition.ts';
import { blocks } from '../blocks.ts';
import type { CheckedRows } from '../layers.ts';
import { requireMemory } from '../memory.ts';
import { Random } from '../random.ts';
import { featureFormIsCheaper, featureSums } from './feature-sums.ts';
import { heldBytes, hold, rangeOf } from './held-rows.ts';
import { CentredMatrices, hsic, type Estimator } from './hsic.ts';
import { BootstrapHsic, permutedHsic, type Permutations } from './hsic-resampling.ts';
import {
  gramSums,
  medianSquaredDistance,
  typeOfKernels,
  type Kernel,
  type Pair,
  type Tick,
} from './kernel-sums.ts';

/** HSIC₁ divides by n − 3. */
export const leastSamples = 4;
/** Bytes for tiles and rows below which little can be computed, whatever the bound. */
const leastMemory = 2 ** 25;
/** Bootstrap draws that one engine call serves. */
const drawsPerCall = 200;

/** Which kernel pairs are computed, and where each cell of the layers × layers matrix is found. */
export interface PairPlan {
  /** Cells of the matrix; for one side with itself the upper triangle. */
  targets: readonly Pair[];
  /** Targets and then the self terms that are not among them. */
  pairs: readonly Pair[];
  indexOf(i: number, j: number): number;
  targetOf(row: number, column: number): number;
}

/** Kernels are numbered rows first, then columns; one side with itself has rows only. */
export function planPairs(rows: number, columns: number, self: boolean): PairPlan {
  const shift = self ? 0 : rows;
  const index = new Map<string, number>();
  const pairs: Pair[] = [];
  const add = (i: number, j: number) => {
    if (index.has(`${i},${j}`)) return;
    index.set(`${i},${j}`, pairs.length);
    pairs.push([i, j]);
  };
  for (let i = 0; i < rows; i++) for (let j = self ? i : 0; j < columns; j++) add(i, shift + j);
  const targets = [...pairs];
  for (let i = 0; i < shift + columns; i++) add(i, i);
  const indexOf = (i: number, j: number) => index.get(`${i},${j}`)!;
  return {
    targets,
    pairs,
    indexOf,
    targetOf: (row, column) =>
      self && column < row ? indexOf(column, row) : indexOf(row, shift + column),
  };
}

export interface HsicSettings {
  /** Whose memory it is. */
  id: string;
  kernel: 'linear' | 'rbf' | 'distance';
  /** Multiple of the root of the median squared distance. */
  bandwidth: number;
  estimator: Estimator;
  /** Samples of a minibatch; 0 for all at once. */
  batch: number;
  permutations: number;
  bootstrap: number;
  seed: number;
}

interface RangeTerms {
  /** HSIC of each pair of the plan. */
  observed: Float64Array;
  /** [target][draw]. */
  permuted: Float64Array[];
  /** [pair][draw]. */
  resampled: Float64Array[];
}

export interface HsicTerms extends RangeTerms {
  /** Minibatches averaged over; 0 where all samples are taken at once. */
  batches: number;
}

/**
 * HSIC of every pair of the plan, over all samples or averaged over minibatches, with permuted and
 * resampled values where asked for.
 * @throws UserError `memory` where permutations need more than the bound.
 */
export async function hsicTerms(
  layers: readonly CheckedRows[],
  plan: PairPlan,
  settings: HsicSettings,
  context: AnalysisContext,
): Promise<HsicTerms> {
  const n = layers[0]!.n;
  const whole = settings.batch === 0 || settings.batch >= n;
  const size = whole ? n : settings.batch;
  const ranges = [...blocks(n, size)].filter(([start, end]) => end - start === size);
  if (n % size !== 0) {
    context.warn(`minibatches of ${size}: the last ${n % size} of ${n} samples are left out`);
  }
  const memory = checkMemory(size, layers, plan, settings, context);

  let done = 0;
  const tick: Tick = (share) => {
    done += share / ranges.length;
    return context.step(Math.min(done, 1), 'Comparing layers');
  };
  const order = new Random(settings.seed);
  const resample = new Random(settings.seed + 2 ** 32);
  const parts: RangeTerms[] = [];
  for (const range of ranges) {
    const wanted = {
      ...settings,
      permutations: { count: settings.permutations, next: () => order.permutation(size) },
      // Minibatches are themselves what is resampled.
      bootstrap: whole ? settings.bootstrap : 0,
      random: resample,
    };
    const rows: RowSource[] = [];
    for (const layer of layers) {
      if (!whole) rows.push(rangeOf(await layer.centredOver(range), range));
      else rows.push(layer.centred(dtypeOf(settings, layer)));
    }
    parts.push(await rangeTerms(context.engine, rows, plan, memory, wanted, tick));
  }
  return {
    observed: average(parts.map(({ observed }) => observed)),
    permuted: plan.targets.map((_, target) => average(parts.map((part) => part.permuted[target]!))),
    resampled: whole
      ? parts[0]!.resampled
      : resampleBatches(parts, plan.pairs.length, settings.bootstrap, resample),
    batches: whole ? 0 : ranges.length,
  };
}

/** Roots of small squares lose half the digits of float32. */
const dtypeOf = ({ kernel }: HsicSettings, layer: CheckedRows) =>
  kernel === 'distance' ? 'float64' : layer.centred().dtype;

/**
 * Bytes that are left for tiles and rows beside what draws need.
 * @throws UserError `memory` where draws alone need more than there is.
 */
function checkMemory(
  n: number,
  layers: readonly CheckedRows[],
  { pairs, targets }: PairPlan,
  settings: HsicSettings,
  context: AnalysisContext,
): number {
  const { id, permutations, bootstrap } = settings;
  const type = typeOfKernels(
    layers.map((layer) => ({ rows: layer.centred(dtypeOf(settings, layer)) })),
  );
  const count = layers.length;
  const remedy = 'set batch, or use fewer samples or layers';
  let bytes = 0;
  if (permutations > 0) {
    bytes += CentredMatrices.bytes(n, count, type) + 8 * targets.length * permutations;
    requireMemory(context, bytes, `${id}: ${count} kernel matrices of ${n} × ${n}`, remedy);
  }
  if (bootstrap > 0) {
    bytes += BootstrapHsic.bytes(n, count, bootstrap) + 8 * pairs.length * bootstrap;
    requireMemory(context, bytes, `${id}: draws of ${count} kernels over ${n} samples`, remedy);
  }
  return Math.max(leastMemory, context.memoryLimit - bytes);
}

/** Kernels over rows, with the scale that an RBF kernel takes from their distances. */
async function kernelsOf(
  engine: Engine,
  layers: readonly RowSource[],
  { kernel, bandwidth }: Pick<HsicSettings, 'kernel' | 'bandwidth'>,
  tick: Tick,
): Promise<Kernel[]> {
  const kernels: Kernel[] = [];
  for (const rows of layers) {
    if (kernel !== 'rbf') {
      kernels.push({ rows, distance: kernel === 'distance' });
      continue;
    }
    const share: Tick = (part) => tick(part / layers.length);
    const median = await medianSquaredDistance(engine, rows, share);
    kernels.push({ rows, gamma: median > 0 ? 1 / (2 * bandwidth ** 2 * median) : 0 });
  }
  return kernels;
}

interface Wanted extends Pick<HsicSettings, 'kernel' | 'bandwidth' | 'estimator' | 'bootstrap'> {
  permutations: Permutations;
  random: Random;
}

/** Share of the memory that rows may take where they are held. */
const heldShare = 0.5;

async function rangeTerms(
  engine: Engine,
  rows: readonly RowSource[],
  plan: PairPlan,
  memory: number,
  wanted: Wanted,
  tick: Tick,
): Promise<RangeTerms> {
  const { pairs, targets } = plan;
  const { n } = rows[0]!;
  const { estimator, permutations, bootstrap, random } = wanted;
  const pause = () => tick(0);
  const resampling = permutations.count > 0 || bootstrap > 0;
  if (wanted.kernel === 'linear' && !resampling) {
    const kernels = rows.map((layer) => ({ rows: layer }));
    if (featureFormIsCheaper(kernels, pairs)) {
      const sums = await featureSums(engine, kernels, pairs, heldShare * memory, tick);
      const observed = Float64Array.from(pairs, (pair, at) => hsic(sums, pair, at, estimator));
      return { observed, permuted: targets.map(() => new Float64Array()), resampled: [] };
    }
  }
  // Tiles go over the rows many times: they are read once where there is room.
  const bytes = rows.reduce((sum, layer) => sum + heldBytes(layer), 0);
  const held = bytes <= heldShare * memory;
  const kept: RowSource[] = [];
  for (const layer of rows) kept.push(held ? await hold(layer, pause) : layer);
  const kernelShare = wanted.kernel === 'rbf' ? 0.6 : 0;
  const kernels = await kernelsOf(engine, kept, wanted, (share) => tick(share * kernelShare));
  const rest: Tick = (share) => tick(share * (1 - kernelShare));

  const matrices =
    permutations.count > 0
      ? new CentredMatrices(n, kernels.length, typeOfKernels(kernels))
      : undefined;
  const resamples = Array.from(
    blocks(bootstrap, drawsPerCall),
    ([first, last]) => new BootstrapHsic(engine, n, kernels.length, pairs, last - first, random),
  );
  const gramShare = matrices ? 0.3 : 1;
  const sums = await gramSums(
    engine,
    kernels,
    pairs,
    held ? (memory - bytes) / 2 : (1 - heldShare / 2) * memory,
    (share) => rest(share * gramShare),
    async (tile) => {
      matrices?.add(tile);
      for (const resample of resamples) await resample.add(tile, pause);
    },
  );
  await matrices?.centre(sums, estimator, pause);
  const drawn: Float64Array[][] = [];
  for (const resample of resamples) drawn.push(await resample.finish(sums, estimator, pause));
  return {
    observed: Float64Array.from(pairs, (pair, index) => hsic(sums, pair, index, estimator)),
    permuted: matrices
      ? await permutedHsic(engine, matrices, targets, estimator, permutations, (share) =>
          rest(share * (1 - gramShare)),
        )
      : targets.map(() => new Float64Array()),
    resampled: pairs.map((_, pair) =>
      Float64Array.from(drawn.flatMap((chunk) => Array.from(chunk[pair]!))),
    ),
  };
}

/** Elementwise mean of vectors of one length. */
function average(vectors: readonly Float64Array[]): Float64Array {
  const sum = new Float64Array(vectors[0]!.length);
  for (const vector of vectors) vector.forEach((value, at) => (sum[at]! += value));
  return sum.map((value) => value / vectors.length);
}

/** HSIC terms averaged over minibatches drawn with replacement: result[pair][draw]. */
function resampleBatches(
  parts: readonly RangeTerms[],
  pairs: number,
  draws: number,
  random: Random,
): Float64Array[] {
  const answer = Array.from({ length: pairs }, () => new Float64Array(draws));
  for (let draw = 0; draw < draws; draw++) {
    random.multiplicities(parts.length).forEach((count, batch) => {
      answer.forEach((values, pair) => {
        values[draw]! += (count * parts[batch]!.observed[pair]!) / parts.length;
      });
    });
  }
  return answer;
}
