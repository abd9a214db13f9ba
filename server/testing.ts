import { Duplex } from 'node:stream';
import { pathToFileURL } from 'node:url';
import {
  createConnection,
  createProtocolConnection,
  PublishDiagnosticsNotification,
  StreamMessageReader,
  StreamMessageWriter,
  ProposedFeatures,
  WorkDoneProgress,
  type CodeLens,
  type Diagnostic,
  type Hover,
  type InitializeParams,
  type ProtocolConnection,
  type PublishDiagnosticsParams,
  type WorkDoneProgressBegin,
  type WorkDoneProgressEnd,
  type WorkDoneProgressReport,
} from 'vscode-languageserver/node';
import { startServer } from './server.ts';

/** What a client shows of a job's progress. */
export type Shown = WorkDoneProgressBegin | WorkDoneProgressReport | WorkDoneProgressEnd;

/** A stream whose written bytes are read at once at the other end of the pair. */
function pair(): [Duplex, Duplex] {
  const make = (other: () => Duplex): Duplex =>
    new Duplex({
      read: () => undefined,
      write: (chunk: Buffer, _encoding, done) => {
        other().push(chunk);
        done();
      },
    });
  const left: Duplex = make(() => right);
  const right: Duplex = make(() => left);
  return [left, right];
}

/** A plain LSP client for tests, over streams to a server in this or another process. */
export class TestClient {
  readonly connection: ProtocolConnection;
  readonly diagnostics: PublishDiagnosticsParams[] = [];
  readonly #listeners = new Set<() => void>();
  #version = 1;

  constructor(connection: ProtocolConnection) {
    this.connection = connection;
    connection.onNotification(PublishDiagnosticsNotification.type, (params) => {
      this.diagnostics.push(params);
      for (const listener of this.#listeners) listener();
    });
    connection.listen();
  }

  /** A client joined to a server in this process. */
  static inProcess(): TestClient {
    const [client, server] = pair();
    startServer(
      createConnection(
        ProposedFeatures.all,
        new StreamMessageReader(server),
        new StreamMessageWriter(server),
      ),
    );
    return TestClient.over(client, client);
  }

  static over(input: NodeJS.ReadableStream, output: NodeJS.WritableStream): TestClient {
    return new TestClient(
      createProtocolConnection(new StreamMessageReader(input), new StreamMessageWriter(output)),
    );
  }

  async initialize(
    folder: string,
    {
      capabilities = {},
      initializationOptions,
    }: { capabilities?: InitializeParams['capabilities']; initializationOptions?: unknown } = {},
  ): Promise<unknown> {
    const uri = pathToFileURL(folder).href;
    const answer = await this.request('initialize', {
      processId: process.pid,
      rootUri: uri,
      workspaceFolders: [{ uri, name: 'workspace' }],
      capabilities,
      initializationOptions,
    });
    await this.connection.sendNotification('initialized', {});
    return answer;
  }

  request<A>(method: string, params?: object | null): Promise<A> {
    return params === undefined
      ? this.connection.sendRequest<A>(method)
      : this.connection.sendRequest<A>(method, params);
  }

  /** Listens to the progress shown on a token. */
  onProgress(token: string, listener: (value: Shown) => void): void {
    this.connection.onProgress(WorkDoneProgress.type, token, listener);
  }

  /** Opens a document and answers the first diagnostics published for it. */
  async open(path: string, text: string, languageId = 'python'): Promise<Diagnostic[]> {
    const { href: uri } = pathToFileURL(path);
    return this.#published(uri, () =>
      this.connection.sendNotification('textDocument/didOpen', {
        textDocument: { uri, languageId, version: 1, text },
      }),
    );
  }

  /** Replaces a document's text and answers the diagnostics published next. */
  async change(path: string, text: string): Promise<Diagnostic[]> {
    const { href: uri } = pathToFileURL(path);
    this.#version += 1;
    return this.#published(uri, () =>
      this.connection.sendNotification('textDocument/didChange', {
        textDocument: { uri, version: this.#version },
        contentChanges: [{ text }],
      }),
    );
  }

  /** Tells the server that files were written, and answers a document's next diagnostics. */
  async filesChanged(paths: readonly string[], document: string): Promise<Diagnostic[]> {
    return this.#published(pathToFileURL(document).href, () =>
      this.connection.sendNotification('workspace/didChangeWatchedFiles', {
        changes: paths.map((path) => ({ uri: pathToFileURL(path).href, type: 2 })),
      }),
    );
  }

  hover(path: string, line: number, character: number): Promise<Hover | null> {
    return this.request('textDocument/hover', {
      textDocument: { uri: pathToFileURL(path).href },
      position: { line, character },
    });
  }

  /** Lenses of a document, resolved. */
  async lenses(path: string): Promise<CodeLens[]> {
    const textDocument = { uri: pathToFileURL(path).href };
    const lenses = await this.request<CodeLens[]>('textDocument/codeLens', { textDocument });
    return Promise.all(
      lenses.map(async (lens) =>
        lens.command ? lens : this.request<CodeLens>('codeLens/resolve', lens),
      ),
    );
  }

  async close(): Promise<void> {
    await this.request('shutdown');
    this.connection.dispose();
  }

  async #published(uri: string, act: () => Promise<void>): Promise<Diagnostic[]> {
    const from = this.diagnostics.length;
    await act();
    for (;;) {
      const found = this.diagnostics.slice(from).find((item) => item.uri === uri);
      if (found) return found.diagnostics;
      await new Promise<void>((resolve) => {
        const listener = (): void => {
          this.#listeners.delete(listener);
          resolve();
        };
        this.#listeners.add(listener);
      });
    }
  }
}
