import { resolveModel } from '@repscope/core/models/resolve.ts';
import type { Range } from 'vscode-languageserver';
import { dirname } from 'node:path';
import type { Mention } from './references/extract.ts';
import type { SourceDocument } from './source-document.ts';

/** A mention with its place in the document and, where it resolves, the model's path. */
export interface Reference {
  range: Range;
  mention: Mention;
  /** Absolute path of the model. */
  path?: string;
}

/** Where relative model paths of a document start: its own folder, then the workspace's. */
export function searchFolders(
  document: SourceDocument,
  workspaceFolders: readonly string[],
): string[] {
  const { path } = document;
  return [...new Set([...(path === undefined ? [] : [dirname(path)]), ...workspaceFolders])];
}

/** Looks a mention up on disk. Undefined for a bare string that names no existing model. */
export async function resolveMention(
  document: SourceDocument,
  mention: Mention,
  workspaceFolders: readonly string[],
): Promise<Reference | undefined> {
  const path = await resolveModel(mention.name, searchFolders(document, workspaceFolders));
  if (path === undefined && !mention.loader) return undefined;
  const { document: text } = document;
  return {
    range: { start: text.positionAt(mention.start), end: text.positionAt(mention.end) },
    mention,
    ...(path === undefined ? {} : { path }),
  };
}

/** All references of a document, in document order. */
export async function findReferences(
  document: SourceDocument,
  workspaceFolders: readonly string[],
): Promise<Reference[]> {
  const found = await Promise.all(
    (await document.mentions()).map((mention) =>
      resolveMention(document, mention, workspaceFolders),
    ),
  );
  return found.filter((reference) => reference !== undefined);
}

/** The reference that holds a position; only that one is looked up. */
export async function referenceAt(
  document: SourceDocument,
  position: Range['start'],
  workspaceFolders: readonly string[],
): Promise<Reference | undefined> {
  const mention = await document.mentionAt(document.document.offsetAt(position));
  return mention && resolveMention(document, mention, workspaceFolders);
}
