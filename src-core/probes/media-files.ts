import { createHash } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { basename, extname, join } from 'node:path';
import { sha256File, statFile } from '../bytes/byte-source.ts';
import { UserError } from '../errors.ts';
import { imageEndings } from './decode-image.ts';
import { assertSeveral } from './probe-kind.ts';

/** Files of one kind, one a sample. */
export interface MediaFiles {
  kind: 'image' | 'audio';
  /** The folder or the file. */
  path: string;
  files: readonly string[];
  /** Paths within the folder. */
  ids: readonly string[];
  /** The subfolder of each, where all are in one. */
  labels?: readonly string[];
  /** Of the contents in order. */
  sha256: string;
}

const kindOf = (name: string): MediaFiles['kind'] | undefined => {
  const ending = extname(name).toLowerCase();
  if (imageEndings.includes(ending)) return 'image';
  return ending === '.wav' ? 'audio' : undefined;
};

export const isMedia = (path: string) => kindOf(path) !== undefined;

const maxFiles = 100_000;
const maxDepth = 8;

/**
 * The images or recordings of a folder and its subfolders, by name, or the one file.
 * @throws UserError `missing`, `empty` (a folder without any), `usage` (both kinds), `too-few-samples`.
 */
export async function listMedia(path: string): Promise<MediaFiles> {
  if ((await statFile(path)).isDirectory()) return listFolder(path);
  return {
    kind: kindOf(path)!,
    path,
    files: [path],
    ids: [basename(path)],
    sha256: await hashOf([path]),
  };
}

async function listFolder(path: string): Promise<MediaFiles> {
  const ids = await namesIn(path, '', 0);
  const kinds = new Set(ids.map(kindOf));
  const [kind] = kinds;
  if (kind === undefined) {
    throw new UserError(
      'empty',
      path,
      'holds no images and no .wav files',
      `put ${imageEndings.join(', ')} or .wav files into it`,
    );
  }
  if (kinds.size > 1) {
    throw new UserError('usage', path, 'holds images and recordings', 'name a folder of one kind');
  }
  const one = kind === 'image' ? 'one image' : 'one recording';
  assertSeveral(ids.length, path, one, one);
  const labels = ids.map((id) => (id.includes('/') ? id.slice(0, id.indexOf('/')) : undefined));
  const files = ids.map((id) => join(path, id));
  return {
    kind,
    path,
    files,
    ids,
    ...(labels.every((label) => label !== undefined) ? { labels } : {}),
    sha256: await hashOf(files),
  };
}

/** Names of media files, subfolders with `/`; sorted so that they are the same everywhere. */
async function namesIn(root: string, within: string, depth: number): Promise<string[]> {
  const entries = await readdir(join(root, within), { withFileTypes: true });
  const names: string[] = [];
  const sorted = entries.sort((a, b) => (a.name < b.name ? -1 : 1));
  for (const entry of sorted) {
    if (entry.name.startsWith('.')) continue;
    const name = within === '' ? entry.name : `${within}/${entry.name}`;
    if (!entry.isDirectory()) {
      if (isMedia(name)) names.push(name);
    } else if (depth < maxDepth) {
      names.push(...(await namesIn(root, name, depth + 1)));
    }
    if (names.length > maxFiles) {
      throw new UserError('unsupported', root, `holds more than ${maxFiles} files`, 'take fewer');
    }
  }
  return names;
}

async function hashOf(files: readonly string[]): Promise<string> {
  const hash = createHash('sha256');
  for (const file of files) hash.update(await sha256File(file));
  return hash.digest('hex');
}
