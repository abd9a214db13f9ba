import type { Real, View } from '../../results/schema.ts';
import type { Side } from '../definition.ts';
import type { LayerPair } from '../layers.ts';

interface Cells {
  values: Real[][];
  nulls?: { mean: Real; sd: Real; p: Real }[][];
  intervals?: { low: Real; high: Real }[][];
}

/** A heatmap over layers × layers; a profile where one side has one layer; a table of numbers. */
export function ckaViews(pair: LayerPair, sides: readonly Side[], cells: Cells): View[] {
  const views: View[] = [];
  if (pair.layered) {
    if (pair.rows.length > 1 && pair.columns.length > 1) views.push(heatmap(pair, sides, cells));
    else views.push(profile(pair, sides, cells));
  }
  if (!pair.layered || cells.nulls || cells.intervals) views.push(table(pair, cells));
  return views;
}

const labels = (layers: LayerPair['rows']) => layers.map(({ label }) => label);

function heatmap({ rows, columns }: LayerPair, sides: readonly Side[], { values }: Cells): View {
  const [first, second = first] = sides;
  return {
    kind: 'heatmap',
    title: 'CKA of layers',
    x: { name: second!.name, values: labels(columns) },
    y: { name: first!.name, values: labels(rows) },
    z: values,
    range: [0, 1],
    unit: 'CKA',
  };
}

function profile({ rows, columns }: LayerPair, sides: readonly Side[], cells: Cells): View {
  const down = columns.length === 1;
  const along = <T>(matrix: T[][]): T[] => (down ? matrix.map((row) => row[0]!) : matrix[0]!);
  const [first, second = first] = sides;
  const [layered, other] = down ? [first!, columns[0]!.label] : [second!, rows[0]!.label];
  return {
    kind: 'line',
    title: `CKA with ${other}`,
    x: { name: layered.name, values: labels(down ? rows : columns) },
    y: { name: 'CKA' },
    series: [
      {
        name: 'CKA',
        values: along(cells.values),
        ...(cells.intervals && {
          low: along(cells.intervals).map(({ low }) => low),
          high: along(cells.intervals).map(({ high }) => high),
        }),
      },
      ...(cells.nulls
        ? [{ name: 'permuted samples', values: along(cells.nulls).map(({ mean }) => mean) }]
        : []),
    ],
  };
}

function table({ rows, columns, self }: LayerPair, { values, nulls, intervals }: Cells): View {
  return {
    kind: 'table',
    title: 'CKA',
    columns: [
      'first',
      'second',
      'CKA',
      ...(intervals ? ['2.5 %', '97.5 %'] : []),
      ...(nulls ? ['null mean', 'null sd', 'p'] : []),
    ],
    rows: rows.flatMap((row, i) =>
      columns.slice(self ? i : 0).map((column, offset) => {
        const j = (self ? i : 0) + offset;
        const interval = intervals?.[i]?.[j];
        const chance = nulls?.[i]?.[j];
        return [
          row.label,
          column.label,
          values[i]![j]!,
          ...(interval ? [interval.low, interval.high] : []),
          ...(chance ? [chance.mean, chance.sd, chance.p] : []),
        ];
      }),
    ),
  };
}
