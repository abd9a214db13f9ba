import type { Real, View } from '../../results/schema.ts';
import type { Side } from '../definition.ts';
import { mean, real } from '../statistics.ts';
import type { DormantHead, LayerAttention } from './attention.ts';

/** Maps of layers × heads, the bands of entropy, and tables. */
export function attentionViews(
  side: Side,
  layers: readonly LayerAttention[],
  dormant: readonly DormantHead[],
  bands: readonly number[],
  byClass: Readonly<Record<string, Real[][]>> | undefined,
): View[] {
  const heads = Math.max(...layers.map(({ sink }) => sink.length));
  const map = (
    title: string,
    unit: string,
    rows: readonly (readonly Real[])[],
    range?: [number, number],
  ): View => ({
    kind: 'heatmap',
    title,
    x: { name: 'head', values: Array.from({ length: heads }, (_, head) => String(head)) },
    y: { name: side.name, values: layers.map(({ label }) => label) },
    // Layers may differ in how many heads they have.
    z: rows.map((row) => Array.from({ length: heads }, (_, head) => row[head] ?? null)),
    ...(range ? { range } : {}),
    unit,
  });
  const views: View[] = [
    map(
      'Entropy of attention',
      'share of the largest',
      layers.map(({ normalizedEntropy }) => normalizedEntropy),
      [0, 1],
    ),
    map(
      'Attention to the first token',
      'share',
      layers.map(({ sink }) => sink),
      [0, 1],
    ),
    map(
      'Rank of attention maps',
      'effective rank',
      layers.map(({ rank }) => rank),
    ),
    {
      kind: 'bars',
      title: 'Heads by entropy',
      x: { name: 'share of the largest entropy', values: ['0–¼', '¼–½', '½–¾', '¾–1'] },
      y: { name: 'share of heads' },
      series: [{ name: 'heads', values: [...bands] }],
    },
  ];
  if (byClass) {
    const classes = Object.values(byClass);
    const spread = layers.map(({ sink }, layer) =>
      sink.map((_, head) => {
        const values = classes
          .map((rows) => rows[layer]?.[head] ?? null)
          .filter((value) => value !== null);
        return real(Math.max(...values) - Math.min(...values));
      }),
    );
    views.push(map('Attention to the first token, between classes', 'largest difference', spread));
  }
  views.push({
    kind: 'table',
    title: 'Layers',
    columns: ['layer', 'heads', 'entropy', 'of the largest', 'sink', 'rank', 'dormant', 'causal'],
    rows: layers.map((layer) => [
      layer.label,
      layer.sink.length,
      average(layer.entropy),
      average(layer.normalizedEntropy),
      average(layer.sink),
      average(layer.rank),
      dormant.filter((head) => head.layer === layer.label).length,
      layer.causal ? 'yes' : 'no',
    ]),
  });
  if (dormant.length > 0) {
    views.push({
      kind: 'table',
      title: 'Dormant heads',
      columns: ['layer', 'head', 'sink'],
      rows: dormant.map(({ layer, head, sink }) => [layer, head, sink]),
    });
  }
  return views;
}

const average = (values: readonly Real[]): Real =>
  real(mean(values.filter((value) => value !== null)));
