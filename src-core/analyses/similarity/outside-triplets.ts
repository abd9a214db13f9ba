import { UserError } from '../../errors.ts';
import type { Real } from '../../results/schema.ts';
import { dissimilaritiesOf } from './rdm-measure.ts';
import { rowStart } from './rdm.ts';
import { drawsOf, type Outside, type OutsideFile, type OutsideSettings } from './outside-kinds.ts';

/** Whether a matrix of three columns can hold indices of three different ones of n samples. */
export function areTriplets({ data, shape }: OutsideFile, n: number): boolean {
  if (shape.length !== 2 || shape[1] !== 3) return false;
  for (let at = 0; at < data.length; at += 3) {
    const [a, b, c] = [data[at]!, data[at + 1]!, data[at + 2]!];
    if (![a, b, c].every((value) => Number.isInteger(value) && value >= 0 && value < n)) {
      return false;
    }
    if (a === b || a === c || b === c) return false;
  }
  return true;
}

/**
 * Choices among three samples: rows (a, b, c) say that c is the odd one out, or, of an anchor, that
 * it is nearer to the second than to the third.
 */
export function outsideTriplets(file: OutsideFile, n: number, settings: OutsideSettings): Outside {
  if (!areTriplets(file, n)) {
    throw new UserError(
      'wrong-shape',
      file.name,
      `does not hold rows of three different indices from 0 to ${n - 1}`,
      'give triplets × 3, samples counted from 0',
    );
  }
  const { context, draws, triplets: kind } = settings;
  const triplets = Int32Array.from(file.data);
  const count = triplets.length / 3;
  return {
    key: 'tripletAccuracy',
    name: 'triplet accuracy',
    noiseCeiling: ceilingOf(triplets, kind),
    estimator: `outside.triplets.${kind}.${settings.rdm}`,
    async of(rows, layer, step) {
      const found = await dissimilaritiesOf(rows, layer, settings, context, step);
      const identity = Int32Array.from({ length: n }, (_, i) => i);
      const own = scoresOf(triplets, found, identity, kind);
      const mean = (scores: Float64Array) => scores.reduce((sum, value) => sum + value, 0) / count;
      return {
        value: mean(own),
        permuted: await drawsOf(draws.permutations, draws.seed, step, (random) =>
          mean(scoresOf(triplets, found, random.permutation(n), kind)),
        ),
        resampled: await drawsOf(draws.bootstrap, draws.seed + 2 ** 32, step, (random) => {
          let sum = 0;
          for (let draw = 0; draw < count; draw++) sum += own[random.below(count)]!;
          return sum / count;
        }),
        views: [],
      };
    },
  };
}

/** 1 where the representation chooses alike, a share where several are as near, else 0. */
function scoresOf(
  triplets: Int32Array,
  found: Float64Array,
  order: Int32Array,
  kind: 'odd' | 'anchor',
): Float64Array {
  const n = order.length;
  const between = (i: number, j: number) => found[i < j ? rowStart(n, i) + j : rowStart(n, j) + i]!;
  const scores = new Float64Array(triplets.length / 3);
  for (let at = 0; at < scores.length; at++) {
    const a = order[triplets[3 * at]!]!;
    const b = order[triplets[3 * at + 1]!]!;
    const c = order[triplets[3 * at + 2]!]!;
    const chosen = between(a, b);
    const others = kind === 'odd' ? [between(a, c), between(b, c)] : [between(a, c)];
    if (others.some((other) => other < chosen)) continue;
    scores[at] = 1 / (1 + others.filter((other) => other === chosen).length);
  }
  return scores;
}

/**
 * What any one answer to each question could reach, of questions asked more than once: the share of
 * answers that are the most frequent one (upper), or the most frequent among the others (lower).
 */
function ceilingOf(triplets: Int32Array, kind: 'odd' | 'anchor'): [Real, Real] | null {
  const questions = new Map<string, Map<number, number>>();
  for (let at = 0; at < triplets.length; at += 3) {
    const [a, b, c] = [triplets[at]!, triplets[at + 1]!, triplets[at + 2]!];
    const key =
      kind === 'odd'
        ? [a, b, c].sort((p, q) => p - q).join()
        : [a, Math.min(b, c), Math.max(b, c)].join();
    const answers = questions.get(key) ?? new Map<number, number>();
    answers.set(c, (answers.get(c) ?? 0) + 1);
    questions.set(key, answers);
  }
  let asked = 0;
  let upper = 0;
  let lower = 0;
  for (const answers of questions.values()) {
    const counts = [...answers.values()];
    const all = counts.reduce((sum, count) => sum + count, 0);
    if (all < 2) continue;
    asked += all;
    upper += Math.max(...counts);
    for (const [at, count] of counts.entries()) {
      const others = counts.map((other, index) => (index === at ? other - 1 : other));
      const most = Math.max(...others);
      const shared = others.filter((other) => other === most).length;
      if (others[at] === most) lower += count / shared;
    }
  }
  return asked > 0 ? [lower / asked, upper / asked] : null;
}
