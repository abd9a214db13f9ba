import { readdir } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { nearWords } from '@repscope/core/analyses/near-words.ts';
import { looksLikeModelFile } from '../references/language.ts';

/**
 * An existing model that a missing path probably means: the same name in another folder, or a name
 * that differs by few letters. `wanted` are the absolute places where the file was looked for,
 * `known` the models of the workspace.
 */
export async function nearMiss(
  wanted: readonly string[],
  known: readonly string[],
): Promise<string | undefined> {
  const beside = await Promise.all(
    wanted.map(async (path) => {
      const folder = dirname(path);
      const names = await readdir(folder).catch(() => []);
      return names.filter(looksLikeModelFile).map((name) => join(folder, name));
    }),
  );
  const [first] = wanted;
  if (first === undefined) return undefined;
  // A name beside the missing one wins over the same name elsewhere.
  const candidates = [...beside.flat(), ...known];
  const names = [...new Set(candidates.map((path) => basename(path)))];
  const [near] = nearWords(basename(first), names);
  return candidates.find((path) => basename(path) === near);
}
