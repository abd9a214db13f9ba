import type { CustomSeriesOption } from 'echarts/charts';
import type { EChartsCoreOption } from 'echarts/core';
import type { View } from '@repscope/core/results/schema.ts';
import type { TableData } from '../shared/format.ts';
import type { Theme } from '../shared/theme.ts';

export type ViewOf<K extends View['kind']> = Extract<View, { kind: K }>;

/** A point of a plot by position: row of a heatmap or series, column or point in it. */
export interface Cell {
  row: number;
  column: number;
}

/** What is pointed out: labels chosen anywhere on the page, and the keyboard's point in this plot. */
export interface Mark {
  selected: readonly string[];
  cursor: Cell | null;
}

/** A name, its value and the colour it is drawn in. */
export type PointLine = [name: string, value: string, color?: string];

/** One point in words, for the tooltip, the readout and screen readers. */
export interface PointInfo {
  title: string;
  lines: PointLine[];
  /** Labels to select when the point is chosen. */
  labels: string[];
}

export interface Size {
  width: number;
  height: number;
}

/** How one kind of view is drawn, read by keyboard and told in words. Adding a kind adds one. */
export interface Plot<V> {
  /** Height in CSS pixels that suits the view at a width. */
  height(view: V, width: number): number;
  option(view: V, theme: Theme, size: Size): EChartsCoreOption;
  /** Axis labels to show when `share` of each axis is in sight (1 = all); merged into the option. */
  ticks?(view: V, size: Size, share: { x: number; y: number }): EChartsCoreOption;
  /** Series, by id, that show the mark; merged into the option. */
  marks(view: V, theme: Theme, mark: Mark): SeriesPatch[];
  /** One sentence for the plot's accessible name. */
  summary(view: V): string;
  /** What the plot leaves out, in words. */
  notes?(view: V): string[];
  rows(view: V): number;
  columns(view: V, row: number): number;
  point(view: V, cell: Cell): PointInfo;
  /** All series at one position, for plots whose tooltip follows the axis. */
  column?(view: V, column: number, theme: Theme): PointInfo;
  /** Where the point is in ECharts' terms. */
  locate(view: V, cell: Cell): { seriesIndex: number; dataIndex: number };
  /** The inverse; null for decoration. */
  cellAt(view: V, seriesIndex: number, dataIndex: number): Cell | null;
  /** Values to pin for the selected labels. */
  readout(view: V, selected: readonly string[]): [name: string, value: string][];
}

export type SeriesPatch = { id: string } & Record<string, unknown>;

export interface ViewKind<V> {
  table(view: V): TableData;
  /** Absent for views that are tables already. */
  plot?: Plot<V>;
}

export type RenderItem = NonNullable<CustomSeriesOption['renderItem']>;
