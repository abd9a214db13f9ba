import { z } from 'zod';
import { UserError } from '../../errors.ts';
import type { Real, ResultValue, View } from '../../results/schema.ts';
import type { AnalysisContext, AnalysisDefinition } from '../definition.ts';
import { checkPair, pairSides } from '../layers.ts';
import { requireMemory } from '../memory.ts';
import { seed } from '../parameters.ts';
import { Random } from '../random.ts';
import { mean, real } from '../statistics.ts';
import {
  correlations,
  covariances,
  liveVariance,
  randomRotation,
  rotateBoth,
  rotateColumns,
  rotatedVariance,
  unitsOf,
  type Rotation,
  type Units,
} from './neuron-correlations.ts';
import { bestOfEach, oneToMany, oneToOne, type Matching } from './neuron-matching.ts';
import { neuronViews } from './neuron-views.ts';
import { reportPairs, type PairCells } from './pair-report.ts';
import type { Step } from './pairs.ts';

const params = z.object({
  method: z
    .enum(['argmax', 'bipartite', 'lasso'])
    .default('bipartite')
    .describe(
      'Match each unit with the most correlated, one to one, or with a sparse sum of several',
    ),
  signed: z
    .boolean()
    .default(true)
    .describe(
      'Correlations as they are, or their absolute values; sums of several have both signs',
    ),
  penalty: z
    .number()
    .positive()
    .max(1)
    .default(0.1)
    .describe('lasso only: penalty on the weights of standardised units'),
  permutations: z
    .int()
    .min(0)
    .max(10_000)
    .default(0)
    .describe('Random rotations of the second side for the null distribution; 0 for none'),
  seed,
});
type Params = z.infer<typeof params>;

/** Excess above which a unit counts as universal (Gurnee et al. 2024). */
const universal = 0.5;
const least = 4;
/** Numbers that a result carries of single units. */
const mostPerUnit = 1_000_000;
/** Bytes of rotations that are kept from one pair of layers to the next. */
const keptRotations = 1 << 27;

export const neuronMatch: AnalysisDefinition<typeof params> = {
  id: 'neuron-match',
  family: 'similarity',
  title: 'Neuron matching',
  summary: 'Whether single units of one representation come back in another.',
  arity: 2,
  params,
  values: {
    maxCorr:
      'mean over units of the first side of the largest correlation with a unit of the second',
    matched:
      'mean correlation of matched units: one to one (bipartite), the same as maxCorr (argmax), or of a unit with its sparse sum (lasso)',
    excess:
      'for each unit of the first side, its largest correlation less that with the second side rotated at random; null for units that never vary',
    universalShare: `share of the units that vary whose excess is above ${universal}`,
    partner: 'for each unit the index of the unit it is matched with, null where there is none',
    used: 'lasso only: mean number of units in a sum',
    dead: 'units that never vary and are left out, [first, second]',
  },
  headline: 'matched',
  formula: `r_ij: Pearson correlation over samples of unit i of the first side with unit j of the second, from streamed sums; |r_ij| where signed=false. Units that never vary are left out.
maxCorr = mean_i max_j r_ij. bipartite: the one-to-one matching of largest Σr (of unequal widths min(p, q) pairs). lasso: w = argmin ½·E(a_i − Σ_j w_j b_j)² + penalty·Σ|w_j| over standardised units; the correlation of a_i with its sum (Li et al. 2016).
excess_i = max_j r_ij − max_j r̄_ij, r̄ with the (centred) second side rotated at random, averaged over rotations (Gurnee et al. 2024); rotations mix random parts of at most 256 units.
Null: matched with the second side rotated at random: what its directions offer where none of its units is special; p = (1 + #{null ≥ observed}) / (1 + permutations).`,
  invariances: [
    'permutation of the units of either side',
    'positive scale and shift of every single unit of either side (maxCorr and matched; any scale where signed=false)',
    'the same permutation of the samples of both sides',
  ],
  invariantTo: ['permutation', 'scaling', 'translation'],
  misleads:
    'Units of unrelated networks on the same inputs do not correlate by 0 but by about 0.3, for the inputs’ own structure comes through: compare with the rotated null and with an untrained twin. The largest of many correlations is above 0 by chance where samples are few. Units that rarely fire reach large correlations on few samples. A small maxCorr with a large CKA means the same subspace in another basis.',
  citation:
    'Li, Yosinski, Clune, Lipson and Hopcroft, Convergent Learning: Do different neural networks learn the same representations?, ICLR 2016; Gurnee, Horsley, Guo, Kheirkhah, Sun, Hathaway, Nanda and Bertsimas, Universal Neurons in GPT2 Language Models, TMLR 2024',

  async run(sides, settings, context) {
    const pair = pairSides(sides);
    const checked = await checkPair(pair, sides, context, least);
    const units = new Map<unknown, Units>();
    for (const rows of new Set([...checked.rows, ...checked.columns])) {
      units.set(rows, await unitsOf(rows, () => context.step(0, `Reading ${rows.label}`)));
    }
    const [rows, columns] = [checked.rows, checked.columns].map((list) =>
      list.map((layer) => units.get(layer)!),
    ) as [Units[], Units[]];
    checkLive([...units.values()], context);
    const widest = Math.max(...checked.rows.concat(checked.columns).map(({ d }) => d));
    requireMemory(
      context,
      64 * widest ** 2,
      `correlations of ${widest} units with ${widest}`,
      'choose narrower layers',
    );
    const total = rows.length * columns.length;
    const perUnit = rows.reduce((sum, { rows: { d } }) => sum + d, 0) * columns.length;
    if (perUnit > mostPerUnit) {
      context.warn(
        `excess and partner of ${perUnit} units are left out: choose fewer layers to have them`,
      );
    }
    const rotations = new Rotations(settings);
    const permuting = settings.permutations > 0;
    const cells: PairCells = {
      values: rows.map(() => []),
      ...(permuting && { permuted: rows.map(() => []) }),
    };
    let done = 0;
    let views: View[] = [];
    for (const [j, b] of columns.entries()) {
      const step: Step = (part) => context.step((done + part) / total, 'Matching units');
      const among = await covariances(context.engine, b, b, (part) => step(0.1 * part));
      for (const [i, a] of rows.entries()) {
        const second = { units: b, among };
        const found = await matchUnits(a, second, settings, rotations, context, step);
        cells.values[i]![j] = valuesOf(a, b, found, perUnit <= mostPerUnit);
        if (permuting) cells.permuted![i]![j] = found.rotated;
        if (!pair.layered) {
          views = neuronViews(found, [a.live, b.live], [a.rows.label, b.rows.label]);
        }
        done++;
      }
    }
    const name = 'correlation of matched units';
    const report = reportPairs(pair, sides, cells, { key: 'matched', name, range: [-1, 1] });
    return {
      ...report,
      views: [...report.views, ...views],
      estimator: `neuron-match.${settings.method}.${settings.signed ? 'signed' : 'absolute'}`,
      preprocessing: 'units centred and scaled to unit variance',
    };
  },
};

function checkLive(units: readonly Units[], context: AnalysisContext): void {
  for (const { rows, live } of units) {
    if (live.length === 0) {
      throw new UserError(
        'constant',
        rows.label,
        'has no unit that varies over the samples',
        'choose another layer, or samples that differ',
      );
    }
    if (live.length < rows.d) {
      context.warn(
        `${rows.label}: ${rows.d - live.length} of ${rows.d} units never vary and are left out`,
      );
    }
  }
}

/** Rotations by width and draw; kept as long as they take little memory. */
class Rotations {
  readonly count: number;
  readonly #seed: number;
  readonly #kept = new Map<string, Rotation>();
  #bytes = 0;

  constructor({ permutations, seed }: Params) {
    this.count = Math.max(1, permutations);
    this.#seed = seed;
  }

  async get(q: number, draw: number, step: Step): Promise<Rotation> {
    const key = `${q} ${draw}`;
    const kept = this.#kept.get(key);
    if (kept) return kept;
    const rotation = await randomRotation(q, new Random(this.#seed + draw * 2 ** 32), step);
    const bytes = rotation.parts.reduce((sum, { matrix }) => sum + matrix.byteLength, 0);
    if (this.#bytes + bytes <= keptRotations) {
      this.#kept.set(key, rotation);
      this.#bytes += bytes;
    }
    return rotation;
  }
}

export interface Matched {
  /** Correlations of live units, p × q. */
  r: Float64Array;
  q: number;
  best: Matching;
  matching: Matching;
  /** Largest correlation with rotated units, averaged over rotations. */
  baseline: Float64Array;
  /** Mean correlation of matched units, rotation by rotation. */
  rotated: Float64Array;
}

async function matchUnits(
  a: Units,
  { units: b, among }: { units: Units; among: Float64Array },
  { method, signed, penalty, permutations }: Params,
  rotations: Rotations,
  { engine }: AnalysisContext,
  step: Step,
): Promise<Matched> {
  const q = b.live.length;
  const [first, second] = [liveVariance(a), liveVariance(b)];
  const between = await covariances(engine, a, b, (part) => step(0.1 + 0.3 * part));
  const match = (r: Float64Array, amongB: Float64Array, variance: Float64Array, part: Step) => {
    if (method === 'argmax') return bestOfEach(r, q);
    if (method === 'bipartite') return oneToOne(r, q);
    return oneToMany(r, correlations(amongB, variance, variance, true), q, penalty, part);
  };
  // Sums of several take units with either sign.
  const keepSign = signed || method === 'lasso';
  const r = correlations(between, first, second, keepSign);
  const strength = keepSign === signed ? r : r.map(Math.abs);
  const matching = await match(r, among, second, (part) => step(0.4 + 0.2 * part));
  const baseline = new Float64Array(first.length);
  const rotated = new Float64Array(permutations);
  for (let draw = 0; draw < rotations.count; draw++) {
    const pause: Step = (part) => step(0.6 + (0.4 * (draw + part)) / rotations.count);
    const rotation = await rotations.get(q, draw, pause);
    const turned = await rotateColumns(engine, between, q, rotation);
    await pause(0.5);
    const variance = await rotatedVariance(engine, among, q, rotation);
    const chance = correlations(turned, first, variance, keepSign);
    const chanceStrength = keepSign === signed ? chance : chance.map(Math.abs);
    bestOfEach(chanceStrength, q).correlation.forEach(
      (value, i) => (baseline[i]! += value / rotations.count),
    );
    if (permutations > 0) {
      const turnedAmong = method === 'lasso' ? await rotateBoth(engine, among, q, rotation) : among;
      rotated[draw] = meanOf(await match(chance, turnedAmong, variance, pause));
    }
    await pause(1);
  }
  return { r, q, best: bestOfEach(strength, q), matching, baseline, rotated };
}

const meanOf = ({ correlation }: Matching) =>
  mean(correlation.filter((value) => !Number.isNaN(value)));

function valuesOf(
  a: Units,
  b: Units,
  { best, matching, baseline }: Matched,
  perUnit: boolean,
): Record<string, ResultValue> {
  const excess = best.correlation.map((value, i) => value - baseline[i]!);
  const above = excess.reduce((count, value) => count + (value > universal ? 1 : 0), 0);
  const spread = (value: (at: number) => Real): Real[] => {
    const all = new Array<Real>(a.rows.d).fill(null);
    a.live.forEach((unit, at) => (all[unit] = value(at)));
    return all;
  };
  return {
    matched: real(meanOf(matching)),
    maxCorr: mean(best.correlation),
    universalShare: above / excess.length,
    ...(matching.used && { used: mean(matching.used) }),
    dead: [a.rows.d - a.live.length, b.rows.d - b.live.length],
    ...(perUnit && {
      excess: spread((at) => excess[at]!),
      partner: spread((at) => {
        const found = matching.partner[at]!;
        return found < 0 ? null : b.live[found]!;
      }),
    }),
  };
}
