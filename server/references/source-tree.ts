import type { Edit, Point, Tree } from '@vscode/tree-sitter-wasm';
import { findMentions, type Mention } from './extract.ts';
import { factsOf, isTouched, shift, type Fact } from './facts.ts';
import type { Syntax } from './syntax.ts';

/** Offsets, the end exclusive. */
interface Range {
  start: number;
  end: number;
}

/**
 * The syntax tree of a text with its facts, kept in step with edits: only the statements that an
 * edit reaches are looked at again.
 */
export class SourceTree {
  readonly #syntax: Syntax;
  #text: string;
  #tree: Tree;
  #facts: Fact[];
  /** Where edits since the last parse have been, in offsets of the present text. */
  #dirty: Range[] = [];

  constructor(syntax: Syntax, text: string) {
    this.#syntax = syntax;
    this.#text = text;
    this.#tree = syntax.parse(text);
    this.#facts = this.#query();
  }

  /** Takes note of an edit; {@link refresh} follows with the text. */
  edit(edit: Edit): void {
    this.#tree.edit(edit);
    const { startIndex, oldEndIndex, newEndIndex } = edit;
    const by = newEndIndex - oldEndIndex;
    const moved = (index: number): number =>
      index < oldEndIndex ? Math.min(index, startIndex) : index + by;
    this.#dirty = this.#dirty.map(({ start, end }) => ({ start: moved(start), end: moved(end) }));
    this.#dirty.push({ start: startIndex, end: newEndIndex });
    this.#facts = this.#facts.filter((fact) => {
      if (isTouched(fact, edit)) {
        const { start, end } = fact.node;
        this.#dirty.push({ start: moved(start), end: Math.max(moved(end), newEndIndex) });
        return false;
      }
      if (fact.node.start > oldEndIndex) shift(fact, by);
      return true;
    });
  }

  /** Parses the text that the edits led to. */
  refresh(text: string): void {
    if (this.#dirty.length === 0) return;
    const old = this.#tree;
    this.#text = text;
    this.#tree = this.#syntax.parse(text, old);
    const changed = old
      .getChangedRanges(this.#tree)
      .map(({ startIndex, endIndex }) => ({ start: startIndex, end: endIndex }));
    const ranges = merge([...this.#dirty, ...changed].map((range) => this.#statements(range)));
    old.delete();
    this.#dirty = [];
    this.#facts = [
      ...this.#facts.filter(({ node }) => !ranges.some((range) => overlap(node, range))),
      ...ranges.flatMap((range) => this.#query(range)),
    ];
  }

  /** All mentions, or those that hold the offset `at`. */
  mentions(file: string | undefined, at?: number): Mention[] {
    const { language } = this.#syntax;
    const root = this.#tree.rootNode;
    return findMentions({ language, root, text: this.#text, file, facts: this.#facts }, at);
  }

  delete(): void {
    this.#tree.delete();
  }

  #query(range?: Range): Fact[] {
    const { language, query } = this.#syntax;
    const root = this.#tree.rootNode;
    const matches = query.matches(root, range ? this.#rows(range) : {});
    const facts = matches.flatMap((match) => factsOf(language, this.#text, match));
    return range ? facts.filter(({ node }) => overlap(node, range)) : facts;
  }

  /** The lines of a range. The query takes offsets in bytes, unlike nodes, but rows as they are. */
  #rows({ start, end }: Range): { startPosition: Point; endPosition: Point } {
    const first = countLines(this.#text.slice(0, start));
    const last = first + countLines(this.#text.slice(start, end));
    return {
      startPosition: { row: first, column: 0 },
      endPosition: { row: last + 1, column: 0 },
    };
  }

  /** Widens a range to the outermost statements that it touches. */
  #statements({ start, end }: Range): Range {
    const root = this.#tree.rootNode;
    const first = root.firstChildForIndex(Math.max(start - 1, 0));
    const last = root.firstChildForIndex(end);
    const reaches = last && last.startIndex <= end;
    return {
      start: first ? Math.min(start, first.startIndex) : start,
      end: reaches ? last.endIndex : Math.max(end, first?.endIndex ?? 0),
    };
  }
}

function overlap(a: Range, b: Range): boolean {
  return a.start < b.end && a.end > b.start;
}

function countLines(text: string): number {
  let lines = 0;
  for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) lines += 1;
  return lines;
}

/** Ranges that meet become one, so that no fact is found twice. */
function merge(ranges: readonly Range[]): Range[] {
  const merged: Range[] = [];
  for (const range of [...ranges].sort((a, b) => a.start - b.start)) {
    const last = merged.at(-1);
    if (last && range.start <= last.end) last.end = Math.max(last.end, range.end);
    else merged.push({ ...range });
  }
  return merged;
}
