import type { Connection } from 'vscode-languageserver';
import { diagnostics } from './features/diagnostics.ts';
import { isRecipe, recipeDiagnostics } from './features/recipe.ts';
import type { ModelCatalog } from './model-catalog.ts';
import { findReferences } from './reference.ts';
import type { SourceDocument } from './source-document.ts';

/** Typing pauses at least this long before its document is looked at again. */
const pauseMs = 250;

interface Environment {
  connection: Connection;
  models: ModelCatalog;
  /** Where relative paths of a document start. */
  folders: (document: SourceDocument) => string[];
  workspaceFolders: () => readonly string[];
  /** Model files of the workspace. */
  known: () => Promise<string[]>;
  onReferencesChanged: () => void;
  log: (error: unknown) => void;
}

/** Publishes the diagnostics of open documents, and clears them once they are fixed or closed. */
export class DiagnosticsFeed {
  readonly #environment: Environment;
  readonly #waiting = new Map<string, NodeJS.Timeout>();
  /** References as last seen, to tell whether they changed. */
  readonly #seen = new Map<string, string>();
  readonly #known = new WeakSet<SourceDocument>();
  readonly #closed = new WeakSet<SourceDocument>();

  constructor(environment: Environment) {
    this.#environment = environment;
  }

  /** After the next pause in typing; at once for a document not seen before. */
  schedule(document: SourceDocument): void {
    if (!this.#known.has(document)) {
      this.refresh(document);
      return;
    }
    clearTimeout(this.#waiting.get(document.uri));
    const timer = setTimeout(() => this.refresh(document), pauseMs);
    this.#waiting.set(document.uri, timer);
  }

  /** At once. */
  refresh(document: SourceDocument): void {
    this.#known.add(document);
    clearTimeout(this.#waiting.get(document.uri));
    this.#waiting.delete(document.uri);
    this.#publish(document).catch((error: unknown) => this.#environment.log(error));
  }

  clear(document: SourceDocument): void {
    const { uri } = document;
    clearTimeout(this.#waiting.get(uri));
    this.#waiting.delete(uri);
    this.#seen.delete(uri);
    void this.#environment.connection.sendDiagnostics({ uri, diagnostics: [] });
    this.#closed.add(document);
  }

  dispose(): void {
    for (const timer of this.#waiting.values()) clearTimeout(timer);
    this.#waiting.clear();
  }

  async #publish(document: SourceDocument): Promise<void> {
    const { connection, models, folders, workspaceFolders, known } = this.#environment;
    const { uri, version } = document;
    if (isRecipe(document)) {
      await connection.sendDiagnostics({ uri, version, diagnostics: recipeDiagnostics(document) });
      return;
    }
    const references = await findReferences(document, workspaceFolders());
    const found = await diagnostics(references, {
      models,
      folders: folders(document),
      mayBeServed: document.languageId !== 'python',
      known: references.every(({ path }) => path !== undefined) ? [] : await known(),
    });
    // Closed or edited meanwhile: another publication says more.
    if (document.version !== version || this.#closed.has(document)) return;
    await connection.sendDiagnostics({ uri, version, diagnostics: found });
    const seen = JSON.stringify(references.map(({ range, path }) => [range, path]));
    const before = this.#seen.get(uri) ?? '[]';
    this.#seen.set(uri, seen);
    if (seen !== before) this.#environment.onReferencesChanged();
  }
}
