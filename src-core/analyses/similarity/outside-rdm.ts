import { UserError } from '../../errors.ts';
import type { CheckedRows } from '../layers.ts';
import { mean } from '../statistics.ts';
import { ceilingOf, dissimilaritiesOf } from './rdm-measure.ts';
import { comparisonOf } from './rdm-compare.ts';
import { rdmPicture, rdmViews } from './rdm-views.ts';
import { pairCount } from './rdm.ts';
import { drawsOf, type Outside, type OutsideFile, type OutsideSettings } from './outside-kinds.ts';

/** Off by more than this, relative to the largest entry, a matrix is not symmetric. */
const asymmetry = 1e-5;

/** Whether a square matrix is symmetric but for rounding. */
export function isSymmetric(matrix: Float64Array, n: number): boolean {
  const largest = matrix.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < i; j++) {
      if (Math.abs(matrix[i * n + j]! - matrix[j * n + i]!) > asymmetry * largest) return false;
    }
  }
  return true;
}

/** Dissimilarities of the same samples, of one judge or of several. */
export async function outsideRdm(
  file: OutsideFile,
  n: number,
  settings: OutsideSettings,
): Promise<Outside> {
  const { name, label, data, shape } = file;
  const judges = shape.length === 3 ? shape[0]! : 1;
  if (shape.at(-1) !== n || shape.at(-2) !== n || shape.length > 3) {
    throw new UserError(
      'wrong-shape',
      name,
      `has shape [${shape.join(', ')}], and dissimilarities of ${n} samples are ${n} × ${n} (or judges × ${n} × ${n})`,
      'give a matrix of the same samples in the same order',
    );
  }
  const { context, compare, draws } = settings;
  const comparison = comparisonOf(compare);
  const pause = () => context.step(0);
  const references: unknown[] = [];
  const total = new Float64Array(pairCount(n));
  for (let judge = 0; judge < judges; judge++) {
    const whole = data.subarray(judge * n * n, (judge + 1) * n * n);
    if (!isSymmetric(whole, n)) {
      throw new UserError(
        'wrong-shape',
        name,
        'is not symmetric, and dissimilarities are',
        'give a symmetric matrix, or set kind=responses',
      );
    }
    const upper = new Float64Array(pairCount(n));
    for (let i = 0, at = 0; i < n; i++) {
      for (let j = i + 1; j < n; j++, at++) {
        const value = whole[i * n + j]!;
        upper[at] = value;
        total[at]! += value / judges;
      }
    }
    references.push(await comparison.prepare(upper, n, pause));
  }
  const ceiling = judges > 1 ? await ceilingOf(comparison, references, n, pause) : null;
  const similarity = async (own: unknown, others: readonly unknown[]) => {
    const all: number[] = [];
    for (const other of others) all.push(await comparison.similarity(own, other, pause));
    return mean(all);
  };
  return {
    key: 'similarity',
    name: 'RSA',
    noiseCeiling: ceiling,
    estimator: `outside.rdm.${settings.rdm}.${compare}`,
    async of(rows: CheckedRows, layer, step) {
      const found = await dissimilaritiesOf(rows, layer, settings, context, step);
      const pictures = settings.pictured
        ? rdmViews(
            [rdmPicture(found, n), rdmPicture(total, n)],
            [rows.label, label],
            'dissimilarity',
          )
        : [];
      const own = await comparison.prepare(found, n, pause);
      return {
        value: await similarity(own, references),
        permuted: await drawsOf(draws.permutations, draws.seed, step, (random) => {
          const order = random.permutation(n);
          return similarity(
            own,
            references.map((reference) => comparison.permute(reference, order)),
          );
        }),
        resampled: await drawsOf(draws.bootstrap, draws.seed + 2 ** 32, step, async (random) => {
          const counts = random.multiplicities(n);
          const resampled: unknown[] = [];
          for (const reference of references) {
            resampled.push(await comparison.resample(reference, counts, pause));
          }
          return similarity(await comparison.resample(own, counts, pause), resampled);
        }),
        views: pictures,
      };
    },
  };
}
