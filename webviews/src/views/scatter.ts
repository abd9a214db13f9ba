import { exact, extent, formatNumber } from '../shared/format.ts';
import {
  boundedGrid,
  dashOf,
  legend,
  legendHeight,
  numberAxis,
  seriesColor,
  squareRanges,
  symbolOf,
} from './axes.ts';
import type { ViewKind, ViewOf } from './view-kind.ts';

type Scatter = ViewOf<'scatter'>;
type Point = Scatter['series'][number]['points'][number];

/** Points beyond this are drawn in batches. */
const manyPoints = 4000;

const names = (view: Scatter): string[] => view.series.map((series) => series.name);

const drawable = (view: Scatter, [x, y]: Point): boolean =>
  x !== null && y !== null && !(view.x.log && x <= 0) && !(view.y.log && y <= 0);

const withRange = (
  axis: Record<string, unknown>,
  range: Record<string, unknown>,
  nameGap: number,
) => ({
  ...axis,
  ...range,
  nameGap,
  axisLabel: { ...(axis['axisLabel'] as object), ...(range['axisLabel'] as object | undefined) },
});

/** Room for the axis and its name beside a square plot. */
const squareMargin = { left: 62, right: 16, bottom: 50 };
const largestSquare = 420;
const squareSize = (width: number): number =>
  Math.max(120, Math.min(largestSquare, width - squareMargin.left - squareMargin.right));

export const scatter: ViewKind<Scatter> = {
  table: (view) => {
    const labelled = view.series.some(({ labels }) => labels !== undefined);
    return {
      columns: ['series', ...(labelled ? ['sample'] : []), view.x.name, view.y.name],
      rows: view.series.flatMap((series) =>
        series.points.map(([x, y], at) => [
          series.name,
          ...(labelled ? [series.labels?.[at] ?? ''] : []),
          x,
          y,
        ]),
      ),
    };
  },
  plot: {
    height: (view, width) =>
      (view.square ? squareSize(width) + squareMargin.bottom : 290) +
      legendHeight(names(view), width),
    option: (view, theme, { width }) => {
      const top = legendHeight(names(view), width);
      const [x, y] = view.square
        ? squareRanges(view.series.flatMap((series) => series.points))
        : [{}, {}];
      const size = squareSize(width);
      return {
        grid: view.square
          ? { left: squareMargin.left, top, width: size, height: size, outerBoundsMode: 'none' }
          : boundedGrid(top, 6),
        legend: legend(theme, names(view), width),
        xAxis: withRange(numberAxis(theme, view.x), x, 28),
        yAxis: withRange(numberAxis(theme, view.y), y, 44),
        dataZoom: [
          { type: 'inside', xAxisIndex: 0, zoomOnMouseWheel: 'ctrl', filterMode: 'none' },
          { type: 'inside', yAxisIndex: 0, zoomOnMouseWheel: 'ctrl', filterMode: 'none' },
        ],
        series: view.series.map((series, index) => {
          const color = seriesColor(theme, index, view.series.length);
          // A point that cannot be drawn stays as a gap, so that indices agree with the data.
          const data = series.points.map((point) => (drawable(view, point) ? point : [null, null]));
          const common = { id: `points-${index}`, name: series.name, color, data };
          return series.line
            ? {
                ...common,
                type: 'line',
                symbol: 'none',
                lineStyle: { width: 2, type: dashOf(index) },
                z: 3,
              }
            : {
                ...common,
                type: 'scatter',
                symbol: symbolOf(index),
                symbolSize: series.points.length > 500 ? 4 : 7,
                itemStyle: { opacity: theme.highContrast ? 1 : 0.7 },
                large: series.points.length > manyPoints,
                z: 2,
              };
        }),
      };
    },
    marks: (view, theme, mark) => {
      const chosen = new Set(mark.selected);
      const any = view.series.some((series) => chosen.has(series.name));
      return view.series.map((series, index) => {
        const opacity = !any || chosen.has(series.name) ? (theme.highContrast ? 1 : 0.7) : 0.12;
        const at = mark.cursor?.row === index ? series.points[mark.cursor.column] : undefined;
        return {
          id: `points-${index}`,
          itemStyle: { opacity },
          ...(series.line ? { lineStyle: { opacity: Math.min(1, opacity + 0.3) } } : {}),
          markPoint: {
            silent: true,
            animation: false,
            symbol: 'circle',
            symbolSize: 14,
            itemStyle: { color: 'transparent', borderColor: theme.foreground, borderWidth: 2 },
            label: { show: false },
            data: at && drawable(view, at) ? [{ coord: at }] : [],
          },
        };
      });
    },
    summary: (view) => {
      const points = view.series.flatMap((series) => series.points);
      const span = (values: (number | null)[]): string => {
        const range = extent(values);
        return range ? `${formatNumber(range[0])} to ${formatNumber(range[1])}` : 'no numbers';
      };
      return (
        `Scatter plot of ${view.y.name} against ${view.x.name}, ${points.length} points; ` +
        `${view.x.name} ${span(points.map(([x]) => x))}, ${view.y.name} ${span(points.map(([, y]) => y))}.`
      );
    },
    notes: (view) => {
      const lost = view.series
        .flatMap((series) => series.points)
        .filter((point) => !drawable(view, point)).length;
      return lost === 0 ? [] : [`${lost} points have no place on these axes; the table has them.`];
    },
    rows: (view) => view.series.length,
    columns: (view, row) => view.series[row]?.points.length ?? 0,
    point: (view, { row, column }) => {
      const series = view.series[row]!;
      const [x, y] = series.points[column] ?? [null, null];
      const label = series.labels?.[column];
      return {
        title: label ?? series.name,
        lines: [
          ...(label === undefined ? [] : [['series', series.name] as [string, string]]),
          [view.x.name, exact(x)],
          [view.y.name, exact(y)],
        ],
        labels: [series.name],
      };
    },
    locate: (_, { row, column }) => ({ seriesIndex: row, dataIndex: column }),
    cellAt: (_, seriesIndex, dataIndex) => ({ row: seriesIndex, column: dataIndex }),
    readout: () => [],
  },
};
