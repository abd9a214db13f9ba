import { UserError } from '../errors.ts';
import type { LayerInfo, ModelOutline } from './model.ts';

/** A layer glob as a regular expression: `*` (and `**`) any text, `?` one character. */
function globPattern(glob: string): RegExp {
  const source = glob
    .replace(/[.+^${}()|[\]\\]/g, '\\$&')
    .replace(/\*+/g, '.*')
    .replace(/\?/g, '.');
  return new RegExp(`^${source}$`, 'su');
}

/** Edits that turn one text into the other. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 0; i < a.length; i++) {
    const next = [i + 1];
    for (let j = 0; j < b.length; j++) {
      const change = row[j]! + (a[i] === b[j] ? 0 : 1);
      next.push(Math.min(change, row[j + 1]! + 1, next[j]! + 1));
    }
    row = next;
  }
  return row[b.length]!;
}

/** Names nearest to a wrong one; those that contain its words first. */
function nearest(wanted: string, names: readonly string[], count: number): string[] {
  const plain = wanted.replace(/[*?]/g, '').toLowerCase();
  return names
    .slice(0, 5000)
    .map((name) => {
      const lower = name.toLowerCase();
      const contains = plain !== '' && (lower.includes(plain) || plain.includes(lower));
      return { name, cost: contains ? -1 : distance(plain.slice(0, 80), lower.slice(0, 80)) };
    })
    .sort((a, b) => a.cost - b.cost)
    .slice(0, count)
    .map(({ name }) => name);
}

/** The error for a layer that a model does not have; names the most similar ones. */
export function unknownLayer(path: string, wanted: string, names: readonly string[]): UserError {
  const near = nearest(wanted, names, 5);
  return new UserError(
    'unknown-layer',
    path,
    `no layer matches ${wanted}`,
    near.length === 0
      ? 'it has no layers that can be captured'
      : `choose among ${near.join(', ')}${names.length > near.length ? ', …' : ''}`,
  );
}

/**
 * The layers that `globs` match, in forward order; the default ones where none are given.
 * @throws UserError `unknown-layer` for a glob that matches nothing.
 */
export function selectLayers(
  outline: Pick<ModelOutline, 'path' | 'layers'>,
  globs?: readonly string[],
): LayerInfo[] {
  if (globs === undefined || globs.length === 0) {
    const chosen = outline.layers.filter((layer) => layer.default);
    return chosen.length > 0 ? chosen : outline.layers.slice(-1);
  }
  const names = outline.layers.map(({ name }) => name);
  const chosen = new Set<string>();
  for (const glob of globs) {
    // A name may itself hold characters that globs use.
    const pattern = names.includes(glob) ? undefined : globPattern(glob);
    const matches = names.filter((name) => pattern?.test(name) ?? name === glob);
    if (matches.length === 0) throw unknownLayer(outline.path, glob, names);
    for (const name of matches) chosen.add(name);
  }
  return outline.layers.filter(({ name }) => chosen.has(name));
}
