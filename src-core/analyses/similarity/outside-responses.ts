import { UserError } from '../../errors.ts';
import type { Real, View } from '../../results/schema.ts';
import type { NamedRows } from '../definition.ts';
import type { CheckedRows } from '../layers.ts';
import { Random } from '../random.ts';
import { mean, real } from '../statistics.ts';
import { foldsOf } from './hold-out.ts';
import { fitterOf, predict } from './linear-map.ts';
import { drawsOf, type Outside, type OutsideFile, type OutsideSettings } from './outside-kinds.ts';
import type { Step } from './pairs.ts';
import { gatherRows, type Columns } from './products.ts';
import { meanOver, shapeOf } from './rdm-measure.ts';

const bins = 40;

/** Responses to the same samples (voxels, neurons, ratings), each predicted by ridge regression. */
export function outsideResponses(file: OutsideFile, n: number, settings: OutsideSettings): Outside {
  const { shape, name } = file;
  if (shape[0] !== n || shape.length > 3) {
    throw new UserError(
      'wrong-shape',
      name,
      `has shape [${shape.join(', ')}], and responses to ${n} samples are ${n} × responses (or ${n} × repeats × responses)`,
      'give a row for each sample, in their order',
    );
  }
  const { context, draws, folds: count, groups } = settings;
  const { responses, ceiling } = responsesOf(file);
  const constant = shape.at(-1)! - responses.width;
  if (responses.width === 0) {
    throw new UserError('constant', name, 'has no response that varies', 'give other responses');
  }
  if (constant > 0) {
    context.warn(`${name}: ${constant} of ${shape.at(-1)!} responses never vary and are left out`);
  }
  const folds = foldsOf(n, count, draws.seed, groups);
  if (folds.length < 2) {
    throw new UserError(
      'too-few-samples',
      name,
      'is about samples of one group, and parts to hold out need two',
      'give samples of several groups',
    );
  }
  return {
    key: 'encodingR2',
    name: 'encoding R²',
    noiseCeiling: ceiling,
    estimator: `outside.responses.ridge.${folds.length}-fold`,
    async of(rows, layer, step) {
      const x = await representation(rows, layer);
      const random = new Random(draws.seed);
      const orders = Array.from({ length: draws.permutations }, () => random.permutation(n));
      const targets = [responses, ...orders.map((order) => gatherRows(responses, order, false))];
      const residuals = targets.map(() => new Float64Array(responses.width));
      const squares = new Float64Array(n * responses.width);
      for (const [at, { train, test }] of folds.entries()) {
        const part: Step = (done) => step((at + done) / folds.length);
        const [fit, held] = centredParts(x, train, test);
        const fitter = await fitterOf(context.engine, fit, held, (done) => part(done / 2));
        for (const [draw, target] of targets.entries()) {
          const [known, sought] = centredParts(target, train, test);
          const pause: Step = (done) => part(0.5 + (0.5 * (draw + done)) / targets.length);
          const predicted = await predict(context.engine, fitter, known, 'each', pause);
          for (let place = 0, from = 0; place < test.length; place++) {
            for (let j = 0; j < responses.width; j++, from++) {
              const square = (sought.data[from]! - predicted[from]!) ** 2;
              residuals[draw]![j]! += square;
              if (draw === 0) squares[test[place]! * responses.width + j] = square;
            }
          }
        }
      }
      const variance = varianceOf(responses);
      const own = scoresOf(residuals[0]!, variance);
      return {
        value: mean(own),
        permuted: Float64Array.from(residuals.slice(1), (residual) =>
          mean(scoresOf(residual, variance)),
        ),
        resampled: await drawsOf(draws.bootstrap, draws.seed + 2 ** 32, step, (random) => {
          const counts = random.multiplicities(n);
          const residual = new Float64Array(responses.width);
          for (let at = 0; at < squares.length; at++) {
            residual[at % responses.width]! +=
              counts[Math.floor(at / responses.width)]! * squares[at]!;
          }
          return mean(scoresOf(residual, varianceOf(responses, counts)));
        }),
        views: settings.pictured ? [histogram(own)] : [],
      };
    },
  };
}

/** Means over repeats of responses that vary, and how much of their variance is not noise. */
function responsesOf({ data, shape }: OutsideFile): { responses: Columns; ceiling: Real } {
  const [n, repeats, width] = (shape.length === 3 ? shape : [shape[0], 1, shape[1]]) as [
    number,
    number,
    number,
  ];
  const means = new Float64Array(n * width);
  const noise = new Float64Array(width);
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < width; j++) {
      const value = (r: number) => data[(i * repeats + r) * width + j]!;
      let sum = 0;
      for (let r = 0; r < repeats; r++) sum += value(r);
      means[i * width + j] = sum / repeats;
      for (let r = 0; r < repeats; r++) noise[j]! += (value(r) - sum / repeats) ** 2;
    }
  }
  const varying = Array.from({ length: width }, (_, j) => j).filter((j) => {
    for (let at = j; at < means.length; at += width) if (means[at] !== means[j]) return true;
    return false;
  });
  const kept = new Float64Array(n * varying.length);
  for (let i = 0, at = 0; i < n; i++) for (const j of varying) kept[at++] = means[i * width + j]!;
  const responses = { n, width: varying.length, data: kept };
  if (repeats < 2) return { responses, ceiling: null };
  const shares: number[] = [];
  varianceOf(responses).forEach((total, at) => {
    const ofMean = noise[varying[at]!]! / (n * (repeats - 1)) / repeats;
    shares.push(Math.max(0, 1 - ofMean / (total / (n - 1))));
  });
  return { responses, ceiling: shares.length > 0 ? real(mean(shares)) : null };
}

async function representation(rows: CheckedRows, layer: NamedRows): Promise<Columns> {
  const { repeats, units } = shapeOf(layer);
  const source = meanOver(rows.centred('float64'), repeats, units);
  return { n: rows.n, width: units, data: (await source.rows(0, rows.n)) as Float64Array };
}

/** Rows to fit on and to test on, both centred by the means of the former. */
function centredParts(all: Columns, train: Int32Array, test: Int32Array): [Columns, Columns] {
  const parts = [gatherRows(all, train, false), gatherRows(all, test, false)] as const;
  const { width } = all;
  const centre = new Float64Array(width);
  parts[0].data.forEach((value, at) => (centre[at % width]! += value / train.length));
  for (const { data } of parts) {
    for (let at = 0; at < data.length; at++) data[at]! -= centre[at % width]!;
  }
  return [parts[0], parts[1]];
}

/** Sum of squares about the mean of each column, rows counted so many times. */
function varianceOf({ n, width, data }: Columns, counts?: Float64Array): Float64Array {
  const centre = new Float64Array(width);
  const sums = new Float64Array(width);
  const weight = (at: number) => (counts ? counts[Math.floor(at / width)]! : 1);
  data.forEach((value, at) => (centre[at % width]! += (weight(at) * value) / n));
  data.forEach(
    (value, at) => (sums[at % width]! += weight(at) * (value - centre[at % width]!) ** 2),
  );
  return sums;
}

/** R² of every response that varies in the rows drawn. */
const scoresOf = (residual: Float64Array, variance: Float64Array): Float64Array =>
  residual.map((sum, j) => 1 - sum / variance[j]!).filter((_, j) => variance[j]! > 0);

function histogram(scores: Float64Array): View {
  const low = Math.min(
    0,
    scores.reduce((a, b) => Math.min(a, b), 0),
  );
  const counts = new Array<number>(bins).fill(0);
  for (const score of scores) {
    counts[Math.min(bins - 1, Math.floor(((score - low) / (1 - low)) * bins))]! += 1;
  }
  return {
    kind: 'histogram',
    title: 'Responses by how well they are predicted',
    x: { name: 'R²' },
    edges: Array.from({ length: bins + 1 }, (_, at) => low + ((1 - low) * at) / bins),
    counts,
  };
}
