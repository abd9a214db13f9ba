import { findAnalysis, parseParams } from '@repscope/core/analyses/registry.ts';
import type { DeviceReport } from '@repscope/core/engine/engine.ts';
import { Cancelled, UserError } from '@repscope/core/errors.ts';
import type { AnalyzeJob, CaptureOptions, CompareJob } from '@repscope/core/jobs/messages.ts';
import { JobRunner } from '@repscope/core/jobs/runner.ts';
import { readRecipe } from '@repscope/core/recipe/read.ts';
import { recipeJson, writeRecipeReport } from '@repscope/core/recipe/report.ts';
import { runRecipe } from '@repscope/core/recipe/run.ts';
import type {
  AnalyzeParams,
  CompareParams,
  RecipeAnswer,
  RunAnswer,
  RunRecipeParams,
  Settings,
} from '@repscope/core/protocol/language-server.ts';
import type { CancellationToken, ProgressToken } from 'vscode-languageserver';
import { modelName } from './model-catalog.ts';
import type { JobProgress, ProgressReporter } from './progress.ts';
import type { Runs } from './runs.ts';

interface Environment {
  runs: Runs;
  progress: ProgressReporter;
  /** Folder of the activation cache. */
  cacheFolder: string;
  settings: () => Promise<Settings>;
  isTrusted: () => boolean;
  /** Folder that relative inputs start from. */
  cwd: () => string;
  log: (line: string) => void;
}

/** Analyses on behalf of the client: one at a time in the worker, the others wait visibly. */
export class Jobs {
  readonly #environment: Environment;
  #runner: { runner: JobRunner; idleSeconds: number } | undefined;

  constructor(environment: Environment) {
    this.#environment = environment;
  }

  get status(): { pid: number | null; busy: boolean } {
    const runner = this.#runner?.runner;
    return { pid: runner?.pid ?? null, busy: runner?.busy ?? false };
  }

  /** @throws UserError `usage`, `untrusted` or what the analysis throws; Cancelled */
  async analyze(params: AnalyzeParams, token: CancellationToken): Promise<RunAnswer> {
    const { analysis, inputs, each, labels } = params;
    const definition = findAnalysis(analysis);
    parseParams(definition, params.params ?? {});
    const title = `${definition.title}: ${inputs.map(modelName).join(', ')}`;
    return this.#run(title, params.workDoneToken, token, (options, cwd) => ({
      kind: 'analyze',
      analysis,
      inputs,
      ...(each ? { each } : {}),
      ...(labels === undefined ? {} : { labels }),
      params: params.params ?? {},
      cwd,
      ...options(params),
    }));
  }

  /** @throws UserError, Cancelled */
  async compare(params: CompareParams, token: CancellationToken): Promise<RunAnswer> {
    const { inputs } = params;
    const title = `Compare ${inputs.map(modelName).join(' and ')}`;
    return this.#run(title, params.workDoneToken, token, (options, cwd) => ({
      kind: 'compare',
      inputs,
      params: params.params ?? {},
      cwd,
      ...options(params),
    }));
  }

  async devices(): Promise<DeviceReport[]> {
    const runner = this.#runnerFor(await this.#environment.settings());
    return runner.run({ kind: 'devices' });
  }

  async dispose(): Promise<void> {
    await this.#runner?.runner.dispose();
  }

  /**
   * All analyses of a recipe; each is stored as soon as it is done.
   * @throws UserError `usage` for a recipe with problems, `missing`, `untrusted`; Cancelled
   */
  async recipe(
    { path, workDoneToken }: RunRecipeParams,
    token: CancellationToken,
    onStored: () => void,
  ): Promise<RecipeAnswer> {
    const plan = await readRecipe(path);
    const done: RecipeAnswer['analyses'] = [];
    await this.#tracked(modelName(path), workDoneToken, token, async (current, progress) => {
      const outcomes = await runRecipe(plan, {
        run: (job, onProgress) =>
          this.#runnerFor(current).run(job, { signal: progress.signal, onProgress }),
        options: this.#withDefaults({}, current),
        // Lenses and trees know models by their paths.
        absolute: true,
        onProgress: (report) => progress.report(report),
        onOutcome: (outcome) => {
          const { name } = outcome;
          if ('error' in outcome) {
            done.push({ name, error: outcome.error });
            return;
          }
          done.push({ name, answer: this.#environment.runs.save(outcome.result) });
          onStored();
        },
      });
      const runs = done.flatMap((part) =>
        'answer' in part ? [{ name: part.name, ...part.answer }] : [],
      );
      const idOf = (name: string) => runs.find((part) => part.name === name)?.run.id ?? null;
      const entries = outcomes.map((outcome) => ({ ...outcome, run: idOf(outcome.name) }));
      await writeRecipeReport(path, plan, runs, recipeJson(path, entries));
      return `${done.length} analyses`;
    });
    return { analyses: done };
  }

  async #run(
    title: string,
    progressToken: ProgressToken | undefined,
    token: CancellationToken,
    toJob: (
      options: (given: CaptureOptions) => CaptureOptions,
      cwd: string,
    ) => AnalyzeJob | CompareJob,
  ): Promise<RunAnswer> {
    const { runs, cwd } = this.#environment;
    let answer: RunAnswer | undefined;
    await this.#tracked(title, progressToken, token, async (current, progress) => {
      const job = toJob((given) => this.#withDefaults(given, current), cwd());
      const result = await this.#runnerFor(current).run(job, {
        signal: progress.signal,
        onProgress: (report) => progress.report(report),
      });
      answer = runs.save(result);
      return answer.run.headline;
    });
    return answer!;
  }

  /** Work under a progress that can be cancelled; it answers the line that the progress ends with. */
  async #tracked(
    title: string,
    progressToken: ProgressToken | undefined,
    token: CancellationToken,
    work: (settings: Settings, progress: JobProgress) => Promise<string>,
  ): Promise<void> {
    const { isTrusted, settings } = this.#environment;
    if (!isTrusted()) {
      throw new UserError(
        'untrusted',
        'workspace',
        'models are not run before the workspace is trusted',
        'trust the workspace and run it again',
      );
    }
    const current = await settings();
    const progress = await this.#environment.progress.begin(title, progressToken, token);
    let outcome: string | undefined;
    try {
      outcome = await work(current, progress);
    } catch (error) {
      outcome = error instanceof Cancelled ? 'cancelled' : 'failed';
      throw error;
    } finally {
      progress.end(outcome);
    }
  }

  /** What the request leaves open comes from the settings. */
  #withDefaults(given: CaptureOptions, settings: Settings): CaptureOptions {
    const probe = given.probe ?? (settings.probe === '' ? undefined : settings.probe);
    return {
      device: given.device ?? settings.device,
      memoryLimit: given.memoryLimit ?? settings.memoryLimit,
      cacheFolder: given.cacheFolder ?? this.#environment.cacheFolder,
      ...(probe === undefined ? {} : { probe }),
      ...(given.layers ? { layers: given.layers } : {}),
      ...(given.pool ? { pool: given.pool } : {}),
    };
  }

  #runnerFor({ workerIdleSeconds: idleSeconds }: Settings): JobRunner {
    const held = this.#runner;
    if (held && (held.idleSeconds === idleSeconds || held.runner.busy)) return held.runner;
    void held?.runner.dispose();
    const runner = new JobRunner({ idleSeconds, log: (line) => this.#environment.log(line) });
    this.#runner = { runner, idleSeconds };
    return runner;
  }
}
