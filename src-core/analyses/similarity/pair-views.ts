import type { Real, View } from '../../results/schema.ts';

/** How a measure of two representations is shown. */
export interface PairLook {
  /** Its key among the values. */
  key: string;
  /** Its name in titles and on axes, e.g. `CKA`. */
  name: string;
  /** What it lies between, where it is bounded. */
  range?: readonly [low: number, high: number];
  /** Smaller means more alike. */
  distance?: boolean;
  /** Of two models, say which layers are most alike, and how often chance is as good. */
  best?: boolean;
}

/** What is compared with what. */
export interface PairGrid {
  rows: GridAxis;
  columns: GridAxis;
  /** One list with itself, in either direction alike: one half says it all. */
  symmetric: boolean;
  /** True where there is more than one number. */
  layered: boolean;
  /** What rows and columns are. */
  of: 'layers' | 'representations';
}

export interface GridAxis {
  /** The model, or the matrix. */
  name: string;
  labels: readonly string[];
}

/** Row by column. */
export interface PairNumbers {
  values: Real[][];
  nulls?: { mean: Real; sd: Real; p: Real }[][];
  intervals?: { low: Real; high: Real }[][];
}

/** Pairs beyond which a table is no help. */
const mostTabled = 400;

/**
 * A heatmap over rows × columns, and one of p where there is a null; a profile where one side has
 * one layer; a table of numbers.
 */
export function pairViews(grid: PairGrid, look: PairLook, numbers: PairNumbers): View[] {
  const { values, nulls, intervals } = numbers;
  const [rows, columns] = [grid.rows.labels.length, grid.columns.labels.length];
  const views: View[] = [];
  if (grid.layered && rows > 1 && columns > 1) {
    views.push(heatmap(grid, look, values));
    if (nulls) {
      const chance = { key: 'p', name: `p of ${look.name}`, range: [0, 1] } as const;
      const p = nulls.map((row) => row.map((cell) => cell.p));
      views.push({ ...heatmap(grid, chance, p), unit: 'p' });
    }
  } else if (grid.layered) {
    views.push(profile(grid, look, numbers));
  }
  const tabled = rows * columns <= mostTabled && (nulls !== undefined || intervals !== undefined);
  if (!grid.layered || tabled) views.push(table(grid, look, numbers));
  return views;
}

export function heatmap(
  { rows, columns, of }: PairGrid,
  look: PairLook,
  z: Real[][],
): Extract<View, { kind: 'heatmap' }> {
  return {
    kind: 'heatmap',
    title: `${look.name} of ${of}`,
    x: { name: columns.name, values: [...columns.labels] },
    y: { name: rows.name, values: [...rows.labels] },
    z,
    ...(look.range && { range: [...look.range] }),
    unit: look.name,
  };
}

function profile({ rows, columns }: PairGrid, { name }: PairLook, numbers: PairNumbers): View {
  const down = columns.labels.length === 1;
  const along = <T>(matrix: T[][]): T[] => (down ? matrix.map((row) => row[0]!) : matrix[0]!);
  const [layered, other] = down ? [rows, columns] : [columns, rows];
  return {
    kind: 'line',
    title: `${name} with ${other.labels[0]!}`,
    x: { name: layered.name, values: [...layered.labels] },
    y: { name },
    series: [
      {
        name,
        values: along(numbers.values),
        ...(numbers.intervals && {
          low: along(numbers.intervals).map(({ low }) => low),
          high: along(numbers.intervals).map(({ high }) => high),
        }),
      },
      ...(numbers.nulls
        ? [{ name: 'permuted samples', values: along(numbers.nulls).map(({ mean }) => mean) }]
        : []),
    ],
  };
}

function table(
  { rows, columns, symmetric }: PairGrid,
  { name }: PairLook,
  numbers: PairNumbers,
): View {
  const { values, nulls, intervals } = numbers;
  return {
    kind: 'table',
    title: name,
    columns: [
      'first',
      'second',
      name,
      ...(intervals ? ['2.5 %', '97.5 %'] : []),
      ...(nulls ? ['null mean', 'null sd', 'p'] : []),
    ],
    rows: rows.labels.flatMap((row, i) =>
      columns.labels.slice(symmetric ? i : 0).map((column, offset) => {
        const j = (symmetric ? i : 0) + offset;
        const interval = intervals?.[i]?.[j];
        const chance = nulls?.[i]?.[j];
        return [
          row,
          column,
          values[i]![j]!,
          ...(interval ? [interval.low, interval.high] : []),
          ...(chance ? [chance.mean, chance.sd, chance.p] : []),
        ];
      }),
    ),
  };
}
