import { z } from 'zod';
import { qr } from '../../engine/linear-algebra/factor.ts';
import { UserError } from '../../errors.ts';
import type { AnalysisContext, AnalysisDefinition, NamedRows } from '../definition.ts';
import type { CheckedRows } from '../layers.ts';
import { seed } from '../parameters.ts';
import { Random } from '../random.ts';
import { alignNoise, polar, type Apart, type Noisy } from './noise-alignment.ts';
import { comparePairs, type PairMeasure, type Step } from './pairs.ts';
import { crossProduct, norm, type Columns } from './products.ts';

const params = z.object({
  alpha: z
    .number()
    .min(0)
    .max(2)
    .default(1)
    .describe('2: means only; 1: Wasserstein distance of means and noise; 0: noise only'),
  restarts: z
    .int()
    .min(1)
    .max(1000)
    .default(4)
    .describe('Starts of the search for the rotation; the best end counts'),
  seed,
});
type Params = z.infer<typeof params>;

export const stochasticShape: AnalysisDefinition<typeof params> = {
  id: 'stochastic-shape',
  family: 'similarity',
  title: 'Stochastic shape distance',
  summary:
    'How far two noisy representations stay apart, in means and in noise, after the best rotation.',
  arity: 2,
  input: 'repeats',
  params,
  values: {
    distance:
      'root of the mean over samples of the squared distance, after the best rotation found',
    summed: 'the same with the sum over samples for the mean: √n·distance',
    means: 'mean over samples of the squared distance of their means, at that rotation',
    noise: 'mean over samples of the squared Bures distance of their covariances, at that rotation',
  },
  headline: 'distance',
  formula: `Of each sample i the mean μ_i and covariance A_i over its repeats (divided by their number), ν_i and B_i of the other side.
distance² = min over orthogonal T of mean_i [α·‖μ_i − ν_iT‖² + (2 − α)·Bures²(A_i, TᵀB_iT)]; Bures²(A, B) = tr A + tr B − 2·tr((A^½BA^½)^½) (Duong et al. 2023, for Gaussian responses). α = 1 is the 2-Wasserstein distance.
T is found by turns with the maps that match the square roots of the covariances (each step a Procrustes problem), from \`restarts\` starts: the Procrustes map of the means, the identity, then random ones. The narrower side counts as filled up with zeros. Nothing is centred.`,
  invariances: [
    'orthogonal transformation of either side (rotation, reflection, permutation of units)',
    'the same permutation of the samples of both sides',
    'any order of the repeats of a sample',
  ],
  invariantTo: ['permutation', 'orthogonal'],
  misleads:
    'It is a distance in the units of the activations: neither scale nor offset is taken out. The search may end above the least distance: a larger restarts can only lower it. With fewer repeats than units covariances are singular and too small in most directions; compare sides with equal numbers of repeats.',
  citation:
    'Duong, Zhou, Nassar, Berman, Olieslagers and Williams, Representational Dissimilarity Metric Spaces for Stochastic Neural Networks, ICLR 2023',

  async run(sides, settings, context) {
    const layers = new Map<string, { repeats: number; units: number }>();
    const outcome = await comparePairs(sides, measure(settings, context, layers), {}, context);
    warnOfFew(layers, context);
    return {
      ...outcome,
      estimator: `stochastic-shape.gaussian.alpha=${settings.alpha}`,
      preprocessing: 'none; means and covariances over the repeats of each sample',
    };
  },
};

type Shapes = Map<string, { repeats: number; units: number }>;

function warnOfFew(layers: Shapes, context: AnalysisContext): void {
  const all = [...layers];
  const single = all.filter(([, { repeats }]) => repeats === 1).map(([label]) => label);
  if (single.length > 0) {
    context.warn(
      `one repeat of each sample shows no noise, so that only means are compared: ${single.join(', ')}`,
    );
  }
  const few = all.filter(([, { repeats, units }]) => repeats > 1 && repeats <= units);
  if (few.length > 0) {
    const named = few.map(([label, { repeats, units }]) => `${label} ${repeats} of ${units} units`);
    context.warn(
      `covariances from no more repeats than units are singular, and too small in most directions: ${named.join(', ')}`,
    );
  }
}

function measure(
  { alpha, restarts, seed }: Params,
  context: AnalysisContext,
  shapes: Shapes,
): PairMeasure<Noisy> {
  const { engine } = context;
  return {
    key: 'distance',
    name: 'stochastic shape distance',
    distance: true,
    leastSamples: 1,
    bytes: ({ n, d }) => 8 * 3 * n * d,
    prepare(rows, layer, step) {
      const shape = shapeOf(rows, layer);
      shapes.set(rows.label, shape);
      return noisyOf(rows, shape, step);
    },
    async compare(x, y, step) {
      const [p, q] = [y.means.width, x.means.width];
      const random = new Random(seed);
      const objective = ({ means, noise }: Apart) => alpha * means + (2 - alpha) * noise;
      let best: Apart | undefined;
      for (let start = 0; start < restarts; start++) {
        const part: Step = (fraction) => step((start + fraction) / restarts);
        const map = await startOf(start, p, q, random, () =>
          crossProduct(engine, y.means, x.means, () => part(0)),
        );
        const apart = await alignNoise(engine, x, y, alpha, map, part);
        if (best === undefined || objective(apart) < objective(best)) best = apart;
      }
      const { n } = x.means;
      // Rounding may push the distance between copies below zero.
      const means = Math.max(0, best!.means) / n;
      const noise = Math.max(0, best!.noise) / n;
      const distance = Math.sqrt(objective({ means, noise }));
      return { distance, summed: distance * Math.sqrt(n), means, noise };
    },
  };
}

/** An orthogonal p × q map to start from. */
async function startOf(
  start: number,
  p: number,
  q: number,
  random: Random,
  sharedMeans: () => Promise<Float64Array>,
): Promise<Float64Array> {
  if (start === 0) return polar(await sharedMeans(), p, q);
  const map = new Float64Array(p * q);
  if (start === 1) {
    for (let i = 0; i < Math.min(p, q); i++) map[i * q + i] = 1;
    return map;
  }
  return polar(
    map.map(() => random.gaussian()),
    p,
    q,
  );
}

/** @throws UserError `wrong-shape` where a sample is more than repeats × units. */
function shapeOf({ label, d }: CheckedRows, { sample = [1, d] }: NamedRows) {
  const [repeats, units] = sample;
  if (sample.length === 2) return { repeats: repeats!, units: units! };
  throw new UserError(
    'wrong-shape',
    label,
    `holds samples of ${sample.join(' × ')}`,
    'give an array of samples × repeats × units',
  );
}

async function noisyOf(
  rows: CheckedRows,
  { repeats, units }: { repeats: number; units: number },
  step: Step,
): Promise<Noisy> {
  const { n, d } = rows;
  const data = (await rows.uncentred('float64').rows(0, n)) as Float64Array;
  const factor = Math.min(repeats, units);
  const means = new Float64Array(n * units);
  const factors = new Float64Array(n * factor * units);
  for (let sample = 0; sample < n; sample++) {
    const own = data.subarray(sample * d, (sample + 1) * d);
    const mean = means.subarray(sample * units, (sample + 1) * units);
    own.forEach((value, at) => (mean[at % units]! += value / repeats));
    const rest = own.map((value, at) => (value - mean[at % units]!) / Math.sqrt(repeats));
    // RᵀR is the covariance that the rows have, in no more rows than there are units.
    const root = repeats > units ? qr(rest, repeats, units).r : rest;
    factors.set(root, sample * factor * units);
    if (sample % 64 === 0) await step(sample / n);
  }
  const of = (matrix: Float64Array, count: number): Columns => ({
    n: count,
    width: units,
    data: matrix,
  });
  const [center, spread] = [of(means, n), of(factors, n * factor)];
  return {
    means: center,
    meanSquares: norm(center) ** 2,
    factors: spread,
    factor,
    traces: norm(spread) ** 2,
  };
}
