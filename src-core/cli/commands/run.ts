import { UserError } from '../../errors.ts';
import { readRecipe } from '../../recipe/read.ts';
import { recipeJson, writeRecipeReport, writeReport } from '../../recipe/report.ts';
import { runRecipe, type RecipeOutcome } from '../../recipe/run.ts';
import { exportReport } from '../../results/export.ts';
import type { Result, RunSummary } from '../../results/schema.ts';
import { captureOptions } from '../capture-flags.ts';
import { text, type Command } from '../command.ts';
import { storeRun } from '../finish-run.ts';
import { ProgressBar } from '../progress.ts';
import { showResult } from '../show-result.ts';

/** A finished analysis of the recipe with the run that it is kept as. */
interface Kept {
  name: string;
  run: RunSummary;
  result: Result;
}

export const run: Command = {
  name: 'run',
  usage:
    'RECIPE.repscope.yaml [--device auto|cpu|webgpu|cuda] [--memory MIB] [--json] [--html FILE]',
  summary: 'all analyses of a recipe',
  details: [
    'A recipe names models, probes and captures, and lists analyses; paths are relative to its folder.',
    'With --json one object is printed: {"recipe", "analyses": [{"name", "run", "result" or "error"}]}.',
    'One analysis that fails does not stop the others; the exit status is then 1.',
  ].join('\n'),
  options: {
    device: { type: 'string' },
    memory: { type: 'string' },
    json: { type: 'boolean' },
    html: { type: 'string' },
  },
  arity: [1, 1],
  async run(invocation) {
    const { positionals, flags, runner, signal, print, note } = invocation;
    const file = positionals[0]!;
    const plan = await readRecipe(file);
    const json = flags['json'] === true;
    const bar = new ProgressBar();
    const kept: Kept[] = [];
    const runs = new Map<string, string>();
    const outcomes = await runRecipe(plan, {
      run: (job, onProgress) => runner.run(job, { signal, onProgress }),
      options: captureOptions(flags),
      onProgress: bar.update,
      onOutcome: (outcome) => {
        bar.clear();
        if ('error' in outcome) {
          const { where, what, remedy } = outcome.error;
          note(`repscope: ${outcome.name}: ${where}: ${what}; ${remedy}`);
          return;
        }
        const { run, problem } = storeRun(outcome.result);
        kept.push({ name: outcome.name, run, result: outcome.result });
        if (!json) print(`# ${outcome.name}\n${showResult(outcome.result)}\n`);
        if (problem === undefined) runs.set(outcome.name, run.id);
        note(
          problem === undefined
            ? `${outcome.name} stored as run ${run.id}`
            : `repscope: ${outcome.name}: not stored: ${problem}`,
        );
      },
    }).finally(() => bar.clear());
    const entries = outcomes.map((outcome) => ({
      ...outcome,
      run: runs.get(outcome.name) ?? null,
    }));
    const summary = recipeJson(file, entries);
    if (json) print(summary);
    const written = await writeRecipeReport(file, plan, kept, summary);
    // A path on the command line is relative to where the user stands.
    const html = text(flags['html']);
    if (html !== undefined && kept.length > 0) {
      await writeReport(html, await exportReport(kept));
      written.push(html);
    }
    for (const path of written) note(`written to ${path}`);
    failWhere(file, outcomes);
  },
};

function failWhere(recipe: string, outcomes: readonly RecipeOutcome[]): void {
  const failed = outcomes.filter((outcome) => 'error' in outcome);
  if (failed.length === 0) return;
  throw new UserError(
    'failed',
    recipe,
    `${failed.length} of ${outcomes.length} analyses failed: ${failed.map(({ name }) => name).join(', ')}`,
    'see the messages above',
  );
}
