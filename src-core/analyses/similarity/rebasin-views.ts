import type { View } from '../../results/schema.ts';
import { real } from '../statistics.ts';
import type { Paths } from './rebasin-barrier.ts';
import { gridPoints } from './rebasin-run.ts';

/** One layer whose units were matched. */
export interface LayerMatch {
  name: string;
  order: Int32Array;
  /** Units that are not where they were. */
  moved: number;
  /** Of the weights around the layer. */
  cosine: number;
  cosineUnaligned: number;
}

/** Losses on the way, how alike weights are with and without alignment, and every layer. */
export function rebasinViews(layers: readonly LayerMatch[], paths: Paths | undefined): View[] {
  return [
    ...(paths ? [losses(paths)] : []),
    {
      kind: 'bars',
      title: 'Cosine of the weights around each layer',
      x: { name: 'layer', values: layers.map(({ name }) => name) },
      y: { name: 'cosine' },
      series: [
        { name: 'aligned', values: layers.map(({ cosine }) => real(cosine)) },
        { name: 'as they are', values: layers.map((layer) => real(layer.cosineUnaligned)) },
      ],
    },
    {
      kind: 'table',
      title: 'Layers',
      columns: ['layer', 'units', 'moved', 'cosine', 'cosine unaligned'],
      rows: layers.map(({ name, order, moved, cosine, cosineUnaligned }) => [
        name,
        order.length,
        moved,
        real(cosine),
        real(cosineUnaligned),
      ]),
    },
  ];
}

function losses({ loss, plain, aligned }: Paths): View {
  return {
    kind: 'line',
    title: 'Loss between the two models',
    x: {
      name: 'share of the second model',
      values: Array.from({ length: gridPoints }, (_, at) =>
        Number((at / (gridPoints - 1)).toPrecision(4)),
      ),
    },
    y: {
      name: loss === 'cross-entropy' ? 'cross-entropy' : 'squared difference from the mixed output',
    },
    series: [
      { name: 'aligned', values: aligned.losses.map(real) },
      { name: 'as they are', values: plain.losses.map(real) },
    ],
  };
}
