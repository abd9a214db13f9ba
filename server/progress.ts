import type { Progress } from '@repscope/core/jobs/messages.ts';
import {
  WorkDoneProgress,
  WorkDoneProgressCreateRequest,
  type CancellationToken,
  type Connection,
  type ProgressToken,
  type WorkDoneProgressBegin,
  type WorkDoneProgressEnd,
  type WorkDoneProgressReport,
} from 'vscode-languageserver';

/** Progress of one job as the client shows it. */
export interface JobProgress {
  readonly signal: AbortSignal;
  report(progress: Progress): void;
  end(message?: string): void;
}

/** Work-done progress with cancel, on the client's token or on one created with it. */
export class ProgressReporter {
  readonly #connection: Connection;
  readonly #mayCreate: boolean;
  readonly #running = new Map<ProgressToken, AbortController>();
  #created = 0;

  /** @param mayCreate whether the client takes progress that the server starts */
  constructor(connection: Connection, mayCreate: boolean) {
    this.#connection = connection;
    this.#mayCreate = mayCreate;
  }

  async begin(
    title: string,
    given: ProgressToken | undefined,
    cancellation: CancellationToken,
  ): Promise<JobProgress> {
    const abort = new AbortController();
    const stop = cancellation.onCancellationRequested(() => abort.abort());
    if (cancellation.isCancellationRequested) abort.abort();
    const token = given ?? (await this.#create());
    if (token === undefined) {
      return {
        signal: abort.signal,
        report: () => undefined,
        end: () => stop.dispose(),
      };
    }
    this.#running.set(token, abort);
    const send = (
      value: WorkDoneProgressBegin | WorkDoneProgressReport | WorkDoneProgressEnd,
    ): void => {
      void this.#connection.sendProgress(WorkDoneProgress.type, token, value);
    };
    send({ kind: 'begin', title, cancellable: true, percentage: 0 });
    return {
      signal: abort.signal,
      report: ({ fraction, message }) => {
        const percentage = Math.round(100 * Math.min(Math.max(fraction, 0), 1));
        send({ kind: 'report', percentage, message });
      },
      end: (message) => {
        this.#running.delete(token);
        stop.dispose();
        send({ kind: 'end', ...(message === undefined ? {} : { message }) });
      },
    };
  }

  /** The user pressed cancel on the progress of `token`. */
  cancel(token: ProgressToken): void {
    this.#running.get(token)?.abort();
  }

  async #create(): Promise<ProgressToken | undefined> {
    if (!this.#mayCreate) return undefined;
    const token = `repscope-server-${this.#created++}`;
    try {
      await this.#connection.sendRequest(WorkDoneProgressCreateRequest.type, { token });
      return token;
    } catch {
      return undefined;
    }
  }
}
