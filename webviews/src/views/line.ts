import {
  exact,
  extent,
  fitLabels,
  formatNumber,
  shortenLabels,
  textWidth,
  type TableData,
} from '../shared/format.ts';
import type { Theme } from '../shared/theme.ts';
import {
  categoryAxis,
  boundedGrid,
  dashOf,
  legend,
  legendHeight,
  numberAxis,
  seriesColor,
  symbolOf,
  tickInterval,
  zoomX,
} from './axes.ts';
import type { Mark, PointLine, RenderItem, SeriesPatch, ViewKind, ViewOf } from './view-kind.ts';

type Line = ViewOf<'line'>;
type Series = Line['series'][number];

/** From here on a range slider helps. */
const manyPoints = 40;

const isCategory = (view: Line): boolean =>
  view.x.values.some((value) => typeof value === 'string');
const labels = (view: Line): string[] => view.x.values.map(exact);
const shortLabels = (view: Line): Map<string, string> =>
  shortenLabels(labels(view), view.x.values.length >= 24 ? 8 : 16);
const names = (view: Line): string[] => view.series.map((series) => series.name);
const hasBand = (series: Series): boolean => series.low !== undefined && series.high !== undefined;

/** What a logarithmic axis can show. */
const shown = (value: number | null, log: boolean | undefined): number | null =>
  value === null || (log && value <= 0) ? null : value;

/** The shaded area between `low` and `high`, broken where either is missing. */
function band(
  view: Line,
  series: Series,
  color: string,
  opacity: number,
  index: number,
): Record<string, unknown> {
  const low = series.low ?? [];
  const high = series.high ?? [];
  const data = view.x.values.map((x, at) => [
    isCategory(view) ? at : x,
    shown(low[at] ?? null, view.y.log),
    shown(high[at] ?? null, view.y.log),
  ]);
  const renderItem: RenderItem = (params, api) => {
    // The first item draws the whole band: neighbouring quadrilaterals would show their seams.
    if (params.dataIndexInside !== 0) return;
    const runs: number[][][] = [[]];
    for (const [x, from, to] of data) {
      if (x === null || from === null || to === null) runs.push([]);
      else runs.at(-1)!.push([Number(x), Number(from), Number(to)]);
    }
    return {
      type: 'group',
      silent: true,
      children: runs
        .filter((run) => run.length > 1)
        .map((run) => ({
          type: 'polygon' as const,
          shape: {
            points: [
              ...run.map(([x, , to]) => api.coord([x!, to!])),
              ...run.toReversed().map(([x, from]) => api.coord([x!, from!])),
            ],
          },
          style: { fill: color, opacity },
        })),
    };
  };
  return {
    id: `band-${index}`,
    name: series.name,
    type: 'custom',
    clip: true,
    silent: true,
    renderItem,
    data,
    encode: { x: 0, y: [1, 2] },
    itemStyle: { color },
    tooltip: { show: false },
    z: 1,
  };
}

/** Chosen series stand out, chosen positions get an upright line. */
function marks(view: Line, theme: Theme, mark: Mark): SeriesPatch[] {
  const chosen = new Set(mark.selected);
  const anySeries = view.series.some((series) => chosen.has(series.name));
  const positions = isCategory(view) ? labels(view).filter((label) => chosen.has(label)) : [];
  return view.series.map((series, index) => {
    const stands = !anySeries || chosen.has(series.name);
    const focus = mark.cursor?.row === index ? mark.cursor.column : null;
    const at = focus === null ? null : view.x.values[focus]!;
    const y = focus === null ? null : shown(series.values[focus] ?? null, view.y.log);
    return {
      id: `line-${index}`,
      lineStyle: { width: anySeries && stands ? 3.5 : 2, opacity: stands ? 1 : 0.25 },
      itemStyle: { opacity: stands ? 1 : 0.25 },
      z: anySeries && stands ? 4 : 2,
      markLine: {
        silent: true,
        symbol: 'none',
        animation: false,
        label: { show: false },
        lineStyle: { color: theme.foreground, type: 'dashed', width: 1 },
        data: index === 0 ? positions.map((label) => ({ xAxis: label })) : [],
      },
      markPoint: {
        silent: true,
        animation: false,
        symbol: 'circle',
        symbolSize: 14,
        itemStyle: { color: 'transparent', borderColor: theme.foreground, borderWidth: 2 },
        label: { show: false },
        data: at === null || y === null ? [] : [{ coord: [isCategory(view) ? exact(at) : at, y] }],
      },
    };
  });
}

function table(view: Line): TableData {
  const columns = [view.x.name];
  for (const series of view.series) {
    columns.push(series.name);
    if (hasBand(series)) columns.push(`${series.name} low`, `${series.name} high`);
  }
  const rows = view.x.values.map((x, at) => [
    x,
    ...view.series.flatMap((series) =>
      hasBand(series)
        ? [series.values[at] ?? null, series.low![at] ?? null, series.high![at] ?? null]
        : [series.values[at] ?? null],
    ),
  ]);
  return { columns, rows };
}

export const line: ViewKind<Line> = {
  table,
  plot: {
    height: (view, width) => {
      const below = isCategory(view)
        ? fitLabels([...shortLabels(view).values()], width - 80).room
        : 20;
      const slider = view.x.values.length >= manyPoints ? 24 : 0;
      return 250 + legendHeight(names(view), width) + below + slider;
    },
    option: (view, theme, { width }) => {
      const many = view.x.values.length >= manyPoints;
      const short = shortLabels(view);
      const fitted = fitLabels([...short.values()], width - 80);
      const x = isCategory(view)
        ? categoryAxis(theme, view.x.name, labels(view), short, fitted)
        : {
            ...numberAxis(theme, view.x),
            splitLine: { show: false },
            nameGap: 28,
            ...(view.x.log ? { min: 'dataMin', max: 'dataMax' } : {}),
          };
      const symbolSize = view.x.values.length <= 30 ? 7 : 4;
      return {
        grid: boundedGrid(legendHeight(names(view), width), many ? 28 : 6),
        legend: legend(theme, names(view), width),
        xAxis: x,
        yAxis: { ...numberAxis(theme, view.y), nameGap: 44 },
        dataZoom: many ? zoomX(theme) : [],
        series: [
          ...view.series.map((series, index) => {
            const color = seriesColor(theme, index, view.series.length);
            return {
              id: `line-${index}`,
              name: series.name,
              type: 'line',
              color,
              symbol: symbolOf(index),
              symbolSize,
              showSymbol: view.x.values.length <= 60,
              lineStyle: { width: 2, type: dashOf(index) },
              emphasis: { disabled: true },
              triggerLineEvent: true,
              data: series.values.map((value, at) => {
                const y = shown(value, view.y.log);
                return isCategory(view) ? y : [view.x.values[at]!, y];
              }),
              z: 2,
            };
          }),
          ...view.series.flatMap((series, index) =>
            hasBand(series)
              ? [
                  band(
                    view,
                    series,
                    seriesColor(theme, index, view.series.length),
                    theme.highContrast ? 0.45 : 0.22,
                    index,
                  ),
                ]
              : [],
          ),
        ],
      };
    },
    ticks: (view, { width }, share) => {
      if (!isCategory(view)) return {};
      const short = [...shortLabels(view).values()];
      const { rotate } = fitLabels(short, width - 80);
      const flat = Math.max(...short.map((label) => textWidth(label))) + 10;
      const count = view.x.values.length * share.x;
      return { xAxis: tickInterval(count, width - 80, rotate === 0 ? flat : 17) };
    },
    marks,
    summary: (view) => {
      const range = extent(view.series.flatMap((series) => series.values));
      const span = range
        ? `values from ${formatNumber(range[0])} to ${formatNumber(range[1])}`
        : 'no numbers';
      const all = names(view);
      const which = all.length > 6 ? `${all.length} series` : all.join(', ');
      return `Line plot of ${view.y.name} over ${view.x.name}: ${which}; ${view.x.values.length} positions, ${span}.`;
    },
    notes: (view) => {
      const lost = view.y.log
        ? view.series
            .flatMap((series) => series.values)
            .filter((value) => value !== null && value <= 0)
        : [];
      return lost.length === 0
        ? []
        : [
            `Values at or below 0 (${lost.length}) cannot be shown on a logarithmic axis; the table has them.`,
          ];
    },
    rows: (view) => view.series.length,
    columns: (view) => view.x.values.length,
    point: (view, { row, column }) => {
      const series = view.series[row]!;
      const lines: [string, string][] = [[series.name, exact(series.values[column] ?? null)]];
      if (hasBand(series)) {
        const low = exact(series.low![column] ?? null);
        const high = exact(series.high![column] ?? null);
        lines.push(['interval', `${low} … ${high}`]);
      }
      const x = exact(view.x.values[column]!);
      lines.push([view.x.name, x]);
      return {
        title: view.y.name,
        lines,
        labels: isCategory(view) ? [x] : [series.name],
      };
    },
    column: (view, column, theme) => ({
      title: `${view.x.name} ${exact(view.x.values[column]!)}`,
      lines: view.series.map(({ name, values }, index): PointLine => [
        name,
        exact(values[column] ?? null),
        seriesColor(theme, index, view.series.length),
      ]),
      labels: [],
    }),
    locate: (_, { row, column }) => ({ seriesIndex: row, dataIndex: column }),
    cellAt: (view, seriesIndex, dataIndex) =>
      seriesIndex < view.series.length ? { row: seriesIndex, column: dataIndex } : null,
    readout: (view, selected) => {
      if (!isCategory(view)) return [];
      return selected.flatMap((label) => {
        const at = labels(view).indexOf(label);
        if (at < 0) return [];
        return view.series
          .slice(0, 4)
          .map((series): [string, string] => [
            series.name,
            formatNumber(series.values[at] ?? null, 6),
          ]);
      });
    },
  },
};
