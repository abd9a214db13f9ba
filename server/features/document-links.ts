import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { DocumentLink } from 'vscode-languageserver';
import type { Reference } from '../reference.ts';

/** Links from references to the model's file, or to the main file of its folder. */
export function documentLinks(references: readonly Reference[]): DocumentLink[] {
  return references.flatMap(({ path, range }) => {
    const target = path === undefined ? undefined : mainFile(path);
    if (target === undefined) return [];
    return [{ range, target: pathToFileURL(target).href, tooltip: 'Open the model' }];
  });
}

function mainFile(path: string): string | undefined {
  const found = statSync(path, { throwIfNoEntry: false });
  if (!found?.isDirectory()) return found && path;
  return ['config.json', 'model.safetensors.index.json', 'model.safetensors']
    .map((name) => join(path, name))
    .find((file) => existsSync(file));
}
