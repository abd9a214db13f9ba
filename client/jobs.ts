import { Cancelled, type UserError } from '@repscope/core/errors.ts';
import type { RunAnswer } from '@repscope/core/protocol/language-server.ts';
import type { RequestSpec } from '@repscope/core/protocol/message.ts';
import * as vscode from 'vscode';
import { readableError } from './errors.ts';
import { showFailure } from './failure.ts';
import type { Server } from './server.ts';

/** The analyses and downloads that the user started and that still run. */
export class Jobs implements vscode.Disposable {
  readonly #server: Server;
  readonly #log: vscode.LogOutputChannel;
  readonly #running = new Map<vscode.CancellationTokenSource, string>();
  readonly #changed = new vscode.EventEmitter<void>();

  readonly onDidChange = this.#changed.event;

  constructor(server: Server, log: vscode.LogOutputChannel) {
    this.#server = server;
    this.#log = log;
  }

  /** Titles of the running analyses, in the order of their start. */
  get running(): { title: string; cancel: () => void }[] {
    return [...this.#running].map(([source, title]) => ({ title, cancel: () => source.cancel() }));
  }

  /**
   * Runs one analysis in the server under a progress notification with a cancel button.
   * @returns undefined where it was cancelled, or failed and the user has been told.
   */
  async run<Params extends { inputs: string[] }>(
    title: string,
    spec: RequestSpec<Params, RunAnswer>,
    params: Params,
  ): Promise<RunAnswer | undefined> {
    const answer = await this.track(title, spec, params);
    if (answer?.storeProblem !== undefined) {
      void vscode.window.showWarningMessage(answer.storeProblem);
    }
    return answer;
  }

  /** As {@link run}, for any request that reports progress. */
  async track<Params extends object, Answer extends object>(
    title: string,
    spec: RequestSpec<Params, Answer>,
    params: Params,
  ): Promise<Answer | undefined> {
    const outcome = await this.#attempt(title, spec, params);
    if (!(outcome instanceof Error)) return outcome;
    if (outcome instanceof Cancelled) {
      this.#log.info(`${title}: cancelled`);
      return undefined;
    }
    this.#log.error(`${title}: ${outcome.message}`);
    const retry = await showFailure(outcome, { log: this.#log, retry: true });
    return retry ? this.track(title, spec, params) : undefined;
  }

  async #attempt<Params extends object, Answer extends object>(
    title: string,
    spec: RequestSpec<Params, Answer>,
    params: Params,
  ): Promise<Answer | UserError | Cancelled> {
    const source = new vscode.CancellationTokenSource();
    this.#running.set(source, title);
    this.#changed.fire();
    try {
      return await vscode.window.withProgress(
        { location: vscode.ProgressLocation.Notification, title, cancellable: true },
        (progress, token) => {
          token.onCancellationRequested(() => source.cancel());
          let shown = 0;
          return this.#server.requestWithProgress(spec, params, source.token, (report) => {
            const percent = 100 * (report.fraction ?? shown / 100);
            progress.report({ message: report.message, increment: Math.max(0, percent - shown) });
            shown = Math.max(shown, percent);
          });
        },
      );
    } catch (error) {
      return readableError(error);
    } finally {
      this.#running.delete(source);
      source.dispose();
      this.#changed.fire();
    }
  }

  dispose(): void {
    for (const source of this.#running.keys()) source.cancel();
    this.#changed.dispose();
  }
}
