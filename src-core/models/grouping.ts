import type { LayerInfo } from './model.ts';

/** A layer, or layers that belong together, as one line of a listing. */
export type LayerNode = LayerLeaf | LayerGroup;

export interface LayerLeaf {
  /** The part of the layer's name that the groups around it do not say. */
  label: string;
  layer: LayerInfo;
}

/** A scope of names (`repeats` 1), or a block that is there several times. */
export interface LayerGroup {
  label: string;
  repeats: number;
  /** Layers of all repeats. */
  count: number;
  /** Weights of all repeats. */
  parameters: number;
  /** Of the first repeat. */
  children: LayerNode[];
}

/** Shorter listings name every layer in full. */
const groupedFrom = 40;
/** Deeper scopes of names are one. */
const maxDepth = 16;
/** Fewer lines are not worth hiding. */
const minSaved = 8;
/** Share of its values by which a block may differ: the last one often ends in a graph output. */
const tolerance = 1 / 8;
/** Comparisons that one search for repeats may make. */
const searchBudget = 2e7;

/** A node with what decides whether two are alike. */
interface Entry {
  node: LayerNode;
  /** Equal for nodes of like structure: kinds, shapes, and names up to their numbers. */
  form: number;
  /** Lines that it takes in a listing. */
  lines: number;
}

/** Layers as they are listed: each by its whole name while they are few, else as groups. */
export function listLayers(layers: readonly LayerInfo[]): LayerNode[] {
  if (layers.length > groupedFrom) return groupLayers(layers);
  return layers.map((layer) => ({ label: layer.name, layer }));
}

/** `12 × layers.0–11` where a block repeats. */
export const groupLabel = ({ label, repeats }: LayerGroup): string =>
  repeats > 1 ? `${repeats} × ${label}` : label;

/**
 * Layers as a tree that people can read: by the scopes in their names, with blocks that repeat
 * given once and counted, so that the thousands of values of a transformer read as `12 × block`.
 */
export function groupLayers(layers: readonly LayerInfo[]): LayerNode[] {
  const forms = new Map<string, number>();
  const formOf = (description: string): number => {
    const known = forms.get(description) ?? forms.size;
    forms.set(description, known);
    return known;
  };

  const leaf = (item: Item, depth: number): Entry => {
    const { layer } = item;
    const label = labelFrom(item, depth);
    const form = formOf(`${layer.kind} ${JSON.stringify(layer.shape ?? null)} ${plain(label)}`);
    return { node: { label, layer }, form, lines: 1 };
  };
  const group = (label: string, entries: Entry[]): Entry => ({
    node: { label, repeats: 1, ...total(entries), children: entries.map(({ node }) => node) },
    form: formOf(`(${plain(label)} ${entries.map(({ form }) => form).join(' ')})`),
    lines: linesOf(entries) + 1,
  });

  const scopes = (items: readonly Item[], depth: number): Entry[] => {
    const entries: Entry[] = [];
    for (let start = 0; start < items.length;) {
      const first = items[start]!;
      const scope = scopeOf(first, depth);
      let end = start + 1;
      while (scope !== undefined && end < items.length && scopeOf(items[end]!, depth) === scope)
        end++;
      if (end - start === 1) entries.push(leaf(first, depth));
      else
        entries.push(
          group(labelFrom(first, depth, depth + 1), scopes(items.slice(start, end), depth + 1)),
        );
      start = end;
    }
    return withRepeats(likeNeighbours(entries));
  };

  const withRepeats = (entries: Entry[]): Entry[] => {
    const best = longestRepeat(entries);
    if (!best) return entries;
    const { start, end, period, repeats } = best;
    const [first] = entries.slice(start, end);
    const block = withRepeats(entries.slice(start, start + period));
    const inner = period === 1 && 'children' in first!.node ? first!.node.children : undefined;
    const all = entries.slice(start, end);
    const node: LayerGroup = {
      label: rangeLabel(first!.node, entries[end - 1]!.node, period),
      repeats,
      ...total(all),
      children: inner ?? block.map((entry) => entry.node),
    };
    const repeated: Entry = {
      node,
      form: formOf(`${repeats} × ${block.map(({ form }) => form).join(' ')}`),
      lines: 1 + linesOf(block),
    };
    return [...withRepeats(entries.slice(0, start)), repeated, ...withRepeats(entries.slice(end))];
  };

  return scopes(layers.map(parse), 0).map(({ node }) => node);
}

interface Item {
  layer: LayerInfo;
  /** Where each part of the name begins and ends, separators left out. */
  parts: [start: number, end: number][];
}

/** The name's parts between `/` and `.`; a number belongs to the word before it (`layers.3`). */
function parse(layer: LayerInfo): Item {
  const parts: [number, number][] = [];
  for (const match of layer.name.matchAll(/[^/.]+/g)) {
    const end = match.index + match[0].length;
    const last = parts.at(-1);
    if (last && (/^\d+$/.test(match[0]) || parts.length === maxDepth)) last[1] = end;
    else parts.push([match.index, end]);
  }
  if (parts.length === 0) parts.push([0, layer.name.length]);
  return { layer, parts };
}

/** The whole name up to part `depth`; undefined for the last part, which is no scope. */
const scopeOf = ({ layer, parts }: Item, depth: number): string | undefined =>
  depth < parts.length - 1 ? layer.name.slice(0, parts[depth]![1]) : undefined;

function labelFrom({ layer, parts }: Item, from: number, to = parts.length): string {
  return layer.name.slice(parts[from]![0], parts[to - 1]![1]);
}

const plain = (label: string) => label.replace(/\d+/g, '#');

function total(entries: readonly Entry[]): { count: number; parameters: number } {
  let count = 0;
  let parameters = 0;
  for (const { node } of entries) {
    count += 'layer' in node ? 1 : node.count;
    parameters += ('layer' in node ? node.layer.parameters : node.parameters) ?? 0;
  }
  return { count, parameters };
}

/** Gives scopes that differ in a number and little else (`layer.10`, `layer.11`) one form. */
function likeNeighbours(entries: Entry[]): Entry[] {
  entries.forEach((entry, at) => {
    const former = entries[at - 1];
    if (!former || 'layer' in entry.node || 'layer' in former.node) return;
    const [a, b] = [entry.node, former.node];
    const difference = Math.abs(a.count - b.count) / Math.max(a.count, b.count);
    if (plain(a.label) === plain(b.label) && difference <= tolerance) entry.form = former.form;
  });
  return entries;
}

const linesOf = (entries: readonly Entry[]) => entries.reduce((sum, { lines }) => sum + lines, 0);

interface Repeat {
  start: number;
  end: number;
  /** Entries of one block. */
  period: number;
  repeats: number;
}

/** The blocks, one behind the other, whose folding saves most lines; of equals the shortest. */
function longestRepeat(entries: readonly Entry[]): Repeat | undefined {
  const n = entries.length;
  const before = [0];
  for (const { lines } of entries) before.push(before.at(-1)! + lines);
  let best: Repeat | undefined;
  let mostSaved = minSaved - 1;
  const longest = Math.min(Math.floor(n / 2), Math.floor(searchBudget / Math.max(1, n)));
  for (let period = 1; period <= longest; period++) {
    let run = 0;
    for (let i = 0; i + period <= n; i++) {
      if (i + period < n && entries[i]!.form === entries[i + period]!.form) {
        run++;
        continue;
      }
      // A last block that lacks little counts as one.
      const partial = (run % period) / period >= 1 - tolerance;
      const repeats = Math.floor(run / period) + (partial ? 2 : 1);
      const start = i - run;
      const end = partial ? i + period : start + period * repeats;
      const saved = before[end]! - before[start + period]!;
      if (repeats > 1 && saved > mostSaved) {
        mostSaved = saved;
        best = { start, end, period, repeats };
      }
      run = 0;
    }
  }
  return best;
}

/** `layers.{0–11}` where only a number tells the first from the last; else both names. */
function rangeLabel(first: LayerNode, last: LayerNode, period: number): string {
  const [a, b] = [first.label, last.label];
  if (period > 1) return `block (${a} … ${b})`;
  const numbers = (label: string) => label.match(/\d+/g) ?? [];
  const differing = numbers(a).flatMap((number, at) => (number === numbers(b)[at] ? [] : [at]));
  if (plain(a) !== plain(b) || differing.length !== 1) return `${a} … ${b}`;
  let at = -1;
  return a.replace(/\d+/g, (number) =>
    ++at === differing[0] ? `{${number}–${numbers(b)[at]!}}` : number,
  );
}
