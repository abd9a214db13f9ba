import type { ResultValue, View } from '../../results/schema.ts';
import { blocks, type Range } from '../blocks.ts';
import type { AnalysisContext, NamedRows, Outcome, Side } from '../definition.ts';
import { checkPair, pairSides, type CheckedRows } from '../layers.ts';
import { requireMemory } from '../memory.ts';
import { Random } from '../random.ts';
import { real } from '../statistics.ts';
import { warnConstantUnits } from '../warnings.ts';
import { reportPairs, type PairCells } from './pair-report.ts';
import type { PairLook } from './pair-views.ts';

/** Report how much of a piece of work is done (0–1), and let messages in. */
export type Step = (fraction: number) => Promise<void>;

export type Values = Record<string, ResultValue>;

/** Values of (a, b), and of (b, a). */
export type BothWays = readonly [Values, Values];

/** The main value of (a, b); of a directed measure that of (b, a) behind it. */
export type Score = number | readonly [number, number];

/**
 * A measure of two representations of the same samples. `L` is what it keeps of a layer: every
 * layer is prepared once and compared with every other, as far as memory allows to keep them.
 */
export interface PairMeasure<L> extends PairLook {
  /** Samples that it needs. */
  leastSamples: number;
  /** Values that mean nothing, and so are null, where all samples of a layer are one. */
  varying?: readonly string[];
  /** Bytes of a prepared layer. */
  bytes(rows: CheckedRows): number;
  /** Bytes of its copy for a draw; as many where absent. */
  drawBytes?(rows: CheckedRows): number;
  /** @param layer the same rows as they were given, for the shape of a sample. */
  prepare(rows: CheckedRows, layer: NamedRows, step: Step): Promise<L> | L;
  /**
   * All values of (a, b), NaN where there is none; of a directed measure those of (b, a) behind
   * them.
   */
  compare(a: L, b: L, step: Step): Promise<Values | BothWays> | Values | BothWays;
  /** The main value alone, for null and interval, where that takes less. */
  score?(a: L, b: L, step: Step): Promise<Score> | Score;
  /** The layer with its samples reordered: sample i becomes the one that was `order[i]`. */
  permute?(b: L, order: Int32Array): L;
  /** The layer over the samples of a draw. */
  resample?(a: L, samples: Int32Array, step: Step): Promise<L> | L;
  /**
   * What a draw for the interval is: as many samples with replacement (the default), or half of them
   * without, over which an average varies as much as over new samples. For measures that copies of
   * a sample would spoil, as those of neighbours.
   */
  draws?: 'replaced' | 'halves';
  /** What else to show of two matrices. */
  views?(values: Values, a: L, b: L, labels: readonly [string, string]): View[];
}

export interface DrawSettings {
  permutations?: number;
  bootstrap?: number;
  seed?: number;
}

/**
 * Compare every two layers, with a permutation null (the samples of the second are reordered) and
 * an interval over resampled samples where asked for. Draws are the same for all pairs.
 * @throws UserError `memory` where not even two prepared layers fit.
 */
export async function comparePairs<L>(
  sides: readonly Side[],
  measure: PairMeasure<L>,
  { permutations = 0, bootstrap = 0, seed = 0 }: DrawSettings,
  context: AnalysisContext,
): Promise<Pick<Outcome, 'values' | 'null' | 'interval' | 'views'>> {
  const pair = pairSides(sides);
  const checked = await checkPair(pair, sides, context, measure.leastSamples);
  warnConstantUnits([...new Set([...checked.rows, ...checked.columns])], context);
  const draws = { permutations, bootstrap, n: checked.rows[0]!.n, seed };
  const size = layersPerBlock(checked, measure, permutations + bootstrap > 0, context);
  const cells = emptyCells(checked.rows.length, checked.columns.length, draws);
  const plan = [...blocks(checked.rows.length, size)].map((range) => ({
    range,
    others: [...blocks(checked.columns.length, size, pair.self ? range[0] : 0)],
  }));
  const work = new Work(context);
  const prepare = async ([from, to]: Range, list: 'rows' | 'columns') => {
    const prepared: Prepared<L>[] = [];
    for (let at = from; at < to; at++) {
      const rows = checked[list][at]!;
      const step = work.part(`Reading ${rows.label}`);
      const layer = await measure.prepare(rows, pair[list][at]!, step);
      prepared.push({ at, layer, constant: rows.constantColumns === rows.d });
      await work.finish();
    }
    return prepared;
  };
  const isSame = (a: Range, b: Range) => pair.self && a[0] === b[0];
  for (const { range, others } of plan) {
    work.expect(length(range));
    for (const other of others) {
      work.expect(isSame(range, other) ? 0 : length(other));
      work.expect(pairsOf(range, other, pair.self) * (1 + permutations + bootstrap));
    }
  }
  let views: View[] = [];
  for (const { range, others } of plan) {
    const rows = await prepare(range, 'rows');
    for (const other of others) {
      const columns = isSame(range, other) ? rows : await prepare(other, 'columns');
      await compareBlock({ rows, columns, self: pair.self }, measure, draws, cells, work);
      if (!pair.layered && measure.views) {
        const labels = [checked.rows[0]!.label, checked.columns[0]!.label] as const;
        views = measure.views(cells.values[0]![0]!, rows[0]!.layer, columns[0]!.layer, labels);
      }
    }
  }
  const report = reportPairs(pair, sides, cells, measure, { recentre: true });
  return { ...report, views: [...report.views, ...views] };
}

const length = ([from, to]: Range) => to - from;

/** Pairs of a block; of a list with itself those with a ≤ b. */
const pairsOf = (rows: Range, columns: Range, self: boolean) =>
  self && rows[0] === columns[0]
    ? (length(rows) * (length(rows) + 1)) / 2
    : length(rows) * length(columns);

interface Prepared<L> {
  at: number;
  layer: L;
  /** Whether all its samples are one. */
  constant: boolean;
}

interface Draws {
  permutations: number;
  bootstrap: number;
  n: number;
  seed: number;
}

interface Block<L> {
  rows: readonly Prepared<L>[];
  columns: readonly Prepared<L>[];
  /** One list with itself: each pair fills two cells. */
  self: boolean;
}

async function compareBlock<L>(
  { rows, columns, self }: Block<L>,
  measure: PairMeasure<L>,
  draws: Draws,
  cells: PairCells,
  work: Work,
): Promise<void> {
  const pairs = columns.flatMap((b) =>
    rows.filter((a) => !self || a.at <= b.at).map((a) => [a, b] as const),
  );
  for (const [a, b] of pairs) {
    const step = work.part('Comparing layers');
    const values = bothWays(await measure.compare(a.layer, b.layer, step));
    const [forward, backward] =
      a.constant || b.constant ? values.map((found) => without(found, measure.varying)) : values;
    cells.values[a.at]![b.at] = finite(forward);
    if (self) cells.values[b.at]![a.at] = finite(backward);
    await work.finish();
  }
  const keep = async (into: Float64Array[][], draw: number, a: Prepared<L>, b: Prepared<L>) => {
    const step = work.part('Resampling');
    const meaningless = (a.constant || b.constant) && measure.varying?.includes(measure.key);
    const scores = meaningless
      ? NaN
      : measure.score
        ? await measure.score(a.layer, b.layer, step)
        : bothWays(await measure.compare(a.layer, b.layer, step)).map(
            (values) => values[measure.key],
          );
    const [forward, backward] = (Array.isArray(scores) ? scores : [scores, scores]) as number[];
    into[a.at]![b.at]![draw] = forward!;
    if (self) into[b.at]![a.at]![draw] = backward!;
    await work.finish();
  };
  const order = new Random(draws.seed);
  for (let draw = 0; draw < draws.permutations; draw++) {
    const permutation = order.permutation(draws.n);
    for (const column of columns) {
      const moved = { ...column, layer: measure.permute!(column.layer, permutation) };
      for (const [a, b] of pairs) if (b === column) await keep(cells.permuted!, draw, a, moved);
    }
  }
  if (draws.bootstrap === 0) return;
  const sampling = new Random(draws.seed + 2 ** 32);
  for (let draw = 0; draw < draws.bootstrap; draw++) {
    const samples = drawSamples(draws.n, measure.draws ?? 'replaced', sampling);
    const drawn = new Map<Prepared<L>, Prepared<L>>();
    for (const prepared of new Set([...rows, ...columns])) {
      const layer = await measure.resample!(prepared.layer, samples, () => work.pause());
      drawn.set(prepared, { ...prepared, layer });
    }
    for (const [a, b] of pairs) {
      await keep(cells.resampled!, draw, drawn.get(a)!, drawn.get(b)!);
    }
  }
}

const bothWays = (values: Values | BothWays): BothWays =>
  Array.isArray(values) ? (values as unknown as BothWays) : [values as Values, values as Values];

const without = (values: Values, keys: readonly string[] = []): Values => ({
  ...values,
  ...Object.fromEntries(keys.map((key) => [key, NaN])),
});

function drawSamples(n: number, kind: 'replaced' | 'halves', random: Random): Int32Array {
  if (kind === 'halves')
    return random
      .permutation(n)
      .subarray(0, Math.floor(n / 2))
      .sort();
  return Int32Array.from({ length: n }, () => random.below(n));
}

function emptyCells(rows: number, columns: number, { permutations, bootstrap }: Draws): PairCells {
  const draws = (count: number) =>
    Array.from({ length: rows }, () =>
      Array.from({ length: columns }, () => new Float64Array(count)),
    );
  return {
    values: Array.from({ length: rows }, () => new Array<Values>(columns)),
    ...(permutations > 0 && { permuted: draws(permutations) }),
    ...(bootstrap > 0 && { resampled: draws(bootstrap) }),
  };
}

type Checked = Record<'rows' | 'columns', readonly CheckedRows[]>;

/** How many layers of each list are kept prepared at a time, with their copies for a draw. */
function layersPerBlock<L>(
  { rows, columns }: Checked,
  measure: PairMeasure<L>,
  drawing: boolean,
  context: AnalysisContext,
): number {
  const all = [...new Set([...rows, ...columns])];
  const bytesOf = (layer: CheckedRows) => {
    const own = measure.bytes(layer);
    return drawing ? own + (measure.drawBytes?.(layer) ?? own) : own;
  };
  const bytes = all.map(bytesOf).sort((a, b) => b - a);
  const needed = bytes[0]! + (bytes[1] ?? bytes[0]!);
  requireMemory(context, needed, `two layers of ${rows[0]!.n} samples`, 'use fewer samples');
  const whole = bytes.reduce((sum, size) => sum + size, 0);
  if (whole <= context.memoryLimit) return Math.max(rows.length, columns.length);
  return Math.max(1, Math.floor(context.memoryLimit / (2 * bytes[0]!)));
}

const finite = (values: Values): Values =>
  Object.fromEntries(
    Object.entries(values).map(([key, value]) => [
      key,
      typeof value === 'number' ? real(value) : value,
    ]),
  );

/** Progress over layers prepared, pairs compared, and draws of them, each of which is one piece. */
class Work {
  readonly #context: AnalysisContext;
  #pieces = 0;
  #done = 0;
  #message = '';

  constructor(context: AnalysisContext) {
    this.#context = context;
  }

  /** There will be so many more pieces. */
  expect(pieces: number): void {
    this.#pieces += pieces;
  }

  /** Steps of the piece that begins. */
  part(message: string): Step {
    this.#message = message;
    return (fraction) => this.#step(fraction);
  }

  /** The piece is done. */
  finish(): Promise<void> {
    this.#done++;
    return this.#step(0);
  }

  pause(): Promise<void> {
    return this.#step(0);
  }

  #step(fraction: number): Promise<void> {
    return this.#context.step((this.#done + fraction) / this.#pieces, this.#message);
  }
}
