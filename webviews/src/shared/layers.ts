import type { LayerInfo } from '@repscope/core/models/model.ts';
import { formatCount, formatShape } from '@repscope/core/results/format.ts';

export type SortKey = 'order' | 'name' | 'kind' | 'shape' | 'parameters';

export interface LayerQuery {
  filter: string;
  /** Only this kind; all where empty. */
  kind: string;
  sort: SortKey;
  descending: boolean;
}

/** Layers that match, in the order asked for; `order` is the model's own. */
export function queryLayers(layers: readonly LayerInfo[], query: LayerQuery): LayerInfo[] {
  const wanted = query.filter.trim().toLowerCase();
  const found = layers.filter(
    (layer) =>
      (query.kind === '' || layer.kind === query.kind) &&
      (wanted === '' || `${layer.name} ${layer.kind}`.toLowerCase().includes(wanted)),
  );
  const compare: Record<SortKey, (a: LayerInfo, b: LayerInfo) => number> = {
    order: () => 0,
    name: (a, b) => a.name.localeCompare(b.name, 'en', { numeric: true }),
    kind: (a, b) => a.kind.localeCompare(b.kind, 'en'),
    shape: (a, b) => units(a) - units(b),
    parameters: (a, b) => (a.parameters ?? 0) - (b.parameters ?? 0),
  };
  const sorted = found.toSorted(compare[query.sort]);
  return query.descending ? sorted.reverse() : sorted;
}

/** Product of the known dimensions: what people mean by a larger shape. */
const units = (layer: LayerInfo): number =>
  (layer.shape ?? []).reduce<number>(
    (product, size) => (typeof size === 'number' ? product * size : product),
    1,
  );

export const layerCells = (layer: LayerInfo): [string, string, string, string] => [
  layer.name,
  layer.kind,
  formatShape(layer.shape),
  layer.parameters === undefined ? '' : formatCount(layer.parameters),
];
