import {
  exact,
  extent,
  fitLabels,
  formatNumber,
  shortenLabels,
  textWidth,
} from '../shared/format.ts';
import { diverging, inkOn, rampColor, viridis, type Theme } from '../shared/theme.ts';
import { axisBase, tickInterval } from './axes.ts';
import type {
  Cell,
  Mark,
  PointInfo,
  RenderItem,
  SeriesPatch,
  ViewKind,
  ViewOf,
} from './view-kind.ts';

type Heatmap = ViewOf<'heatmap'>;

/** A cell is at most this wide and high, in pixels. */
const largestCell = 76;
const largestPlot = 560;
/** From here on zooming helps. */
const manyCells = 24;
/** Below this width the colour scale lies under the plot instead of beside it. */
const narrow = 420;

const names = (axis: Heatmap['x']): string[] => axis.values.map(exact);
/** Many or narrow cells get short names; the tooltip has them whole. */
const shortNames = (axis: Heatmap['x'], width: number): Map<string, string> =>
  shortenLabels(names(axis), axis.values.length >= manyCells ? 8 : width < narrow ? 12 : 18);

/** Where the plot lies within the card: square cells where that leaves them legible. */
export function layout(
  view: Heatmap,
  width: number,
): {
  left: number;
  top: number;
  /** Room for the labels of the x axis. */
  below: number;
  /** Room for all that is below the plot. */
  bottom: number;
  plotWidth: number;
  plotHeight: number;
  rotate: number;
} {
  const columns = Math.max(1, view.x.values.length);
  const rows = Math.max(1, view.y.values.length);
  const widest = Math.max(
    ...[...shortNames(view.y, width).values()].map((label) => textWidth(label)),
    16,
  );
  const left = Math.min(Math.ceil(widest) + 12, Math.floor(width * 0.36)) + 16;
  const room = Math.max(80, width - left - (width < narrow ? 8 : 74));
  const plotWidth = Math.min(room, columns * largestCell, largestPlot);
  const cell = plotWidth / columns;
  const plotHeight = Math.min(Math.max(rows * Math.min(cell, largestCell), 60), largestPlot);
  const fitted = fitLabels([...shortNames(view.x, width).values()], plotWidth);
  const below = fitted.room + 24;
  const bottom = below + (width < narrow ? 34 : 0);
  return { left, top: 10, below, bottom, plotWidth, plotHeight, rotate: fitted.rotate };
}

const rampOf = (view: Heatmap) => (view.colors === 'diverging' ? diverging : viridis);

/** The view's own range, else that of its data; around zero where colours meet there. */
export function colorRange(view: Heatmap): [number, number] {
  const [low, high] = view.range ?? extent(view.z.flat()) ?? [0, 1];
  if (view.colors === 'diverging') {
    const reach = Math.max(Math.abs(low), Math.abs(high)) || 1;
    return [-reach, reach];
  }
  return low === high ? [low - 0.5, high + 0.5] : [low, high];
}

/** Diagonals over the cells that hold no number, so that they are not taken for low values. */
function missing(view: Heatmap, theme: Theme): Record<string, unknown> {
  const holes = view.z.flatMap((row, y) =>
    row.flatMap((value, x) => (value === null ? [[x, y]] : [])),
  );
  const renderItem: RenderItem = (_, api) => {
    const { corner, width, height } = cellBox(api, Number(api.value(0)), Number(api.value(1)));
    const line = (from: number[], to: number[]) => ({
      type: 'line' as const,
      shape: { x1: from[0]!, y1: from[1]!, x2: to[0]!, y2: to[1]! },
      style: { stroke: theme.muted, lineWidth: 1 },
    });
    const [x, y] = corner;
    return {
      type: 'group',
      children: [
        {
          type: 'rect',
          shape: { x, y, width, height },
          style: { fill: theme.background, stroke: theme.grid },
        },
        line([x, y + height], [x + width, y]),
        line([x, y], [x + width, y + height]),
      ],
    };
  };
  return { id: 'missing', type: 'custom', clip: true, renderItem, data: holes, z: 3 };
}

type CustomApi = Parameters<RenderItem>[1];

function cellBox(
  api: CustomApi,
  column: number,
  row: number,
): { corner: [number, number]; width: number; height: number } {
  const [x, y] = api.coord([column, row]) as [number, number];
  const [width, height] = api.size!([1, 1]) as [number, number];
  return { corner: [x - width / 2, y - height / 2], width, height };
}

/** Frames around the chosen rows and columns, and around the keyboard's cell. */
function frames(view: Heatmap, mark: Mark): SeriesPatch {
  const columns = view.x.values.length;
  const rows = view.y.values.length;
  const boxes: [column: number, row: number, wide: number, high: number, own: boolean][] = [];
  const chosen = new Set(mark.selected);
  names(view.y).forEach((name, row) => {
    if (chosen.has(name)) boxes.push([0, row, columns, 1, false]);
  });
  names(view.x).forEach((name, column) => {
    if (chosen.has(name)) boxes.push([column, 0, 1, rows, false]);
  });
  if (mark.cursor) boxes.push([mark.cursor.column, mark.cursor.row, 1, 1, true]);
  const renderItem: RenderItem = (params, api) => {
    const [column, row, wide, high, own] = boxes[params.dataIndex]!;
    const { corner, width, height } = cellBox(api, column, row);
    // Rows and columns run to the side away from the corner whichever way the axis points.
    const last = cellBox(api, column + wide - 1, row + high - 1);
    const x = Math.min(corner[0], last.corner[0]);
    const y = Math.min(corner[1], last.corner[1]);
    const shape = {
      x: x + 1,
      y: y + 1,
      width: Math.abs(last.corner[0] - corner[0]) + width - 2,
      height: Math.abs(last.corner[1] - corner[1]) + height - 2,
    };
    // Two strokes, so that the frame shows on every colour of the ramp.
    const outline = (stroke: string, lineWidth: number) => ({
      type: 'rect' as const,
      shape,
      style: { fill: 'none', stroke, lineWidth },
    });
    return {
      type: 'group',
      children: [outline('#000000', own ? 5 : 4), outline(own ? '#ffffff' : '#ffb000', 2)],
    };
  };
  return {
    id: 'frames',
    type: 'custom',
    clip: true,
    silent: true,
    renderItem,
    data: boxes.map(([column, row]) => [column, row]),
    z: 5,
  };
}

function point(view: Heatmap, { row, column }: Cell): PointInfo {
  const x = names(view.x)[column]!;
  const y = names(view.y)[row]!;
  const value = view.z[row]?.[column] ?? null;
  return {
    title: y === x ? y : `${y} × ${x}`,
    lines: [[view.unit, exact(value)]],
    labels: [y, x],
  };
}

export const heatmap: ViewKind<Heatmap> = {
  table: (view) => ({
    columns: [`${view.y.name} \\ ${view.x.name}`, ...names(view.x)],
    rows: names(view.y).map((name, row) => [name, ...(view.z[row] ?? [])]),
  }),
  plot: {
    height: (view, width) => {
      const { top, bottom, plotHeight } = layout(view, width);
      return top + plotHeight + bottom;
    },
    option: (view, theme, { width }) => {
      const box = layout(view, width);
      const [low, high] = colorRange(view);
      const columns = view.x.values.length;
      const rows = view.y.values.length;
      const cell = Math.min(box.plotWidth / columns, box.plotHeight / rows);
      const decimals = Math.max(Math.abs(low), Math.abs(high)) < 10 ? 2 : 0;
      const data = view.z.flatMap((line, y) =>
        line.flatMap((value, x) => {
          if (value === null) return [];
          const fill = rampColor(rampOf(view), (value - low) / (high - low));
          // Small cells get an edge of their own colour, or seams would show between them.
          const borderColor = cell < 8 ? fill : theme.background;
          return [
            { value: [x, y, value], itemStyle: { borderColor }, label: { color: inkOn(fill) } },
          ];
        }),
      );
      const axis = (of: Heatmap['x']) => {
        const base = axisBase(theme, of.name);
        const short = shortNames(of, width);
        return {
          ...base,
          type: 'category',
          data: names(of),
          splitLine: { show: false },
          axisTick: { show: false },
          axisLine: { show: false },
          axisLabel: {
            ...(base['axisLabel'] as object),
            formatter: (label: string) => short.get(label),
          },
        };
      };
      const x = axis(view.x);
      const y = axis(view.y);
      return {
        grid: {
          left: box.left,
          top: box.top,
          width: box.plotWidth,
          height: box.plotHeight,
          outerBoundsMode: 'none',
        },
        xAxis: {
          ...x,
          nameGap: box.below - 22,
          axisLabel: { ...x.axisLabel, rotate: box.rotate },
        },
        yAxis: {
          ...y,
          inverse: true,
          nameGap: box.left - 12,
          axisLabel: {
            ...y.axisLabel,
            width: box.left - 24,
            overflow: 'truncate',
          },
        },
        visualMap: {
          type: 'continuous',
          min: low,
          max: high,
          seriesIndex: 0,
          dimension: 2,
          inRange: { color: rampOf(view) },
          ...(width < narrow
            ? { orient: 'horizontal', left: box.left - 30, bottom: 0 }
            : { orient: 'vertical', left: box.left + box.plotWidth + 14, top: box.top }),
          itemWidth: 12,
          itemHeight:
            width < narrow
              ? Math.min(120, box.plotWidth - 40)
              : Math.max(40, Math.min(180, box.plotHeight - 40)),
          text: [formatNumber(high), formatNumber(low)],
          textGap: 6,
          calculable: false,
          hoverLink: false,
          textStyle: {
            color: theme.foreground,
            fontSize: theme.fontSize,
            fontFamily: theme.fontFamily,
          },
        },
        dataZoom:
          Math.max(columns, rows) < manyCells
            ? []
            : [
                { type: 'inside', xAxisIndex: 0, zoomOnMouseWheel: 'ctrl', filterMode: 'none' },
                { type: 'inside', yAxisIndex: 0, zoomOnMouseWheel: 'ctrl', filterMode: 'none' },
              ],
        series: [
          {
            id: 'cells',
            type: 'heatmap',
            data,
            progressive: 0,
            itemStyle: { borderWidth: cell < 8 ? 0.7 : 1 },
            emphasis: { itemStyle: { borderColor: theme.foreground, borderWidth: 2 } },
            label: {
              show: cell >= 36,
              fontSize: theme.fontSize,
              fontFamily: theme.fontFamily,
              formatter: ({ value }: { value: number[] }) => value[2]!.toFixed(decimals),
            },
          },
          missing(view, theme),
        ],
      };
    },
    ticks: (view, { width }, share) => {
      const box = layout(view, width);
      const labels = [...shortNames(view.x, width).values()];
      const flat = Math.max(...labels.map((label) => textWidth(label))) + 10;
      const columns = view.x.values.length * share.x;
      const rows = view.y.values.length * share.y;
      return {
        xAxis: tickInterval(columns, box.plotWidth, box.rotate === 0 ? flat : 17),
        yAxis: tickInterval(rows, box.plotHeight, 15),
      };
    },
    marks: (view, _, mark) => [frames(view, mark)],
    summary: (view) => {
      const range = extent(view.z.flat());
      const size = `${view.y.values.length} rows by ${view.x.values.length} columns`;
      const span = range
        ? `values from ${formatNumber(range[0])} to ${formatNumber(range[1])}`
        : 'no numbers';
      return `Heatmap of ${view.unit}, ${size}, ${span}.`;
    },
    notes: (view) => {
      const holes = view.z.flat().filter((value) => value === null).length;
      return holes === 0 ? [] : [`Crossed cells hold no number (${holes}).`];
    },
    rows: (view) => view.y.values.length,
    columns: (view) => view.x.values.length,
    point,
    locate: (view, { row, column }) => {
      const before = (line: (number | null)[], count: number, isHole: boolean): number =>
        line.slice(0, count).filter((value) => (value === null) === isHole).length;
      const isHole = (view.z[row]?.[column] ?? null) === null;
      let dataIndex = before(view.z[row] ?? [], column, isHole);
      for (const line of view.z.slice(0, row)) dataIndex += before(line, line.length, isHole);
      return { seriesIndex: isHole ? 1 : 0, dataIndex };
    },
    cellAt: (view, seriesIndex, dataIndex) => {
      if (seriesIndex > 1) return null;
      let left = dataIndex;
      for (const [row, line] of view.z.entries()) {
        for (const [column, value] of line.entries()) {
          if ((value === null) !== (seriesIndex === 1)) continue;
          if (left === 0) return { row, column };
          left--;
        }
      }
      return null;
    },
    readout: (view, selected) => {
      const rows = selected.map((label) => names(view.y).indexOf(label)).filter((at) => at >= 0);
      const columns = selected.map((label) => names(view.x).indexOf(label)).filter((at) => at >= 0);
      const row = rows[0];
      const column = columns.at(-1);
      if (row === undefined || column === undefined) return [];
      return [[view.unit, formatNumber(view.z[row]?.[column] ?? null, 6)]];
    },
  },
};
