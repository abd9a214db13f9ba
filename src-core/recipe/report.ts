import { writeFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { UserError } from '../errors.ts';
import { exportReport, type ReportedRun } from '../results/export.ts';
import type { Plan } from './check.ts';
import type { RecipeOutcome } from './run.ts';

/** An analysis of a recipe as its results file and `--json` have it. */
export type RecipeEntry = RecipeOutcome & {
  /** Id of the stored run; null where there is none. */
  run: string | null;
};

/** All results of a recipe as one line of JSON. */
export const recipeJson = (recipe: string, analyses: readonly RecipeEntry[]): string =>
  JSON.stringify({ recipe, analyses });

/**
 * Write the files that a recipe asks for, beside it.
 * @returns their absolute paths
 * @throws UserError `unwritable`
 */
export async function writeRecipeReport(
  recipe: string,
  { report }: Plan,
  runs: readonly ReportedRun[],
  json: string,
): Promise<string[]> {
  const folder = dirname(resolve(recipe));
  const written: string[] = [];
  const write = async (name: string, content: string) => {
    const path = resolve(folder, name);
    await writeReport(path, content);
    written.push(path);
  };
  if (report.html !== undefined && runs.length > 0) {
    await write(report.html, await exportReport(runs));
  }
  if (report.json !== undefined) await write(report.json, `${json}\n`);
  return written;
}

/** @throws UserError `unwritable` */
export async function writeReport(path: string, content: string): Promise<void> {
  try {
    await writeFile(path, content);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new UserError(
      'unwritable',
      path,
      `cannot be written (${reason})`,
      'name another file',
      error,
    );
  }
}
