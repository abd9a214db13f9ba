import type { Result, View } from '@repscope/core/results/schema.ts';
import type { Cell } from '../views/view-kind.ts';
import { exact, formatNumber } from './format.ts';

type Numbers = NonNullable<Result['null']>['mean'];

/** One number of a scalar, a list or a matrix; undefined where the indices do not fit its depth. */
function at(numbers: Numbers, indices: readonly number[]): number | null | undefined {
  let value: Numbers | undefined = numbers;
  for (const index of indices) {
    if (!Array.isArray(value)) return undefined;
    value = value[index];
  }
  return Array.isArray(value) ? undefined : value;
}

/** The interval and null distribution of one value, in words: `95 % interval`, `0.79 … 0.86`. */
export function statisticsAt(
  result: Pick<Result, 'null' | 'interval'>,
  indices: readonly number[],
  write = formatNumber,
): [name: string, value: string][] {
  const lines: [string, string][] = [];
  if (result.interval) {
    const low = at(result.interval.low, indices);
    const high = at(result.interval.high, indices);
    if (low !== undefined && high !== undefined) {
      const percent = formatNumber(result.interval.level * 100);
      lines.push([`${percent} % interval`, `${write(low)} … ${write(high)}`]);
    }
  }
  if (result.null) {
    const mean = at(result.null.mean, indices);
    const sd = at(result.null.sd, indices);
    const p = at(result.null.p, indices);
    if (mean !== undefined && sd !== undefined) {
      lines.push(['null', `${write(mean)} ± ${write(sd)}`]);
    }
    if (p !== undefined) lines.push(['p', write(p)]);
  }
  return lines;
}

/** How deep the numbers are nested: 0 scalar, 1 list, 2 matrix; null where there are none. */
export function statisticsDepth(result: Pick<Result, 'null' | 'interval'>): number | null {
  const numbers = result.interval?.low ?? result.null?.mean;
  if (numbers === undefined) return null;
  if (!Array.isArray(numbers)) return 0;
  return Array.isArray(numbers[0]) ? 2 : 1;
}

/** The first view whose points are what the interval and null distribution are about. */
export function describedView(result: Result): View | undefined {
  const numbers = result.interval?.low ?? result.null?.mean;
  if (!Array.isArray(numbers)) return undefined;
  const first = numbers[0];
  return result.views.find((view) =>
    Array.isArray(first)
      ? view.kind === 'heatmap' &&
        view.z.length === numbers.length &&
        view.z[0]?.length === first.length
      : view.kind === 'line' && view.x.values.length === numbers.length,
  );
}

/** What the tooltip of a view adds about a point. */
export function pointStatistics(result: Result, view: View): (cell: Cell) => [string, string][] {
  if (describedView(result) !== view) return () => [];
  return ({ row, column }) => {
    if (view.kind === 'heatmap') return statisticsAt(result, [row, column], exact);
    return row === 0 ? statisticsAt(result, [column], exact) : [];
  };
}

/**
 * A table of every interval and null value, for results with more than one value and no table of
 * their own.
 */
export function statisticsTable(result: Result): View | null {
  if (result.views.some(({ kind }) => kind === 'table')) return null;
  const view = describedView(result);
  if (!view || (view.kind !== 'heatmap' && view.kind !== 'line')) return null;
  const cells =
    view.kind === 'heatmap'
      ? view.y.values.flatMap((y, row) =>
          view.x.values.map((x, column) => ({
            names: [exact(y), exact(x)],
            indices: [row, column],
            value: view.z[row]?.[column] ?? null,
          })),
        )
      : view.x.values.map((x, column) => ({
          names: [exact(x)],
          indices: [column],
          value: view.series[0]?.values[column] ?? null,
        }));
  const { interval, null: chance } = result;
  const percent = interval ? `${formatNumber(interval.level * 100)} %` : '';
  const columns: [name: string, numbers: Numbers][] = [
    ...(interval
      ? ([
          [`${percent} low`, interval.low],
          [`${percent} high`, interval.high],
        ] as [string, Numbers][])
      : []),
    ...(chance
      ? ([
          ['null mean', chance.mean],
          ['null sd', chance.sd],
          ['p', chance.p],
        ] as [string, Numbers][])
      : []),
  ];
  const draws = [
    interval && `${interval.bootstrap.toLocaleString('en-US')} bootstrap samples`,
    chance && `${chance.permutations.toLocaleString('en-US')} permutations`,
  ].filter((text) => text !== undefined);
  const first =
    view.kind === 'heatmap' ? [view.y.name, view.x.name, view.unit] : [view.x.name, view.y.name];
  return {
    kind: 'table',
    title: `Interval and null distribution (${draws.join(', ')})`,
    columns: [...first, ...columns.map(([name]) => name)],
    rows: cells.map(({ names, indices, value }) => [
      ...names,
      value,
      ...columns.map(([, numbers]) => at(numbers, indices) ?? null),
    ]),
  };
}
