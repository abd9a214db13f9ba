import type { NamedRows, Side } from './definition.ts';

/** Layers of the same name; where the names say nothing, of the same rank. */
export function correspondingLayers(first: Side, second: Side): [NamedRows, NamedRows][] {
  const byName = new Map(second.layers.map((layer) => [layer.label, layer]));
  const named = first.layers.flatMap((layer): [NamedRows, NamedRows][] => {
    const twin = byName.get(layer.label);
    return twin ? [[layer, twin]] : [];
  });
  if (named.length > 0) return named;
  if (first.layers.length !== second.layers.length) return [];
  return first.layers.map((layer, index) => [layer, second.layers[index]!]);
}
