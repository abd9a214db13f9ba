import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { UserError } from '../errors.ts';
import { checkRecipe, recipeError, type Plan } from './check.ts';

/**
 * The plan of a recipe file.
 * @throws UserError `missing`, `unsupported`, or `usage` that names the first problem's line.
 */
export async function readRecipe(file: string): Promise<Plan> {
  let content: string;
  try {
    content = await readFile(file, 'utf8');
  } catch (error) {
    const missing = (error as NodeJS.ErrnoException).code === 'ENOENT';
    throw new UserError(
      missing ? 'missing' : 'unsupported',
      file,
      missing ? 'no such file' : `cannot be read (${String(error)})`,
      'name a recipe, e.g. study.repscope.yaml',
      error,
    );
  }
  const { problems, plan } = checkRecipe(content, resolve(file));
  if (plan) return plan;
  throw recipeError(file, problems[0]!);
}
