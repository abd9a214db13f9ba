import type { View } from '@repscope/core/results/schema.ts';
import { barcode } from './barcode.ts';
import { bars } from './bars.ts';
import { graph } from './graph.ts';
import { heatmap } from './heatmap.ts';
import { histogram } from './histogram.ts';
import { line } from './line.ts';
import { scatter } from './scatter.ts';
import { table } from './table.ts';
import type { ViewKind, ViewOf } from './view-kind.ts';

const kinds: { [K in View['kind']]: ViewKind<ViewOf<K>> } = {
  heatmap,
  line,
  scatter,
  histogram,
  bars,
  barcode,
  graph,
  table,
};

/** How to show a view. */
export const viewKind = (view: View): ViewKind<View> => kinds[view.kind];
