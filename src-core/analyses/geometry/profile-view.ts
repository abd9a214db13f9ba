import type { Real, View } from '../../results/schema.ts';
import type { Side } from '../definition.ts';

/** Values of each layer as curves over layers; nothing where there is one layer only. */
export function profileView(
  side: Side,
  title: string,
  unit: string,
  series: Readonly<Record<string, readonly Real[]>>,
): View[] {
  if (side.layers.length < 2) return [];
  return [
    {
      kind: 'line',
      title,
      x: { name: side.name, values: side.layers.map(({ label }) => label) },
      y: { name: unit },
      series: Object.entries(series).map(([name, values]) => ({ name, values: [...values] })),
    },
  ];
}
