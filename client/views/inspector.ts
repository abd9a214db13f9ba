import { Cancelled } from '@repscope/core/errors.ts';
import { GetRun, ListRuns } from '@repscope/core/protocol/language-server.ts';
import type { FromWebview, ToWebview, WebviewState } from '@repscope/core/protocol/webview.ts';
import * as vscode from 'vscode';
import { readableError } from '../errors.ts';
import { baseName } from '@repscope/core/results/format.ts';
import type { Models } from '../models.ts';
import { answerPage } from '../panels/messages.ts';
import { pageHtml, pageOptions } from '../panels/page.ts';
import type { Server } from '../server.ts';

/** Runs shown beside a model: the latest, as many as its profile chart can tell apart. */
const shownRuns = 6;

/** The model in the user's focus: selected in the Models tree, or named under the cursor. */
export class Inspector implements vscode.WebviewViewProvider, vscode.Disposable {
  readonly #server: Server;
  readonly #models: Models;
  readonly #log: vscode.LogOutputChannel;
  readonly #extensionUri: vscode.Uri;
  readonly #subscriptions: vscode.Disposable;
  #view: vscode.WebviewView | undefined;
  #path: string | undefined;
  /** What the page shows: the same again would only lose its scroll position. */
  #shown: string | undefined;
  /** Counts what has been asked, so that a late answer does not replace a newer one. */
  #turn = 0;

  constructor(
    server: Server,
    models: Models,
    log: vscode.LogOutputChannel,
    extensionUri: vscode.Uri,
  ) {
    this.#server = server;
    this.#models = models;
    this.#log = log;
    this.#extensionUri = extensionUri;
    const again = (): void => void this.#update();
    this.#subscriptions = vscode.Disposable.from(
      models.onDidChange(again),
      server.onDidChangeRuns(again),
      vscode.window.onDidChangeTextEditorSelection((event) => void this.#follow(event)),
    );
  }

  resolveWebviewView(view: vscode.WebviewView): void {
    this.#view = view;
    view.webview.options = pageOptions(this.#extensionUri);
    view.webview.onDidReceiveMessage((message: FromWebview) =>
      message.type === 'ready' ? this.#greet() : answerPage(message, this.#server, this.#log),
    );
    view.onDidDispose(() => (this.#view = undefined));
    view.webview.html = pageHtml(view.webview, this.#extensionUri, 'inspector', 'Repscope');
  }

  async show(path: string): Promise<void> {
    if (path === this.#path) return;
    this.#path = path;
    await this.#post({
      kind: 'busy',
      message: vscode.l10n.t('Reading {0}', baseName(path)),
      fraction: null,
    });
    await this.#update();
  }

  async #follow(event: vscode.TextEditorSelectionChangeEvent): Promise<void> {
    if (!this.#view?.visible) return;
    const position = event.selections[0]?.active;
    if (position === undefined) return;
    try {
      const path = await this.#models.referenceAt(event.textEditor.document.uri, position);
      if (path !== undefined) await this.show(path);
    } catch (error) {
      this.#log.debug(readableError(error).message);
    }
  }

  async #greet(): Promise<void> {
    this.#shown = undefined;
    await this.#update();
  }

  async #update(): Promise<void> {
    const turn = ++this.#turn;
    if (!this.#view) return;
    if (this.#path === undefined) {
      return this.#post({
        kind: 'empty',
        message: vscode.l10n.t(
          'Select a model in the Models view, or put the cursor on a model’s name in code.',
        ),
      });
    }
    const state = await this.#describe(this.#path);
    if (turn === this.#turn) await this.#post(state);
  }

  async #describe(path: string): Promise<WebviewState> {
    try {
      const [outline, runs] = await Promise.all([
        this.#models.outline(path),
        this.#server.request(ListRuns, null),
      ]);
      const recent = runs.filter(({ uris }) => uris.includes(path)).slice(0, shownRuns);
      const answers = await Promise.all(
        recent.map(({ id }) => this.#server.request(GetRun, { id })),
      );
      return { kind: 'model', outline, runs: answers };
    } catch (error) {
      const reason = readableError(error);
      if (reason instanceof Cancelled) {
        return { kind: 'empty', message: vscode.l10n.t('Reading the model was cancelled.') };
      }
      return { kind: 'error', where: reason.where, what: reason.what, remedy: reason.remedy };
    }
  }

  async #post(state: WebviewState): Promise<void> {
    const text = JSON.stringify(state);
    if (text === this.#shown) return;
    this.#shown = text;
    const message: ToWebview = { type: 'state', state };
    await this.#view?.webview.postMessage(message);
  }

  dispose(): void {
    this.#subscriptions.dispose();
  }
}
