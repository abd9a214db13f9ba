import { exact, extent, formatNumber } from '../shared/format.ts';
import { boundedGrid, numberAxis } from './axes.ts';
import type { RenderItem, ViewKind, ViewOf } from './view-kind.ts';

type Histogram = ViewOf<'histogram'>;

/** Bars as wide as their bins, which need not be equal, with a hairline between them. */
const bar: RenderItem = (_, api) => {
  const [left, top] = api.coord([api.value(0), api.value(2)]) as [number, number];
  const [right, bottom] = api.coord([api.value(1), 0]) as [number, number];
  return {
    type: 'rect',
    shape: { x: left, y: top, width: Math.max(1, right - left - 1), height: bottom - top },
    style: { fill: api.visual('color') },
  };
};

export const histogram: ViewKind<Histogram> = {
  table: (view) => ({
    columns: [`${view.x.name} from`, 'to', 'count'],
    rows: view.counts.map((count, at) => [
      view.edges[at] ?? null,
      view.edges[at + 1] ?? null,
      count,
    ]),
  }),
  plot: {
    height: () => 280,
    option: (view, theme) => ({
      grid: boundedGrid(14, 6),
      xAxis: {
        ...numberAxis(theme, view.x),
        splitLine: { show: false },
        nameGap: 28,
      },
      yAxis: { ...numberAxis(theme, { name: 'count' }), scale: false, nameGap: 44, minInterval: 1 },
      series: [
        {
          id: 'bars',
          type: 'custom',
          clip: true,
          renderItem: bar,
          color: theme.categorical[0],
          encode: { x: [0, 1], y: 2 },
          data: view.counts.map((count, at) => [view.edges[at]!, view.edges[at + 1]!, count]),
        },
      ],
    }),
    marks: (view, theme, { cursor }) => {
      const renderItem: RenderItem = (params, api) => {
        const rect = bar(params, api) as { shape: object };
        return {
          type: 'rect',
          shape: rect.shape,
          style: { fill: 'none', stroke: theme.foreground, lineWidth: 2 },
        };
      };
      const at = cursor?.column;
      return [
        {
          id: 'frame',
          type: 'custom',
          silent: true,
          clip: true,
          renderItem,
          encode: { x: [0, 1], y: 2 },
          data: at === undefined ? [] : [[view.edges[at]!, view.edges[at + 1]!, view.counts[at]!]],
        },
      ];
    },
    summary: (view) => {
      const total = view.counts.reduce((sum, count) => sum + count, 0);
      const range = extent(view.edges) ?? [0, 0];
      return `Histogram of ${view.x.name}: ${total} values in ${view.counts.length} bins from ${formatNumber(range[0])} to ${formatNumber(range[1])}.`;
    },
    rows: () => 1,
    columns: (view) => view.counts.length,
    point: (view, { column }) => ({
      title: view.x.name,
      lines: [
        ['count', exact(view.counts[column] ?? null)],
        [
          view.x.name,
          `${exact(view.edges[column] ?? null)} … ${exact(view.edges[column + 1] ?? null)}`,
        ],
      ],
      labels: [],
    }),
    locate: (_, { column }) => ({ seriesIndex: 0, dataIndex: column }),
    cellAt: (_, seriesIndex, dataIndex) =>
      seriesIndex === 0 ? { row: 0, column: dataIndex } : null,
    readout: () => [],
  },
};
