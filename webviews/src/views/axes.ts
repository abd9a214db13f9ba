import { extent, formatNumber, shortenLabels, textWidth, thinning } from '../shared/format.ts';
import { rampColor, type Theme } from '../shared/theme.ts';

/** Text and lines that all axes share. */
export function axisBase(theme: Theme, name: string): Record<string, unknown> {
  return {
    name,
    nameLocation: 'middle',
    nameTextStyle: { color: theme.muted, fontSize: theme.fontSize, fontFamily: theme.fontFamily },
    axisLabel: { color: theme.foreground, fontSize: theme.fontSize, fontFamily: theme.fontFamily },
    axisLine: { show: true, lineStyle: { color: theme.muted } },
    axisTick: { lineStyle: { color: theme.muted } },
    splitLine: { show: !theme.highContrast, lineStyle: { color: theme.grid } },
    animation: false,
  };
}

/** A numeric axis; `log` has base 10 and shows powers as they are written. */
export function numberAxis(
  theme: Theme,
  scale: { name: string; log?: boolean | undefined },
): Record<string, unknown> {
  const base = axisBase(theme, scale.name);
  return {
    ...base,
    type: scale.log ? 'log' : 'value',
    scale: true,
    ...(scale.log ? { minorSplitLine: { show: false } } : {}),
    axisLabel: {
      ...(base['axisLabel'] as object),
      formatter: (value: number) => formatNumber(value),
      hideOverlap: true,
    },
  };
}

/** An axis of names, written as `short` has them and turned as `rotate` says. */
export function categoryAxis(
  theme: Theme,
  name: string,
  labels: readonly string[],
  short: ReadonlyMap<string, string>,
  { rotate, room }: { rotate: number; room: number },
): Record<string, unknown> {
  const base = axisBase(theme, name);
  return {
    ...base,
    type: 'category',
    data: labels,
    splitLine: { show: false },
    axisLabel: {
      ...(base['axisLabel'] as object),
      rotate,
      formatter: (label: string) => short.get(label),
    },
    nameGap: room + 4,
  };
}

/** An axis option that shows every so manieth of `count` labels, `spacing` pixels apart at least. */
export const tickInterval = (count: number, pixels: number, spacing: number): object => ({
  axisLabel: { interval: thinning(count, pixels, spacing) - 1 },
});

/** Room that grows with what the axes write, so that nothing is cut off. */
export const boundedGrid = (top: number, bottom: number): Record<string, unknown> => ({
  left: 12,
  right: 16,
  top,
  bottom,
  outerBoundsMode: 'same',
  outerBoundsContain: 'all',
  outerBounds: { left: 4, right: 4, top, bottom },
});

/** Rows that a legend of these entries takes; beyond three it scrolls instead. */
export function legendRows(labels: readonly string[], width: number): number {
  let rows = 1;
  let used = 0;
  for (const label of labels) {
    const wide = textWidth(label) + 44;
    if (used > 0 && used + wide > width) {
      rows++;
      used = 0;
    }
    used += wide;
  }
  return rows;
}

const legendLine = 19;
const mostRows = 3;

/** Names in legends of narrow plots are shorter. */
const shortNames = (names: readonly string[], width: number): Map<string, string> =>
  shortenLabels(names, width < 420 ? 10 : 22);

/** Pixels above the plot for a legend; one series needs none. */
export function legendHeight(names: readonly string[], width: number): number {
  if (names.length < 2) return 14;
  const rows = legendRows([...shortNames(names, width).values()], width);
  return 16 + legendLine * (rows > mostRows ? 1 : rows);
}

export function legend(
  theme: Theme,
  names: readonly string[],
  width: number,
): Record<string, unknown> {
  if (names.length < 2) return { show: false };
  const short = shortNames(names, width);
  return {
    type: legendRows([...short.values()], width) > mostRows ? 'scroll' : 'plain',
    top: 0,
    left: 0,
    right: 0,
    data: names,
    formatter: (name: string) => short.get(name) ?? name,
    itemWidth: 26,
    itemHeight: 9,
    itemGap: 10,
    textStyle: { color: theme.foreground, fontSize: theme.fontSize, fontFamily: theme.fontFamily },
    pageTextStyle: { color: theme.foreground },
    pageIconColor: theme.foreground,
    pageIconInactiveColor: theme.muted,
    pageIconSize: 11,
    inactiveColor: theme.muted,
    animation: false,
  };
}

/** A range slider below the plot and dragging inside it. Ctrl + wheel zooms; the wheel alone scrolls the page. */
export const zoomX = (theme: Theme): Record<string, unknown>[] => [
  { type: 'inside', xAxisIndex: 0, zoomOnMouseWheel: 'ctrl', filterMode: 'none' },
  {
    type: 'slider',
    xAxisIndex: 0,
    filterMode: 'none',
    height: 14,
    bottom: 4,
    left: 24,
    right: 24,
    borderColor: theme.grid,
    fillerColor: theme.dark ? '#80808040' : '#80808030',
    dataBackground: { lineStyle: { opacity: 0 }, areaStyle: { opacity: 0 } },
    selectedDataBackground: { lineStyle: { opacity: 0 }, areaStyle: { opacity: 0 } },
    handleStyle: { color: theme.background, borderColor: theme.foreground },
    moveHandleSize: 0,
    showDetail: false,
    brushSelect: false,
  },
];

/** Few series are told apart by hue; more are mostly layers in order, so they follow a ramp. */
export function seriesColor(theme: Theme, index: number, count: number): string {
  if (count <= 4) return theme.categorical[index]!;
  return rampColor(theme.ordered, index / (count - 1));
}

const symbols = ['circle', 'rect', 'triangle', 'diamond', 'roundRect', 'arrow', 'pin'];
const dashes = ['solid', 'dashed', 'dotted', [8, 3, 2, 3]] as const;

/** Told apart by colour, dash and symbol, so that colour is never the only difference. */
export const symbolOf = (index: number): string => symbols[index % symbols.length]!;
export const dashOf = (index: number): string | readonly number[] => dashes[index % dashes.length]!;

/**
 * Axis options over equally long ranges, so that a step is as long one way as the other on a square
 * plot. Their ends are no round numbers and go unnamed.
 */
export function squareRanges(
  points: readonly (readonly [number | null, number | null])[],
): [x: Record<string, unknown>, y: Record<string, unknown>] {
  const spans = ([0, 1] as const).map((axis) => extent(points.map((point) => point[axis])));
  const [x, y] = spans.map((span) => span ?? [0, 1]) as [[number, number], [number, number]];
  const reach = (Math.max(x[1] - x[0], y[1] - y[0]) / 2) * 1.05 || 1;
  const axis = ([low, high]: [number, number]) => ({
    min: (low + high) / 2 - reach,
    max: (low + high) / 2 + reach,
    axisLabel: { showMinLabel: false, showMaxLabel: false },
  });
  return [axis(x), axis(y)];
}
