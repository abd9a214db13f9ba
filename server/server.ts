import { analyses, analysisInfo } from '@repscope/core/analyses/registry.ts';
import { toErrorData } from '@repscope/core/errors.ts';
import { locateModel } from '@repscope/core/models/locate.ts';
import type { RequestSpec } from '@repscope/core/protocol/message.ts';
import * as protocol from '@repscope/core/protocol/language-server.ts';
import { exportResult, type ExportFormat } from '@repscope/core/results/export.ts';
import { activationFolder, defaultStorage } from '@repscope/core/results/locations.ts';
import { version } from '@repscope/core/version.ts';
import {
  CodeActionKind,
  CodeLensRefreshRequest,
  DidChangeConfigurationNotification,
  DidChangeWatchedFilesNotification,
  ExecuteCommandRequest,
  MessageType,
  ShowMessageNotification,
  TextDocuments,
  TextDocumentSyncKind,
  WorkDoneProgressCancelNotification,
  type CancellationToken,
  type ClientCapabilities,
  type Connection,
  type InitializeParams,
  type InitializeResult,
} from 'vscode-languageserver';
import { DiagnosticsFeed } from './diagnostics-feed.ts';
import { download, downloadSize } from './downloads.ts';
import { toResponseError, usage } from './errors.ts';
import { codeActions } from './features/code-actions.ts';
import { codeLenses, resolveLens } from './features/code-lens.ts';
import { documentLinks } from './features/document-links.ts';
import { hover } from './features/hover.ts';
import { Jobs } from './jobs.ts';
import { ModelCatalog } from './model-catalog.ts';
import { ProgressReporter } from './progress.ts';
import { findReferences, referenceAt, searchFolders } from './reference.ts';
import { modelExtensions } from './references/language.ts';
import { sourceExtensions } from './references/syntax.ts';
import {
  parseAnalyze,
  parseCompare,
  parseDownload,
  parseRunRecipe,
  parseText,
} from './requests.ts';
import { Runs } from './runs.ts';
import { SettingsSource } from './settings.ts';
import { pathOf, SourceDocument } from './source-document.ts';
import { WorkspaceIndex } from './workspace-index.ts';

const exportFormats: readonly string[] = ['json', 'csv', 'html'] satisfies ExportFormat[];

/** One client from initialize to shutdown: its documents, models, runs and jobs. */
class Session {
  readonly #connection: Connection;
  readonly #capabilities: ClientCapabilities;
  readonly #clientCommands: boolean;
  readonly #documents: TextDocuments<SourceDocument>;
  readonly #settings: SettingsSource;
  readonly #models = new ModelCatalog();
  readonly #index = new WorkspaceIndex();
  readonly #runs: Runs;
  readonly #jobs: Jobs;
  readonly #progress: ProgressReporter;
  readonly #diagnostics: DiagnosticsFeed;
  #folders: string[];
  #trusted: boolean;

  constructor(connection: Connection, params: InitializeParams) {
    const options = initializationOptions(params.initializationOptions);
    const storage = options.storage ?? defaultStorage();
    this.#connection = connection;
    this.#capabilities = params.capabilities;
    this.#clientCommands = options.clientCommands === true;
    this.#trusted = options.trusted !== false;
    this.#folders = workspaceFolders(params);
    this.#settings = new SettingsSource(() =>
      params.capabilities.workspace?.configuration === true
        ? connection.workspace.getConfiguration('repscope')
        : Promise.resolve(undefined),
    );
    this.#runs = new Runs(storage);
    this.#progress = new ProgressReporter(
      connection,
      params.capabilities.window?.workDoneProgress === true,
    );
    this.#jobs = new Jobs({
      runs: this.#runs,
      progress: this.#progress,
      cacheFolder: activationFolder(storage),
      settings: () => this.#settings.get(),
      isTrusted: () => this.#trusted,
      cwd: () => this.#folders[0] ?? process.cwd(),
      log: (line) => {
        if (line.trim() !== '') connection.console.log(line);
      },
    });
    this.#documents = new TextDocuments({
      create: (uri, languageId, version, text) =>
        new SourceDocument(uri, languageId, version, text),
      update: (document, changes, version) => {
        document.update(changes, version);
        return document;
      },
    });
    this.#diagnostics = new DiagnosticsFeed({
      connection,
      models: this.#models,
      folders: (document) => searchFolders(document, this.#folders),
      workspaceFolders: () => this.#folders,
      known: () => this.#index.modelFiles(),
      onReferencesChanged: () => this.#modelsChanged(),
      log: (error) => this.#log(error),
    });
    this.#listen();
  }

  initializeResult(): InitializeResult {
    return {
      serverInfo: { name: 'repscope-language-server', version },
      capabilities: {
        textDocumentSync: {
          openClose: true,
          change: TextDocumentSyncKind.Incremental,
          save: { includeText: false },
        },
        codeLensProvider: { resolveProvider: true },
        hoverProvider: true,
        // Its fixes are the client's commands.
        ...(this.#clientCommands
          ? { codeActionProvider: { codeActionKinds: [CodeActionKind.QuickFix] } }
          : {}),
        documentLinkProvider: { resolveProvider: false },
        executeCommandProvider: {
          commands: [protocol.commands.serverAnalyze, protocol.commands.serverCompare],
          workDoneProgress: true,
        },
        workspace: { workspaceFolders: { supported: true, changeNotifications: true } },
      },
    };
  }

  /** What may only be asked of the client once it is initialized. */
  async start(): Promise<void> {
    const { workspace } = this.#capabilities;
    this.#rescan();
    if (workspace?.workspaceFolders === true) {
      this.#connection.workspace.onDidChangeWorkspaceFolders(({ added, removed }) => {
        const gone = new Set(removed.map(({ uri }) => pathOf(uri)));
        const kept = this.#folders.filter((folder) => !gone.has(folder));
        this.#folders = [...kept, ...added.flatMap(({ uri }) => pathOf(uri) ?? [])];
        this.#rescan();
      });
    }
    if (workspace?.didChangeConfiguration?.dynamicRegistration === true) {
      const options = { section: 'repscope' };
      await this.#connection.client.register(DidChangeConfigurationNotification.type, options);
    }
    // Our own extension watches by itself.
    if (workspace?.didChangeWatchedFiles?.dynamicRegistration === true && !this.#clientCommands) {
      const endings = [...modelExtensions, ...sourceExtensions].map((ending) => ending.slice(1));
      await this.#connection.client.register(DidChangeWatchedFilesNotification.type, {
        watchers: [
          { globPattern: `**/*.{${endings.join(',')}}` },
          { globPattern: '**/{config,tokenizer}.json' },
        ],
      });
    }
  }

  async dispose(): Promise<void> {
    this.#diagnostics.dispose();
    await this.#jobs.dispose();
    this.#runs.close();
  }

  #listen(): void {
    const connection = this.#connection;
    this.#documents.listen(connection);
    this.#documents.onDidSave(({ document }) => this.#diagnostics.refresh(document));
    // Fires when a document is opened, too.
    this.#documents.onDidChangeContent(({ document }) => this.#diagnostics.schedule(document));
    this.#documents.onDidClose(({ document }) => {
      this.#diagnostics.clear(document);
      document.dispose();
      // From now on the file speaks for itself, to clients that do not watch files too.
      if (document.path !== undefined) {
        this.#index.changed(document.path).catch((error: unknown) => this.#log(error));
      }
    });
    connection.onDidChangeConfiguration(() => {
      this.#settings.changed();
      this.#refreshLenses();
    });
    connection.onDidChangeWatchedFiles(async ({ changes }) => {
      await Promise.all(changes.map(({ uri }) => this.#index.changed(pathOf(uri) ?? uri)));
      for (const document of this.#documents.all()) this.#diagnostics.schedule(document);
      this.#modelsChanged();
      this.#refreshLenses();
    });
    connection.onCodeAction(({ context }) => codeActions(context.diagnostics));
    connection.onNotification(WorkDoneProgressCancelNotification.type, ({ token }) =>
      this.#progress.cancel(token),
    );
    connection.onNotification(protocol.TrustGranted.method, () => {
      this.#trusted = true;
    });
    this.#listenForFeatures();
    this.#listenForRequests();
  }

  #listenForFeatures(): void {
    const connection = this.#connection;
    const inDocument = <A>(
      { uri }: { uri: string },
      answer: (document: SourceDocument) => Promise<A>,
    ): Promise<A | null> => {
      const document = this.#documents.get(uri);
      if (!document) return Promise.resolve(null);
      return answer(document).catch((error: unknown) => {
        // A feature that fails must not disturb the typing.
        this.#log(error);
        return null;
      });
    };
    connection.onCodeLens(({ textDocument }) =>
      inDocument(textDocument, async (document) => {
        if (!(await this.#settings.get()).codeLens.enabled) return [];
        const references = await findReferences(document, this.#folders);
        return codeLenses(references, this.#runs, this.#clientCommands);
      }),
    );
    connection.onCodeLensResolve((lens) => resolveLens(lens, this.#models));
    connection.onHover(({ textDocument, position }) =>
      inDocument(textDocument, async (document) => {
        const reference = await referenceAt(document, position, this.#folders);
        if (!reference) return null;
        return (await hover(reference, this.#models, this.#runs, this.#clientCommands)) ?? null;
      }),
    );
    connection.onDocumentLinks(({ textDocument }) =>
      inDocument(textDocument, async (document) =>
        documentLinks(await findReferences(document, this.#folders)),
      ),
    );
  }

  #listenForRequests(): void {
    this.#answer(protocol.ListAnalyses, () => analyses.map(analysisInfo));
    this.#answer(protocol.ListModels, () => this.#index.list(this.#documents.all()));
    this.#answer(protocol.InspectModel, async (params) => {
      const name = parseText(params, 'path', protocol.InspectModel.method);
      return this.#models.outline(await locateModel(name, this.#folders));
    });
    this.#answer(protocol.Analyze, (params, token) => this.#analyze(params, token));
    this.#answer(protocol.Compare, (params, token) => this.#compare(params, token));
    this.#answer(protocol.RunRecipe, (params, token) =>
      this.#jobs.recipe(parseRunRecipe(params, protocol.RunRecipe.method), token, () =>
        this.#runsChanged(),
      ),
    );
    this.#answer(protocol.DownloadSize, (params, token) =>
      downloadSize(parseDownload(params, protocol.DownloadSize.method), token),
    );
    this.#answer(protocol.Download, (params, token) => this.#download(params, token));
    this.#answer(protocol.ListRuns, () => this.#runs.list());
    this.#answer(protocol.GetRun, (params) =>
      this.#runs.get(parseText(params, 'id', protocol.GetRun.method)),
    );
    this.#answer(protocol.DeleteRun, (params) => {
      this.#runs.delete(parseText(params, 'id', protocol.DeleteRun.method));
      this.#runsChanged();
      return null;
    });
    this.#answer(protocol.ExportRun, (params) => {
      const { run, result } = this.#runs.get(parseText(params, 'id', protocol.ExportRun.method));
      const format = parseText(params, 'format', protocol.ExportRun.method);
      if (!exportFormats.includes(format)) {
        throw usage(format, 'unknown export format', 'send json, csv or html');
      }
      return exportResult(run, result, format as ExportFormat);
    });
    this.#answer(protocol.ListDevices, () => this.#jobs.devices());
    this.#answer(protocol.WorkerStatus, () => this.#jobs.status);
    this.#connection.onRequest(
      ExecuteCommandRequest.method,
      async (params: unknown, token: CancellationToken) => {
        try {
          return await this.#execute(params, token);
        } catch (error) {
          return this.#failure(error);
        }
      },
    );
  }

  /** Answers a request of ours; a failure is one line with its parts as data. */
  #answer<P, A>(
    { method }: RequestSpec<P, A>,
    handler: (params: unknown, token: CancellationToken) => A | Promise<A>,
  ): void {
    this.#connection.onRequest(method, async (params: unknown, token: CancellationToken) => {
      try {
        return await handler(params, token);
      } catch (error) {
        return this.#failure(error);
      }
    });
  }

  /** `workspace/executeCommand`, by hand: the library takes the progress token out of the way. */
  async #execute(sent: unknown, token: CancellationToken): Promise<protocol.RunAnswer> {
    const {
      command,
      arguments: given,
      workDoneToken,
    } = sent as {
      command?: unknown;
      arguments?: unknown[];
      workDoneToken?: string | number;
    };
    const [first] = given ?? [];
    const params =
      typeof first === 'object' && first !== null && workDoneToken !== undefined
        ? { workDoneToken, ...first }
        : first;
    let answer: protocol.RunAnswer;
    if (command === protocol.commands.serverAnalyze) answer = await this.#analyze(params, token);
    else if (command === protocol.commands.serverCompare)
      answer = await this.#compare(params, token);
    else throw usage(String(command), 'unknown command', 'send one that the server offers');
    // A plain client has no panel that shows the result.
    if (!this.#clientCommands) {
      const message = `Repscope: ${answer.run.headline}`;
      void this.#connection.sendNotification(ShowMessageNotification.type, {
        type: MessageType.Info,
        message,
      });
    }
    return answer;
  }

  async #analyze(params: unknown, token: CancellationToken): Promise<protocol.RunAnswer> {
    const answer = await this.#jobs.analyze(parseAnalyze(params, 'analyze'), token);
    this.#runsChanged();
    return answer;
  }

  async #compare(params: unknown, token: CancellationToken): Promise<protocol.RunAnswer> {
    const answer = await this.#jobs.compare(parseCompare(params, 'compare'), token);
    this.#runsChanged();
    return answer;
  }

  async #download(sent: unknown, token: CancellationToken): Promise<{ path: string }> {
    const params = parseDownload(sent, protocol.Download.method);
    const answer = await download(params, this.#progress, token);
    for (const document of this.#documents.all()) this.#diagnostics.refresh(document);
    this.#modelsChanged();
    this.#refreshLenses();
    return answer;
  }

  #failure(error: unknown): ReturnType<typeof toResponseError> {
    this.#log(error);
    return toResponseError(error);
  }

  /** Defects with their stack, the user's own mistakes as one line. */
  #log(error: unknown): void {
    const { stack, where, what, remedy, code } = toErrorData(error);
    if (code === 'cancelled') return;
    if (stack === undefined) this.#connection.console.warn(`${where}: ${what}; ${remedy}`);
    else this.#connection.console.error(stack);
  }

  #rescan(): void {
    this.#index.rescan(this.#folders);
    this.#index.modelFiles().then(
      () => this.#modelsChanged(),
      (error: unknown) => this.#log(error),
    );
  }

  #runsChanged(): void {
    void this.#connection.sendNotification(protocol.RunsChanged.method);
    this.#refreshLenses();
  }

  #modelsChanged(): void {
    void this.#connection.sendNotification(protocol.ModelsChanged.method);
  }

  #refreshLenses(): void {
    if (this.#capabilities.workspace?.codeLens?.refreshSupport !== true) return;
    // A client that is closing need not answer.
    this.#connection.sendRequest(CodeLensRefreshRequest.type).catch(() => undefined);
  }
}

/** Serves one client over `connection` until it leaves. */
export function startServer(connection: Connection): void {
  let session: Session | undefined;
  connection.onInitialize((params) => {
    session = new Session(connection, params);
    return session.initializeResult();
  });
  connection.onInitialized(() => session?.start());
  connection.onShutdown(() => session?.dispose());
  connection.listen();
}

function initializationOptions(sent: unknown): protocol.InitializationOptions {
  const { storage, trusted, clientCommands } = (sent ?? {}) as Record<string, unknown>;
  return {
    ...(typeof storage === 'string' && storage !== '' ? { storage } : {}),
    ...(typeof trusted === 'boolean' ? { trusted } : {}),
    ...(typeof clientCommands === 'boolean' ? { clientCommands } : {}),
  };
}

function workspaceFolders(params: InitializeParams): string[] {
  const { workspaceFolders: folders } = params;
  // Older clients name one root instead of folders.
  const { rootUri }: { rootUri?: unknown } = params;
  const uris = folders?.map(({ uri }) => uri) ?? (typeof rootUri === 'string' ? [rootUri] : []);
  return uris.flatMap((uri) => pathOf(uri) ?? []);
}
