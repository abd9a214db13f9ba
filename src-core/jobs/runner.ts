import { fork, type ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { Cancelled, fromErrorData, UserError } from '../errors.ts';
import type { FromWorker, Job, JobAnswer, Progress, ToWorker } from './messages.ts';

/** A worker that does not answer a cancel within this time is ended. */
const cancelGraceMs = 2000;

interface RunnerOptions {
  /** End the worker after this long without a job; 0 keeps it. */
  idleSeconds?: number;
  log?: (line: string) => void;
}

interface RunOptions {
  signal?: AbortSignal;
  onProgress?: (progress: Progress) => void;
}

interface Pending {
  id: number;
  job: Job;
  options: RunOptions;
  resolve: (answer: never) => void;
  reject: (error: Error) => void;
  /** Set when the user asked to stop. */
  cancelTimer?: NodeJS.Timeout;
}

/** Beside this module: a source file in a checkout, a bundle in the product. */
const workerPath = fileURLToPath(
  new URL(import.meta.url.endsWith('.ts') ? './worker.ts' : './worker.mjs', import.meta.url),
);

/**
 * Runs jobs one after another in a child process, so that a native crash fails one job and the
 * next gets a new worker.
 */
export class JobRunner {
  readonly #idleMs: number;
  readonly #log: (line: string) => void;
  readonly #queue: Pending[] = [];
  #active: Pending | undefined;
  #worker: ChildProcess | undefined;
  #idleTimer: NodeJS.Timeout | undefined;
  #lastId = 0;

  constructor({ idleSeconds = 60, log = () => undefined }: RunnerOptions = {}) {
    this.#idleMs = idleSeconds * 1000;
    this.#log = log;
  }

  /** Process id of the worker, while there is one. */
  get pid(): number | undefined {
    return this.#worker?.pid;
  }

  get busy(): boolean {
    return this.#active !== undefined;
  }

  /**
   * @throws UserError for bad input, a failed analysis or a worker that died; Cancelled after
   * `signal` fired.
   */
  run<J extends Job>(job: J, options: RunOptions = {}): Promise<JobAnswer<J>> {
    return new Promise<JobAnswer<J>>((resolve, reject) => {
      if (options.signal?.aborted) {
        reject(new Cancelled());
        return;
      }
      const pending: Pending = {
        id: ++this.#lastId,
        job,
        options,
        resolve: resolve,
        reject,
      };
      options.signal?.addEventListener('abort', () => this.#cancel(pending), { once: true });
      if (this.#active) {
        options.onProgress?.({ fraction: 0, message: 'Waiting for the running analysis' });
      }
      this.#queue.push(pending);
      this.#next();
    });
  }

  /** End the worker; what runs or waits is rejected as cancelled. */
  async dispose(): Promise<void> {
    for (const pending of this.#queue.splice(0)) pending.reject(new Cancelled());
    const worker = this.#worker;
    if (this.#active) this.#settle(this.#active, (pending) => pending.reject(new Cancelled()));
    if (worker) await this.#kill(worker);
  }

  #next(): void {
    if (this.#active) return;
    clearTimeout(this.#idleTimer);
    const pending = this.#queue.shift();
    if (!pending) {
      // Between jobs the worker keeps nothing alive: a command line may end at once.
      this.#worker?.channel?.unref();
      this.#worker?.unref();
      if (this.#idleMs > 0) {
        this.#idleTimer = setTimeout(() => {
          if (this.#worker) void this.#kill(this.#worker);
        }, this.#idleMs).unref();
      }
      return;
    }
    this.#active = pending;
    this.#worker ??= this.#start();
    this.#worker.ref();
    this.#worker.channel?.ref();
    this.#send({ type: 'job', id: pending.id, job: pending.job });
  }

  #start(): ChildProcess {
    const worker = fork(workerPath, {
      serialization: 'advanced',
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      // The editor's own binary is Electron: this makes it Node.
      env: { ...process.env, ELECTRON_RUN_AS_NODE: '1' },
      execArgv: [],
    });
    for (const stream of [worker.stdout, worker.stderr]) {
      if (!stream) continue;
      createInterface(stream).on('line', this.#log);
      // A pipe is a socket: let it not keep the process alive between jobs.
      (stream as unknown as { unref?: () => void }).unref?.();
    }
    worker.on('message', (message) => this.#receive(message as FromWorker));
    worker.on('error', (error) => this.#log(`worker: ${error.message}`));
    worker.once('exit', (code, signal) => this.#exited(worker, code, signal));
    return worker;
  }

  #send(message: ToWorker): void {
    // A failed send means that the worker is gone; its exit event tells the waiting job.
    this.#worker?.send(message, () => undefined);
  }

  #receive(message: FromWorker): void {
    if (message.type === 'log') {
      this.#log(message.line);
      return;
    }
    const active = this.#active;
    if (active?.id !== message.id) return;
    if (message.type === 'progress') {
      if (!active.options.signal?.aborted) active.options.onProgress?.(message.progress);
    } else if (active.options.signal?.aborted) {
      this.#settle(active, (pending) => pending.reject(new Cancelled()));
    } else if (message.type === 'done') {
      this.#settle(active, (pending) => pending.resolve(message.answer as never));
    } else {
      if (message.error.stack !== undefined) this.#log(message.error.stack);
      this.#settle(active, (pending) => pending.reject(fromErrorData(message.error)));
    }
  }

  #settle(pending: Pending, finish: (pending: Pending) => void): void {
    clearTimeout(pending.cancelTimer);
    this.#active = undefined;
    finish(pending);
    this.#next();
  }

  #cancel(pending: Pending): void {
    const waiting = this.#queue.indexOf(pending);
    if (waiting >= 0) {
      this.#queue.splice(waiting, 1);
      pending.reject(new Cancelled());
    } else if (this.#active === pending) {
      this.#send({ type: 'cancel', id: pending.id });
      pending.cancelTimer = setTimeout(() => {
        this.#log('worker: no answer to cancel, ending it');
        this.#worker?.kill('SIGKILL');
      }, cancelGraceMs);
    }
  }

  #exited(worker: ChildProcess, code: number | null, signal: NodeJS.Signals | null): void {
    if (this.#worker === worker) this.#worker = undefined;
    const active = this.#active;
    if (!active) return;
    const how = signal ?? `exit status ${code ?? 'unknown'}`;
    const error = active.options.signal?.aborted
      ? new Cancelled()
      : new UserError(
          'worker-crashed',
          'analysis worker',
          `ended unexpectedly (${how}) and took this run with it`,
          'run it again (a new worker starts by itself); if it happens again, see the log',
        );
    this.#settle(active, (pending) => pending.reject(error));
  }

  #kill(worker: ChildProcess): Promise<void> {
    if (this.#worker === worker) this.#worker = undefined;
    if (worker.exitCode !== null || worker.signalCode !== null) return Promise.resolve();
    return new Promise((resolve) => {
      worker.once('exit', () => resolve());
      worker.ref();
      worker.kill('SIGKILL');
    });
  }
}
