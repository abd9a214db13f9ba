import {
  exact,
  extent,
  fitLabels,
  formatNumber,
  shortenLabels,
  textWidth,
} from '../shared/format.ts';
import {
  boundedGrid,
  categoryAxis,
  legend,
  legendHeight,
  numberAxis,
  seriesColor,
  tickInterval,
} from './axes.ts';
import type { ViewKind, ViewOf } from './view-kind.ts';

type Bars = ViewOf<'bars'>;

const names = (view: Bars): string[] => view.series.map((series) => series.name);
const labels = (view: Bars): string[] =>
  view.x.values.map((value) => (typeof value === 'string' ? value : formatNumber(value)));

const shortLabels = (view: Bars): Map<string, string> =>
  shortenLabels(labels(view), view.x.values.length >= 24 ? 8 : 16);
/** How the labels lie below a plot of some width. */
const fitted = (view: Bars, width: number) =>
  fitLabels([...shortLabels(view).values()], width - 80);

export const bars: ViewKind<Bars> = {
  table: (view) => ({
    columns: [view.x.name, ...names(view)],
    rows: view.x.values.map((label, at) => [
      label,
      ...view.series.map((series) => series.values[at] ?? null),
    ]),
  }),
  plot: {
    height: (view, width) => 250 + legendHeight(names(view), width) + fitted(view, width).room,
    option: (view, theme, { width }) => ({
      grid: boundedGrid(legendHeight(names(view), width), 6),
      legend: legend(theme, names(view), width),
      xAxis: categoryAxis(theme, view.x.name, labels(view), shortLabels(view), fitted(view, width)),
      // Bars are read by their length, so that the axis begins at zero.
      yAxis: { ...numberAxis(theme, view.y), scale: view.y.log ?? false, nameGap: 44 },
      series: view.series.map((series, index) => ({
        id: `bars-${index}`,
        type: 'bar',
        name: series.name,
        color: seriesColor(theme, index, view.series.length),
        data: series.values,
        barMaxWidth: 36,
        animation: false,
      })),
    }),
    ticks: (view, { width }, share) => {
      const widest = Math.max(...[...shortLabels(view).values()].map((label) => textWidth(label)));
      const spacing = fitted(view, width).rotate === 0 ? widest + 10 : 17;
      return { xAxis: tickInterval(view.x.values.length * share.x, width - 80, spacing) };
    },
    marks: (view, theme, { selected, cursor }) => {
      const chosen = new Set(selected);
      const text = labels(view);
      const any = text.some((label) => chosen.has(label));
      return view.series.map((series, index) => ({
        id: `bars-${index}`,
        data: series.values.map((value, at) => ({
          value,
          itemStyle: {
            opacity: any && !chosen.has(text[at]!) ? 0.3 : 1,
            borderColor: theme.foreground,
            borderWidth: cursor?.row === index && cursor.column === at ? 2 : 0,
          },
        })),
      }));
    },
    summary: (view) => {
      const range = extent(view.series.flatMap(({ values }) => values));
      const span = range ? `${formatNumber(range[0])} to ${formatNumber(range[1])}` : 'no numbers';
      return `Bars of ${view.y.name} by ${view.x.name}: ${names(view).join(', ')}; ${span}.`;
    },
    rows: (view) => view.series.length,
    columns: (view) => view.x.values.length,
    point: (view, { row, column }) => {
      const label = labels(view)[column] ?? '';
      return {
        title: label,
        lines: [[view.series[row]!.name, exact(view.series[row]!.values[column] ?? null)]],
        labels: [label],
      };
    },
    locate: (_, { row, column }) => ({ seriesIndex: row, dataIndex: column }),
    cellAt: (_, seriesIndex, dataIndex) => ({ row: seriesIndex, column: dataIndex }),
    readout: (view, selected) =>
      selected.flatMap((label): [string, string][] => {
        const at = labels(view).indexOf(label);
        if (at < 0) return [];
        return view.series.map(({ name, values }) => [
          `${label}, ${name}`,
          exact(values[at] ?? null),
        ]);
      }),
  },
};
