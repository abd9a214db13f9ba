import { findAnalysis, parseParams } from '@repscope/core/analyses/registry.ts';
import type { DeviceReport } from '@repscope/core/engine/engine.ts';
import { Cancelled, UserError } from '@repscope/core/errors.ts';
import type { AnalyzeJob, CaptureOptions, CompareJob } from '@repscope/core/jobs/messages.ts';
import { JobRunner } from '@repscope/core/jobs/runner.ts';
import type {
  AnalyzeParams,
  CompareParams,
  RunAnswer,
  Settings,
} from '@repscope/core/protocol/language-server.ts';
import type { CancellationToken, ProgressToken } from 'vscode-languageserver';
import { modelName } from './model-catalog.ts';
import type { ProgressReporter } from './progress.ts';
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

  async #run(
    title: string,
    progressToken: ProgressToken | undefined,
    token: CancellationToken,
    toJob: (
      options: (given: CaptureOptions) => CaptureOptions,
      cwd: string,
    ) => AnalyzeJob | CompareJob,
  ): Promise<RunAnswer> {
    const { runs, isTrusted, settings, cwd } = this.#environment;
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
      const job = toJob((given) => this.#withDefaults(given, current), cwd());
      const result = await this.#runnerFor(current).run(job, {
        signal: progress.signal,
        onProgress: (report) => progress.report(report),
      });
      const answer = runs.save(result);
      outcome = answer.run.headline;
      return answer;
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
