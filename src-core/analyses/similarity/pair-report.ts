import type { Real, ResultValue } from '../../results/schema.ts';
import type { Outcome, Side } from '../definition.ts';
import { pairValue, type LayerPair } from '../layers.ts';
import { intervalLevel, mean, nullSummary, percentileInterval } from '../statistics.ts';
import { bestMatches, meanMatch, type Matches } from './best-match.ts';
import { heatmap, pairViews, type PairGrid, type PairLook } from './pair-views.ts';

/** Layers in all beyond which no picture shows each with each. */
const mostPicturedLayers = 400;

/** What was found of each layer of the rows with each of the columns. */
export interface PairCells {
  values: Record<string, ResultValue>[][];
  /** The main value after the samples of the column's layer were permuted, draw by draw. */
  permuted?: Float64Array[][];
  /** The main value over resampled samples, draw by draw. */
  resampled?: Float64Array[][];
}

export interface ReportOptions {
  /**
   * Lay the spread of resamples around the estimate, where copies of samples make them lean to one
   * side; otherwise their percentiles are the interval as they are.
   */
  recentre?: boolean;
}

/**
 * Values, null, interval and views of a two-sided measure. Of more than two sides, the values are
 * sides × sides: mean best matches of their layers, with the layers themselves beside them.
 */
export function reportPairs(
  pair: LayerPair,
  sides: readonly Side[],
  cells: PairCells,
  look: PairLook,
  { recentre = false }: ReportOptions = {},
): Pick<Outcome, 'values' | 'null' | 'interval' | 'views'> {
  const several = pair.sideOf !== undefined;
  const layers = layerGrid(pair, sides);
  const shown = pair.sideOf ? bySides(pair.sideOf, cells, look) : cells;
  const observed = numbersOf(shown, look.key);
  const symmetric =
    pair.self && observed.every((row, i) => row.every((value, j) => value === observed[j]![i]!));
  const grid = { ...(several ? sideGrid(sides) : layers), symmetric };
  const nulls =
    shown.permuted &&
    map(shown.permuted, (draws, i, j) => nullSummary(draws, observed[i]![j]!, look.distance));
  const intervals =
    shown.resampled &&
    map(shown.resampled, (draws, i, j) =>
      recentre ? intervalAround(observed[i]![j]!, draws, look.range) : percentileInterval(draws),
    );
  const reported = <T, R>(matrix: T[][], pick: (cell: T) => R): R | R[][] =>
    pairValue<R>(grid, map(matrix, pick));
  const keys = Object.keys(shown.values[0]![0]!);
  const views = pairViews(grid, look, {
    values: observed,
    ...(nulls && { nulls }),
    ...(intervals && { intervals }),
  });
  const beside = several && sides.some(({ layered }) => layered);
  if (beside && pair.rows.length <= mostPicturedLayers) {
    views.push(heatmap(layers, look, numbersOf(cells, look.key)));
  }
  return {
    values: {
      ...Object.fromEntries(
        keys.map((key) => [key, reported(shown.values, (cell) => cell[key]!)] as const),
      ),
      ...(look.best && sides.length === 2 && pair.layered && { best: bestPair(pair, cells, look) }),
      ...(beside && {
        layers: pair.rows.map(({ label }, at) => ({
          model: sides[pair.sideOf![at]!]!.name,
          layer: label,
        })),
        perLayer: numbersOf(cells, look.key),
      }),
    },
    ...(nulls && {
      null: {
        mean: reported(nulls, (cell) => cell.mean),
        sd: reported(nulls, (cell) => cell.sd),
        p: reported(nulls, (cell) => cell.p),
        permutations: shown.permuted![0]![0]!.length,
      },
    }),
    ...(intervals && {
      interval: {
        low: reported(intervals, (cell) => cell.low),
        high: reported(intervals, (cell) => cell.high),
        level: intervalLevel,
        bootstrap: shown.resampled![0]![0]!.length,
      },
    }),
    views,
  };
}

const map = <T, R>(matrix: T[][], cell: (value: T, i: number, j: number) => R): R[][] =>
  matrix.map((row, i) => row.map((value, j) => cell(value, i, j)));

const numbersOf = ({ values }: PairCells, key: string): Real[][] =>
  map(values, (cell) => cell[key] as Real);

function layerGrid(
  { rows, columns, layered, sideOf }: LayerPair,
  sides: readonly Side[],
): PairGrid {
  const [first, second = first] = sides;
  const axis = (layers: LayerPair['rows'], side: Side) => ({
    name: sideOf ? 'layer' : side.name,
    labels: layers.map(({ label }, at) =>
      sideOf && sides[sideOf[at]!]!.layered ? `${sides[sideOf[at]!]!.name} ${label}` : label,
    ),
  });
  return {
    rows: axis(rows, first!),
    columns: axis(columns, second!),
    symmetric: false,
    layered,
    of: 'layers',
  };
}

function sideGrid(sides: readonly Side[]): PairGrid {
  const axis = { name: 'representation', labels: sides.map(({ name }) => name) };
  return { rows: axis, columns: axis, symmetric: false, layered: true, of: 'representations' };
}

/** Sides × sides: the main value as its mean best match, other numbers at those matches. */
function bySides(sideOf: readonly number[], cells: PairCells, { key, distance }: PairLook) {
  const matches = bestMatches(numbersOf(cells, key), sideOf, distance);
  const plain = new Set(sideOf).size === sideOf.length;
  const drawn = (draws: Float64Array[][]): Float64Array[][] => {
    const answer = map(matches, () => new Float64Array(draws[0]![0]!.length));
    for (let draw = 0; draw < answer[0]![0]!.length; draw++) {
      const matrix = map(draws, (values) => values[draw]!);
      bestMatches(matrix, sideOf, distance).forEach((row, a) =>
        row.forEach((found, b) => (answer[a]![b]![draw] = meanMatch(matrix, found) ?? NaN)),
      );
    }
    return answer;
  };
  /** Plain matrices have one layer each, and all that was found of it. */
  const summary = (found: Matches, a: number, b: number): Record<string, ResultValue> => {
    const first = cells.values[sideOf.indexOf(a)]![sideOf.indexOf(b)]!;
    if (plain) return first;
    const numeric = Object.keys(first).filter(
      (name) => typeof first[name] === 'number' || name === key,
    );
    return Object.fromEntries(
      numeric.map((name) => [name, meanMatch(numbersOf(cells, name), found)]),
    );
  };
  return {
    values: map(matches, summary),
    ...(cells.permuted && { permuted: drawn(cells.permuted) }),
    ...(cells.resampled && { resampled: drawn(cells.resampled) }),
  };
}

/**
 * The most alike layers of two models. The best of many pairs is good by choice: its null is the
 * best of all pairs in each permutation.
 */
function bestPair(
  { rows, columns }: LayerPair,
  cells: PairCells,
  { key, distance }: PairLook,
): ResultValue {
  const all = rows.flatMap((_, i) => columns.map((__, j) => [i, j] as const));
  const better = (a: number, b: number) => (distance ? a < b : a > b);
  const bestOf = (value: (at: readonly [number, number]) => number) => {
    const valid = all.filter((at) => Number.isFinite(value(at)));
    return valid.reduce<(typeof all)[number] | undefined>(
      (best, at) => (best === undefined || better(value(at), value(best)) ? at : best),
      undefined,
    );
  };
  const observed = ([i, j]: readonly [number, number]) =>
    (cells.values[i]![j]![key] ?? NaN) as number;
  const found = bestOf(observed);
  if (found === undefined) return null;
  const draws =
    cells.permuted &&
    Array.from(cells.permuted[0]![0]!, (_, draw) => {
      const drawn = ([i, j]: readonly [number, number]) => cells.permuted![i]![j]![draw]!;
      const at = bestOf(drawn);
      return at ? drawn(at) : NaN;
    });
  return {
    [key]: observed(found),
    first: rows[found[0]]!.label,
    second: columns[found[1]]!.label,
    ...(draws && { null: nullSummary(draws, observed(found), distance) }),
  };
}

/** Percentiles of the draws' deviations from their mean, laid around the estimate. */
export function intervalAround(
  estimate: Real,
  draws: Float64Array,
  range: PairLook['range'] = [-Infinity, Infinity],
): { low: Real; high: Real } {
  const finite = Array.from(draws).filter(Number.isFinite);
  if (estimate === null || finite.length === 0) return { low: null, high: null };
  const shift = estimate - mean(finite);
  const bounded = finite.map((draw) => Math.min(range[1], Math.max(range[0], draw + shift)));
  return percentileInterval(bounded);
}
