import { UserError } from '../errors.ts';
import { looksLikeHubId, resolveModel } from './resolve.ts';

/**
 * The absolute path of a model that must exist: a path relative to one of `folders`, or a hub id in
 * a local cache.
 *
 * @throws UserError `missing`
 */
export async function locateModel(name: string, folders: readonly string[]): Promise<string> {
  const path = await resolveModel(name, folders);
  if (path !== undefined) return path;
  if (!looksLikeHubId(name)) {
    throw new UserError('missing', name, 'no such file', 'check the path');
  }
  throw new UserError(
    'missing',
    name,
    'no such file, and no such model in the local Hugging Face cache',
    `check the path, or download the model with \`repscope download ${name}\``,
  );
}
