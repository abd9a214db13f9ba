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
  /** Results name inputs by their absolute paths, not as the recipe writes them. */
  absolute?: boolean;
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
  { run, options, absolute = false, onProgress, onOutcome }: RecipeRun,
): Promise<RecipeOutcome[]> {
  const located = new Map<PlannedAnalysis, string[]>();
  for (const planned of analyses) located.set(planned, await locateInputs(planned.job));
  const outcomes: RecipeOutcome[] = [];
  for (const [index, planned] of analyses.entries()) {
    const report = ({ fraction, message }: Progress) =>
      onProgress({
        fraction: (index + fraction) / analyses.length,
        message: analyses.length > 1 ? `${planned.name}: ${message}` : message,
      });
    const inputs = absolute ? located.get(planned)! : planned.job.inputs;
    const job = { ...options, ...planned.job, inputs } as PlannedAnalysis['job'];
    const outcome = await runOne(planned.name, () => run(job, report));
    outcomes.push(outcome);
    await onOutcome(outcome);
  }
  return outcomes;
}

async function runOne(name: string, run: () => Promise<Result>): Promise<RecipeOutcome> {
  try {
    return { name, result: await run() };
  } catch (error) {
    if (error instanceof Cancelled) throw error;
    return { name, error: toErrorData(error) };
  }
}

/**
 * Where the inputs are.
 * @throws UserError `missing`
 */
async function locateInputs({ inputs, cwd }: PlannedAnalysis['job']): Promise<string[]> {
  const located: string[] = [];
  for (const input of inputs) {
    if (!isMatrixSpec(input)) {
      located.push(await locateModel(input, [cwd]));
      continue;
    }
    const file = input.replace(/#[^#/\\]*$/, '');
    await access(resolve(cwd, file)).catch((error: unknown) => {
      throw new UserError('missing', input, 'no such file', 'check the path', error);
    });
    located.push(resolve(cwd, file) + input.slice(file.length));
  }
  return located;
}
