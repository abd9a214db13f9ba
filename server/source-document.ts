import { fileURLToPath } from 'node:url';
import type { Edit, Point } from '@vscode/tree-sitter-wasm';
import type { TextDocumentContentChangeEvent } from 'vscode-languageserver';
import { TextDocument } from 'vscode-languageserver-textdocument';
import { mayMentionModels, type Mention } from './references/extract.ts';
import { SourceTree } from './references/source-tree.ts';
import { syntaxOf } from './references/syntax.ts';

/** Absolute path of a `file:` URI; undefined for other schemes. */
export function pathOf(uri: string): string | undefined {
  if (!uri.startsWith('file:')) return undefined;
  try {
    return fileURLToPath(uri);
  } catch {
    return undefined;
  }
}

/** A document with the syntax tree and the model mentions of its present text. */
export class SourceDocument {
  readonly uri: string;
  #document: TextDocument;
  #tree: SourceTree | undefined;
  #mentions: { version: number; found: Promise<Mention[]> } | undefined;

  constructor(uri: string, languageId: string, version: number, text: string) {
    this.uri = uri;
    this.#document = TextDocument.create(uri, languageId, version, text);
  }

  get document(): TextDocument {
    return this.#document;
  }

  get version(): number {
    return this.#document.version;
  }

  get languageId(): string {
    return this.#document.languageId;
  }

  /** Absolute path, where the document is a file. */
  get path(): string | undefined {
    return pathOf(this.uri);
  }

  update(changes: readonly TextDocumentContentChangeEvent[], version: number): void {
    for (const change of changes) {
      if ('range' in change) {
        this.#tree?.edit(this.#edit(change));
      } else {
        this.#dropTree();
      }
      this.#document = TextDocument.update(this.#document, [change], version);
    }
  }

  /** Mentions of the present text, in document order. */
  mentions(): Promise<Mention[]> {
    if (this.#mentions?.version !== this.version) {
      this.#mentions = { version: this.version, found: this.#find() };
    }
    return this.#mentions.found;
  }

  /** The mention that holds an offset, without looking for the others. */
  async mentionAt(offset: number): Promise<Mention | undefined> {
    const holds = ({ start, end }: Mention): boolean => start <= offset && offset <= end;
    if (this.#mentions?.version === this.version) return (await this.#mentions.found).find(holds);
    return (await this.#find(offset))[0];
  }

  dispose(): void {
    this.#dropTree();
  }

  async #find(at?: number): Promise<Mention[]> {
    const syntax = await syntaxOf(this.languageId);
    const text = this.#document.getText();
    if (!syntax || !mayMentionModels(text)) return [];
    if (this.#tree) this.#tree.refresh(text);
    else this.#tree = new SourceTree(syntax, text);
    return this.#tree.mentions(this.path, at);
  }

  #dropTree(): void {
    this.#tree?.delete();
    this.#tree = undefined;
  }

  #edit({ range, text }: Extract<TextDocumentContentChangeEvent, { range: unknown }>): Edit {
    const old = this.#document.getText();
    const startIndex = this.#document.offsetAt(range.start);
    const oldEndIndex = this.#document.offsetAt(range.end);
    const startPosition = pointAt(old, startIndex);
    return {
      startIndex,
      oldEndIndex,
      newEndIndex: startIndex + text.length,
      startPosition,
      oldEndPosition: pointAt(old, oldEndIndex),
      newEndPosition: advance(startPosition, text),
    };
  }
}

/** Tree-sitter counts a row for each line feed only, unlike the protocol. */
function pointAt(text: string, index: number): Point {
  return advance({ row: 0, column: 0 }, text.slice(0, index));
}

function advance({ row, column }: Point, text: string): Point {
  let rows = 0;
  for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) rows += 1;
  if (rows === 0) return { row, column: column + text.length };
  return { row: row + rows, column: text.length - text.lastIndexOf('\n') - 1 };
}
