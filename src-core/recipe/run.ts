import { access } from 'node:fs/promises';
import { resolve } from 'node:path';
import { Cancelled, toErrorData, UserError, type ErrorData } from '../errors.ts';
import type { AnalyzeJob, CaptureOptions, CompareJob, Progress } from '../jobs/messages.ts';
import { locateModel } from '../models/locate.ts';
import type { Result } from '../results/schema.ts';
import { isMatrixSpec } from '../tensor/matrix-file.ts';
import type { Plan, PlannedAnalysis } from './check.ts';

/** One analysis of a recipe after its run: a result, or why there is none. */
export type RecipeOutcome = { name: string } & ({ result: Result } | { error: ErrorData });

export interface RecipeRun {
  /** Runs one job in a worker. */
  run: (job: AnalyzeJob | CompareJob, onProgress: (progress: Progress) => void) => Promise<Result>;
  /** Settings of the one who runs it; a recipe's own go before. */
  options: CaptureOptions;
  onProgress: (progress: Progress) => void;
  /** Called as soon as each analysis ends, so that nothing finished is ever lost. */
  onOutcome: (outcome: RecipeOutcome) => Promise<void> | void;
}

/**
 * Run the analyses of a recipe one after another. One that fails does not stop the others.
 * @throws UserError `missing` before anything runs, where an input is not there; Cancelled.
 */
export async function runRecipe(
  { analyses }: Plan,
  { run, options, onProgress, onOutcome }: RecipeRun,
): Promise<RecipeOutcome[]> {
  for (const { job } of analyses) await checkInputs(job);
  const outcomes: RecipeOutcome[] = [];
  for (const [index, planned] of analyses.entries()) {
    const report = ({ fraction, message }: Progress) =>
      onProgress({
        fraction: (index + fraction) / analyses.length,
        message: analyses.length > 1 ? `${planned.name}: ${message}` : message,
      });
    const outcome = await runOne(planned, (job) => run({ ...options, ...job }, report));
    outcomes.push(outcome);
    await onOutcome(outcome);
  }
  return outcomes;
}

async function runOne(
  { name, job }: PlannedAnalysis,
  run: (job: AnalyzeJob | CompareJob) => Promise<Result>,
): Promise<RecipeOutcome> {
  try {
    return { name, result: await run(job) };
  } catch (error) {
    if (error instanceof Cancelled) throw error;
    return { name, error: toErrorData(error) };
  }
}

async function checkInputs({ inputs, cwd }: AnalyzeJob | CompareJob): Promise<void> {
  for (const input of inputs) {
    if (!isMatrixSpec(input)) await locateModel(input, [cwd]);
    else {
      const path = resolve(cwd, input.replace(/#[^#/\\]*$/, ''));
      await access(path).catch((error: unknown) => {
        throw new UserError('missing', input, 'no such file', 'check the path', error);
      });
    }
  }
}
