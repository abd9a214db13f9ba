import type { LayerInfo, ModelOutline } from '@repscope/core/models/model.ts';

/** `22.7M`, `4,812`. */
export function shortCount(count: number): string {
  if (count < 10_000) return count.toLocaleString('en-US');
  for (const [unit, size] of [
    ['T', 1e12],
    ['B', 1e9],
    ['M', 1e6],
    ['K', 1e3],
  ] as const) {
    if (count >= size) {
      const scaled = count / size;
      return `${scaled >= 100 ? scaled.toFixed(0) : scaled.toFixed(1)}${unit}`;
    }
  }
  return String(count);
}

/** `86.7 MB` */
export function shortBytes(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`;
  const units = ['kB', 'MB', 'GB', 'TB'];
  let scaled = bytes / 1000;
  let unit = 0;
  while (scaled >= 999.95 && unit < units.length - 1) {
    scaled /= 1000;
    unit += 1;
  }
  return `${scaled.toFixed(1)} ${units[unit]}`;
}

/** Element types that hold at least a tenth of the parameters, the largest first. */
export function mainDtypes({ dtypes, parameters }: ModelOutline): string {
  const sorted = Object.entries(dtypes).sort((a, b) => b[1] - a[1]);
  const main = sorted.filter(([, count], index) => index === 0 || count >= parameters / 10);
  return main.map(([dtype]) => dtype).join('+');
}

/** Blocks where the model declares them, else the layers analysed by default. */
export function layerCount(outline: ModelOutline): number {
  const declared = Number(outline.metadata['num_hidden_layers']);
  if (Number.isInteger(declared) && declared > 0) return declared;
  return outline.layers.filter((layer) => layer.default).length;
}

/** `22.7M params · 6 layers · float32` */
export function factsLine(outline: ModelOutline): string {
  const layers = layerCount(outline);
  return [
    `${shortCount(outline.parameters)} params`,
    ...(layers > 0 ? [`${layers} ${layers === 1 ? 'layer' : 'layers'}`] : []),
    ...(outline.parameters > 0 ? [mainDtypes(outline)] : []),
  ].join(' · ');
}

export interface LayerGroup {
  /** The name, with `*` for what differs within the group. */
  name: string;
  kind: string;
  count: number;
  parameters: number;
  shape?: LayerInfo['shape'];
}

/** Layers that differ in numbers only, as one line: `layers.*.attn.probs` × 6. */
export function groupLayers(layers: readonly LayerInfo[]): LayerGroup[] {
  const groups = new Map<string, LayerGroup>();
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
