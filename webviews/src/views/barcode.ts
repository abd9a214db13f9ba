import { exact, formatNumber } from '../shared/format.ts';
import { boundedGrid, legend, legendHeight, numberAxis, seriesColor } from './axes.ts';
import type { RenderItem, ViewKind, ViewOf } from './view-kind.ts';

type Barcode = ViewOf<'barcode'>;
type Interval = Barcode['series'][number]['intervals'][number];

/** Bars beyond this, the shortest of their series, are left to the table. */
const mostBars = 150;

const length = ([birth, death]: Interval) => (death ?? Infinity) - birth;
const names = (view: Barcode): string[] => view.series.map(({ name }) => name);

/** The longest intervals of a series, by birth and then length, and where each stands in the data. */
const shown = (view: Barcode, row: number): number[] => {
  const { intervals } = view.series[row]!;
  return intervals
    .map((_, at) => at)
    .sort((a, b) => length(intervals[b]!) - length(intervals[a]!) || a - b)
    .slice(0, mostBars)
    .sort(
      (a, b) =>
        intervals[a]![0] - intervals[b]![0] || length(intervals[a]!) - length(intervals[b]!),
    );
};

/** Where infinite bars end: a little past all that is finite. */
function right(view: Barcode): number {
  const ends = view.series.flatMap(({ intervals }) => intervals.flatMap((ends) => [...ends]));
  const finite = ends.filter((end): end is number => end !== null);
  const [low, high] = [Math.min(0, ...finite), Math.max(0, ...finite)];
  return high + (high - low || 1) * 0.08;
}

const stroke: RenderItem = (_, api) => {
  const [from, at] = api.coord([api.value(0), api.value(2)]) as [number, number];
  const [to] = api.coord([api.value(1), api.value(2)]) as [number, number];
  const step = Math.abs((api.size!([0, 1]) as number[])[1]!);
  const height = Math.max(1, Math.min(8, step * 0.7));
  return {
    type: 'rect',
    shape: { x: from, y: at - height / 2, width: Math.max(1, to - from), height },
    style: { fill: api.visual('color') },
  };
};

/** Lines that all series take, with a gap between them. */
const lineCount = (view: Barcode): number =>
  view.series.reduce((sum, _, row) => sum + shown(view, row).length + 2, 0);

/** First line of each series: they stand one above the other. */
const offsets = (view: Barcode): number[] => {
  let next = 0;
  return view.series.map((_, row) => {
    const at = next;
    next += shown(view, row).length + 2;
    return at;
  });
};

export const barcode: ViewKind<Barcode> = {
  table: (view) => ({
    columns: ['series', 'birth', 'death', 'length'],
    rows: view.series.flatMap(({ name, intervals }) =>
      intervals.map((interval) => [
        name,
        interval[0],
        interval[1] ?? 'infinite',
        interval[1] === null ? 'infinite' : length(interval),
      ]),
    ),
  }),
  plot: {
    height: (view, width) =>
      Math.max(200, Math.min(560, 90 + lineCount(view) * 6)) + legendHeight(names(view), width),
    option: (view, theme, { width }) => {
      const end = right(view);
      const axis = numberAxis(theme, view.x);
      // The end lies a little past the data and is no round number.
      const axisLabel = { ...(axis['axisLabel'] as object), showMaxLabel: false };
      const starts = offsets(view);
      return {
        grid: boundedGrid(legendHeight(names(view), width), 6),
        legend: legend(theme, names(view), width),
        xAxis: { ...axis, axisLabel, nameGap: 28, max: end },
        yAxis: { type: 'value', show: false, inverse: true, min: -1, max: lineCount(view) - 2 },
        series: view.series.map((series, row) => ({
          id: `bars-${row}`,
          type: 'custom',
          name: series.name,
          color: seriesColor(theme, row, view.series.length),
          clip: true,
          renderItem: stroke,
          encode: { x: [0, 1], y: 2 },
          animation: false,
          data: shown(view, row).map((at, line) => {
            const [birth, death] = series.intervals[at]!;
            return [birth, death ?? end, starts[row]! + line];
          }),
        })),
      };
    },
    marks: (view, theme, { cursor }) => {
      const frame: RenderItem = (params, api) => ({
        ...(stroke(params, api) as { type: 'rect'; shape: object }),
        style: { fill: 'none', stroke: theme.foreground, lineWidth: 2 },
      });
      const row = cursor?.row ?? -1;
      const at = cursor ? shown(view, row)[cursor.column] : undefined;
      const interval = at === undefined ? undefined : view.series[row]!.intervals[at]!;
      return [
        {
          id: 'frame',
          type: 'custom',
          silent: true,
          clip: true,
          renderItem: frame,
          encode: { x: [0, 1], y: 2 },
          data: interval
            ? [[interval[0], interval[1] ?? right(view), offsets(view)[row]! + cursor!.column]]
            : [],
        },
      ];
    },
    summary: (view) => {
      const each = view.series.map(({ name, intervals }) => {
        const finite = intervals.filter(([, death]) => death !== null);
        const longest = Math.max(0, ...finite.map(length));
        const endless = intervals.length - finite.length;
        return `${name}: ${intervals.length} intervals, ${endless} infinite, the longest finite one ${formatNumber(longest)}`;
      });
      return `Barcode over ${view.x.name}. ${each.join('; ')}.`;
    },
    notes: (view) =>
      view.series.flatMap(({ name, intervals }) =>
        intervals.length > mostBars
          ? [
              `${name}: the ${mostBars} longest of ${intervals.length} intervals; the table has all.`,
            ]
          : [],
      ),
    rows: (view) => view.series.length,
    columns: (view, row) => Math.min(mostBars, view.series[row]?.intervals.length ?? 0),
    point: (view, { row, column }) => {
      const { name, intervals } = view.series[row]!;
      const interval = intervals[shown(view, row)[column] ?? -1];
      if (!interval) return { title: name, lines: [], labels: [] };
      const endless = interval[1] === null;
      return {
        title: name,
        lines: [
          ['birth', exact(interval[0])],
          ['death', endless ? 'infinite' : exact(interval[1])],
          ['length', endless ? 'infinite' : exact(length(interval))],
        ],
        labels: [],
      };
    },
    locate: (_, { row, column }) => ({ seriesIndex: row, dataIndex: column }),
    cellAt: (view, seriesIndex, dataIndex) =>
      seriesIndex < view.series.length ? { row: seriesIndex, column: dataIndex } : null,
    readout: () => [],
  },
};
