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

/** What is compared with what; one list with itself has the same rows and columns. */
export interface PairGrid {
  rows: GridAxis;
  columns: GridAxis;
  self: boolean;
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

/** A heatmap over rows × columns; a profile where one side has one layer; a table of numbers. */
export function pairViews(grid: PairGrid, look: PairLook, numbers: PairNumbers): View[] {
  const views: View[] = [];
  if (grid.layered) {
    const square = grid.rows.labels.length > 1 && grid.columns.labels.length > 1;
    views.push(square ? heatmap(grid, look, numbers.values) : profile(grid, look, numbers));
  }
  if (!grid.layered || numbers.nulls || numbers.intervals) views.push(table(grid, look, numbers));
  return views;
}

export function heatmap({ rows, columns, of }: PairGrid, look: PairLook, z: Real[][]): View {
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

function table({ rows, columns, self }: PairGrid, { name }: PairLook, numbers: PairNumbers): View {
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
      columns.labels.slice(self ? i : 0).map((column, offset) => {
        const j = (self ? i : 0) + offset;
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
