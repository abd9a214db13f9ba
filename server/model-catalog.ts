import { readdir, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { ModelOutline } from '@repscope/core/models/model.ts';
import { openModel } from '@repscope/core/models/open.ts';

interface Entry {
  signature: string;
  outline: Promise<ModelOutline>;
}

/** Outlines kept at once; an outline of a large model takes some hundred kilobytes. */
const capacity = 100;

/** What models say of themselves, read again only where their files changed. */
export class ModelCatalog {
  readonly #entries = new Map<string, Entry>();

  /** @throws UserError as {@link openModel} does; a failure is remembered like an outline. */
  async outline(path: string): Promise<ModelOutline> {
    const signature = await signatureOf(path);
    const known = this.#entries.get(path);
    this.#entries.delete(path);
    const entry =
      known?.signature === signature ? known : { signature, outline: readOutline(path) };
    // Insertion order is the order of use: the first entry is the one to forget.
    this.#entries.set(path, entry);
    const oldest = this.#entries.keys().next();
    if (this.#entries.size > capacity && !oldest.done) this.#entries.delete(oldest.value);
    return entry.outline;
  }
}

async function readOutline(path: string): Promise<ModelOutline> {
  return (await openModel(path)).outline;
}

/** Changes when a file of the model is written, added or removed. */
async function signatureOf(path: string): Promise<string> {
  const stamp = async (file: string): Promise<string> => {
    const found = await stat(file).catch(() => undefined);
    return found ? `${basename(file)}:${found.size}:${found.mtimeMs}` : `${basename(file)}:absent`;
  };
  const self = await stat(path).catch(() => undefined);
  if (!self?.isDirectory()) {
    // Files of external weights come and go beside the model.
    const folder = await stat(dirname(path)).catch(() => undefined);
    return `${await stamp(path)} ${folder?.mtimeMs ?? ''}`;
  }
  const names = (await readdir(path).catch(() => [])).filter((name) =>
    /\.(json|safetensors)$/.test(name),
  );
  return (await Promise.all(names.sort().map((name) => stamp(join(path, name))))).join(' ');
}

/** Short name for lists: the hub id of a cached model, else the file's or folder's name. */
export function modelName(path: string): string {
  const cached = /models--([^/\\]+?)--([^/\\]+)[/\\]snapshots[/\\][^/\\]+$/.exec(path);
  return cached ? `${cached[1]}/${cached[2]}` : basename(path);
}
