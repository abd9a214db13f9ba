import { UserError } from '../errors.ts';
import type { NamedRows, Side } from './definition.ts';
import { fullLabel } from './layers.ts';

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

type LayerPair = [NamedRows, NamedRows];

/**
 * Corresponding layers that an analysis can take together.
 * @param fault what is wrong with a pair, behind its names; undefined where nothing is
 * @throws UserError `wrong-shape` where there is no pair or a faulty one
 */
function fittingLayers(
  first: Side,
  second: Side,
  fault: (pair: LayerPair) => string | undefined,
  remedy: string,
): LayerPair[] {
  const pairs = correspondingLayers(first, second);
  if (pairs.length === 0) {
    throw new UserError(
      'wrong-shape',
      `${first.name} and ${second.name}`,
      'have no layers that correspond',
      'choose as many layers of one as of the other with --layers',
    );
  }
  for (const pair of pairs) {
    const what = fault(pair);
    if (what === undefined) continue;
    const where = `${fullLabel(first, pair[0])} and ${fullLabel(second, pair[1])}`;
    throw new UserError('wrong-shape', where, what, remedy);
  }
  return pairs;
}

/** Corresponding layers of two sets of samples: of the same units. @throws UserError `wrong-shape` */
export const layersOfSets = (first: Side, second: Side): LayerPair[] =>
  fittingLayers(
    first,
    second,
    ([x, y]) => (x.d === y.d ? undefined : `have ${x.d} and ${y.d} units`),
    'give two sets of samples of one representation',
  );

/** Corresponding layers of one shape. @throws UserError `wrong-shape` */
export const layersOfOneShape = (first: Side, second: Side, remedy: string): LayerPair[] =>
  fittingLayers(
    first,
    second,
    ([x, y]) =>
      x.n === y.n && x.d === y.d
        ? undefined
        : `are ${x.n} × ${x.d} and ${y.n} × ${y.d}, and need one shape`,
    remedy,
  );
