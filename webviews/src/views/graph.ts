import { exact, extent, formatNumber } from '../shared/format.ts';
import { squareRanges } from './axes.ts';
import { rampColor, type Theme } from '../shared/theme.ts';
import type { RenderItem, ViewKind, ViewOf } from './view-kind.ts';

type Graph = ViewOf<'graph'>;

/** Colours of nodes and edges by their values, on one scale; those without one are plain. */
function colors({ nodes, edges }: Graph, theme: Theme): { fills: string[]; strokes: string[] } {
  const range = extent([...nodes, ...edges].map(({ value }) => value ?? null));
  const color = (value: number | null | undefined, plain: string): string => {
    if (value === null || value === undefined || !range) return plain;
    return rampColor(theme.ordered, (value - range[0]) / (range[1] - range[0] || 1));
  };
  return {
    fills: nodes.map(({ value }) => color(value, theme.accent)),
    strokes: edges.map(({ value }) => color(value, theme.muted)),
  };
}

const strand: RenderItem = (_, api) => {
  const [x1, y1] = api.coord([api.value(0), api.value(1)]) as [number, number];
  const [x2, y2] = api.coord([api.value(2), api.value(3)]) as [number, number];
  return {
    type: 'line',
    shape: { x1, y1, x2, y2 },
    style: { stroke: api.visual('color'), lineWidth: 1.2, opacity: 0.7 },
  };
};

const bare = { type: 'value', show: false } as const;
const largest = 460;
const legendRoom = 40;
const sizeIn = (width: number): number => Math.max(160, Math.min(largest, width - 20));

/** A scale for the values, where there are any. */
function colorScale(view: Graph, theme: Theme, size: number): object {
  const values = [...view.nodes, ...view.edges].map(({ value }) => value ?? null);
  const range = extent(values);
  if (!range) return {};
  return {
    visualMap: {
      type: 'continuous',
      min: range[0],
      max: range[1],
      // Nodes and edges have their colours already.
      seriesIndex: [],
      inRange: { color: theme.ordered },
      orient: 'horizontal',
      left: 4,
      top: size + 8,
      itemWidth: 12,
      itemHeight: 120,
      text: [formatNumber(range[1]), `${view.unit ?? ''} ${formatNumber(range[0])}`],
      calculable: false,
      hoverLink: false,
      textStyle: {
        color: theme.foreground,
        fontSize: theme.fontSize,
        fontFamily: theme.fontFamily,
      },
    },
  };
}

/** Nodes and edges where the data lays them. */
export const graph: ViewKind<Graph> = {
  table: (view) => ({
    columns: ['from', 'to', view.unit ?? 'value'],
    rows: [
      ...view.nodes.map(({ name, value }) => [name, '', value ?? null]),
      ...view.edges.map(({ from, to, value }) => [
        view.nodes[from]!.name,
        view.nodes[to]!.name,
        value ?? null,
      ]),
    ],
  }),
  plot: {
    height: (_, width) => sizeIn(width) + legendRoom,
    option: (view, theme, { width }) => {
      const size = sizeIn(width);
      const { fills, strokes } = colors(view, theme);
      const [x, y] = squareRanges(view.nodes.map((node) => [node.x, node.y] as const));
      return {
        ...colorScale(view, theme, size),
        grid: { left: 10, top: 4, width: size, height: size, outerBoundsMode: 'none' },
        xAxis: { ...bare, ...x },
        yAxis: { ...bare, ...y },
        dataZoom: [
          { type: 'inside', xAxisIndex: 0, zoomOnMouseWheel: 'ctrl', filterMode: 'none' },
          { type: 'inside', yAxisIndex: 0, zoomOnMouseWheel: 'ctrl', filterMode: 'none' },
        ],
        series: [
          {
            id: 'edges',
            type: 'custom',
            silent: true,
            clip: true,
            renderItem: strand,
            encode: { x: [0, 2], y: [1, 3] },
            animation: false,
            data: view.edges.map(({ from, to }, at) => {
              const [a, b] = [view.nodes[from]!, view.nodes[to]!];
              return { value: [a.x, a.y, b.x, b.y], itemStyle: { color: strokes[at] } };
            }),
          },
          {
            id: 'nodes',
            type: 'scatter',
            symbolSize: view.nodes.length > 300 ? 5 : 9,
            animation: false,
            data: view.nodes.map(({ x, y }, at) => ({
              value: [x, y],
              itemStyle: { color: fills[at] },
            })),
          },
        ],
      };
    },
    marks: (view, theme, { selected, cursor }) => {
      const chosen = new Set(selected);
      const ringed = view.nodes.filter(({ name }, at) => chosen.has(name) || cursor?.column === at);
      return [
        {
          id: 'nodes',
          markPoint: {
            silent: true,
            animation: false,
            symbol: 'circle',
            symbolSize: 15,
            itemStyle: { color: 'transparent', borderColor: theme.foreground, borderWidth: 2 },
            label: { show: false },
            data: ringed.map(({ x, y }) => ({ coord: [x, y] })),
          },
        },
      ];
    },
    summary: (view) => {
      const range = extent([...view.nodes, ...view.edges].map(({ value }) => value ?? null));
      const span = range
        ? `; ${view.unit ?? 'values'} ${formatNumber(range[0])} to ${formatNumber(range[1])}`
        : '';
      return `Graph of ${view.nodes.length} nodes and ${view.edges.length} edges${span}.`;
    },
    rows: () => 1,
    columns: (view) => view.nodes.length,
    point: (view, { column }) => {
      const node = view.nodes[column];
      if (!node) return { title: '', lines: [], labels: [] };
      const degree = view.edges.filter(({ from, to }) => from === column || to === column).length;
      return {
        title: node.name,
        lines: [
          ...(node.value === undefined
            ? []
            : [[view.unit ?? 'value', exact(node.value)] as [string, string]]),
          ['edges', String(degree)],
        ],
        labels: [node.name],
      };
    },
    locate: (_, { column }) => ({ seriesIndex: 1, dataIndex: column }),
    cellAt: (_, seriesIndex, dataIndex) =>
      seriesIndex === 1 ? { row: 0, column: dataIndex } : null,
    readout: () => [],
  },
};
