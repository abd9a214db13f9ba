import {
  TrustGranted,
  ModelsChanged,
  RunsChanged,
  type InitializationOptions,
} from '@repscope/core/protocol/language-server.ts';
import type { NotificationSpec, RequestSpec } from '@repscope/core/protocol/message.ts';
import * as vscode from 'vscode';
import {
  CloseAction,
  ErrorAction,
  LanguageClient,
  RevealOutputChannelOn,
  State,
  TransportKind,
  WorkDoneProgress,
  type ErrorHandler,
  type LanguageClientOptions,
  type ServerOptions,
} from 'vscode-languageclient/node';
import { ServerStopped } from './errors.ts';
import { showFailure } from './failure.ts';

export type ServerState = 'starting' | 'running' | 'stopped';

export interface ProgressReport {
  /** 0–1, or undefined where the message alone is new. */
  fraction?: number;
  message?: string;
}

export const documentSelector = [
  ...['python', 'typescript', 'typescriptreact', 'javascript', 'javascriptreact'].map(
    (language) => ({ scheme: 'file', language }),
  ),
  { scheme: 'file', pattern: '**/*.repscope.{yaml,yml}' },
];

/** Sources that may name a model, and the models themselves. */
const watched = [
  '**/*.{py,pyi,js,mjs,cjs,jsx,ts,mts,cts,tsx}',
  '**/*.{onnx,safetensors,gguf,pt,pth,bin,h5,keras,tflite}',
  '**/{config,tokenizer,model}.json',
];

/** A server that ends this often within the time is not started again. */
const maxEnds = 4;
const endsWithinMs = 3 * 60_000;

/** Its errors go to the log only: users are told what they should know, once and in our words. */
class QuietClient extends LanguageClient {
  override error(message: string, data?: unknown): void {
    super.error(message, data, false);
  }
}

/** The language server: its life, and typed requests to it. */
export class Server implements vscode.Disposable {
  readonly #context: vscode.ExtensionContext;
  readonly #log: vscode.LogOutputChannel;
  readonly #stateChanged = new vscode.EventEmitter<ServerState>();
  readonly #runsChanged = new vscode.EventEmitter<void>();
  readonly #modelsChanged = new vscode.EventEmitter<void>();
  readonly #watchers: vscode.FileSystemWatcher[];
  readonly #trust: vscode.Disposable;
  readonly #commands = new Map<string, (...args: unknown[]) => unknown>();
  #client: LanguageClient;
  #restarting: Promise<void> | undefined;
  #nextToken = 0;

  readonly onDidChangeState = this.#stateChanged.event;
  readonly onDidChangeRuns = this.#runsChanged.event;
  readonly onDidChangeModels = this.#modelsChanged.event;

  constructor(context: vscode.ExtensionContext, log: vscode.LogOutputChannel) {
    this.#context = context;
    this.#log = log;
    this.#watchers = watched.map((glob) => vscode.workspace.createFileSystemWatcher(glob));
    this.#client = this.#createClient();
    this.#trust = vscode.workspace.onDidGrantWorkspaceTrust(() => {
      void this.#notify(TrustGranted, null);
    });
  }

  get state(): ServerState {
    if (this.#client.state === State.Running) return 'running';
    return this.#client.state === State.Starting ? 'starting' : 'stopped';
  }

  async start(): Promise<void> {
    await this.#client.start();
  }

  /** Ends the server, whatever its state, and starts a new one; once, however often it is asked. */
  restart(): Promise<void> {
    return (this.#restarting ??= this.#restart().finally(() => (this.#restarting = undefined)));
  }

  async stop(): Promise<void> {
    const client = this.#client;
    // A client can be ended once it has started or failed to.
    if (client.state === State.Starting) await client.start().catch(() => undefined);
    if (client.isRunning()) {
      await client.dispose().catch((error: unknown) => this.#log.warn(String(error)));
    }
    client.serverProcess?.kill();
  }

  dispose(): void {
    this.#trust.dispose();
    for (const watcher of this.#watchers) watcher.dispose();
    this.#stateChanged.dispose();
    this.#runsChanged.dispose();
    this.#modelsChanged.dispose();
  }

  /** Sends a request; starts the server where it is not yet running. */
  request<Params, Answer>(
    spec: RequestSpec<Params, Answer>,
    params: Params,
    token?: vscode.CancellationToken,
  ): Promise<Answer> {
    return this.#client.sendRequest<Answer>(spec.method, params, token);
  }

  /** Sends a cancellable request that reports its progress to `report`. */
  async requestWithProgress<Params extends object, Answer>(
    spec: RequestSpec<Params, Answer>,
    params: Params,
    token: vscode.CancellationToken,
    report: (progress: ProgressReport) => void,
  ): Promise<Answer> {
    const workDoneToken = `repscope-${this.#nextToken++}`;
    const progress = this.#client.onProgress(WorkDoneProgress.type, workDoneToken, (value) => {
      if (value.kind === 'end') return;
      report({
        ...(value.percentage === undefined ? {} : { fraction: value.percentage / 100 }),
        ...(value.message === undefined ? {} : { message: value.message }),
      });
    });
    try {
      return await this.#client.sendRequest<Answer>(
        spec.method,
        { ...params, workDoneToken },
        token,
      );
    } finally {
      progress.dispose();
    }
  }

  /** Runs a command that the server offers here instead, so that progress and errors show once. */
  takeOver(command: string, run: (...args: unknown[]) => unknown): void {
    this.#commands.set(command, run);
  }

  async #restart(): Promise<void> {
    await this.stop();
    // A client whose start failed refuses to start again: take a new one.
    this.#client = this.#createClient();
    await this.#client.start();
  }

  async #notify<Params>(spec: NotificationSpec<Params>, params: Params): Promise<void> {
    if (this.#client.isRunning()) await this.#client.sendNotification(spec.method, params);
  }

  #createClient(): LanguageClient {
    const client = new QuietClient(
      'repscope',
      'Repscope',
      this.#serverOptions(),
      this.#clientOptions(),
    );
    client.onDidChangeState(() => this.#stateChanged.fire(this.state));
    client.onNotification(RunsChanged.method, () => this.#runsChanged.fire());
    client.onNotification(ModelsChanged.method, () => this.#modelsChanged.fire());
    return client;
  }

  #serverOptions(): ServerOptions {
    const run = {
      module: this.#context.asAbsolutePath('dist/server.mjs'),
      transport: TransportKind.ipc,
    };
    return {
      run,
      debug: {
        ...run,
        options: { execArgv: ['--nolazy', '--inspect=6009', '--enable-source-maps'] },
      },
    };
  }

  #clientOptions(): LanguageClientOptions {
    return {
      documentSelector,
      outputChannel: this.#log,
      // Failures of our requests are shown by whoever sent them, once.
      revealOutputChannelOn: RevealOutputChannelOn.Never,
      initializationOptions: (): InitializationOptions => ({
        storage: (this.#context.storageUri ?? this.#context.globalStorageUri).fsPath,
        trusted: vscode.workspace.isTrusted,
        clientCommands: true,
      }),
      errorHandler: this.#errorHandler(),
      initializationFailedHandler: () => false,
      synchronize: { fileEvents: this.#watchers },
      markdown: {
        isTrusted: {
          enabledCommands: ['repscope.analyzeModel', 'repscope.compareModels', 'repscope.showRun'],
        },
        supportThemeIcons: true,
      },
      middleware: {
        executeCommand: (command, args: unknown[], next): unknown => {
          const own = this.#commands.get(command);
          return own ? own(...args) : next(command, args);
        },
      },
    };
  }
  #errorHandler(): ErrorHandler {
    let ends: number[] = [];
    return {
      error: () => ({ action: ErrorAction.Continue, handled: true }),
      closed: () => {
        const now = Date.now();
        ends = [...ends.filter((end) => now - end < endsWithinMs), now];
        if (ends.length <= maxEnds) return { action: CloseAction.Restart, handled: true };
        void showFailure(new ServerStopped(), { log: this.#log });
        return { action: CloseAction.DoNotRestart, handled: true };
      },
    };
  }
}
