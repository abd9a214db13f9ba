import { formatCount } from '@repscope/core/results/format.ts';
import type { LayerInfo, ModelOutline } from '@repscope/core/models/model.ts';

/** Element types that hold at least a tenth of the parameters, the largest first. */
export function mainDtypes({ dtypes, parameters }: ModelOutline): string {
  const sorted = Object.entries(dtypes).sort((a, b) => b[1] - a[1]);
  const main = sorted.filter(([, count], index) => index === 0 || count >= parameters / 10);
  return main.map(([dtype]) => dtype).join('+');
}

/** How configs spell the number of blocks. */
const blockCounts = ['num_hidden_layers', 'n_layer', 'n_layers', 'num_layers'];

/** Blocks where the model declares them, else the layers analysed by default. */
export function layerCount(outline: ModelOutline): number {
  const declared = blockCounts.map((field) => Number(outline.metadata[field]));
  const blocks = declared.find((count) => Number.isInteger(count) && count > 0);
  if (blocks !== undefined) return blocks;
  return outline.layers.filter((layer) => layer.default).length;
}

/** `22.7M params · 6 layers · float32` */
export function factsLine(outline: ModelOutline): string {
  const layers = layerCount(outline);
  return [
    `${formatCount(outline.parameters)} params`,
    ...(layers > 0 ? [`${layers} ${layers === 1 ? 'layer' : 'layers'}`] : []),
    ...(outline.parameters > 0 ? [mainDtypes(outline)] : []),
  ].join(' · ');
}

export interface LayerFold {
  /** The name, with `*` for what differs within the group. */
  name: string;
  kind: string;
  count: number;
  parameters: number;
  shape?: LayerInfo['shape'];
}

/** Layers that differ in numbers only, as one line: `layers.*.attn.probs` × 6. */
export function foldLayers(layers: readonly LayerInfo[]): LayerFold[] {
  const groups = new Map<string, LayerFold>();
  for (const { name, kind, parameters = 0, shape } of layers) {
    const pattern = name.replace(/\d+/g, '*');
    const key = `${pattern} ${kind} ${shape?.join() ?? ''}`;
    const group = groups.get(key);
    if (group) {
      group.count += 1;
      group.parameters += parameters;
      group.name = pattern;
    } else {
      groups.set(key, { name, kind, count: 1, parameters, ...(shape ? { shape } : {}) });
    }
  }
  return [...groups.values()];
}

/** `[batch, 128]`; unknown dimensions as `?`. */
export function shapeText(shape: readonly (number | string | null)[]): string {
  return `[${shape.map((size) => size ?? '?').join(', ')}]`;
}
