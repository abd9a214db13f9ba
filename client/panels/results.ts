import { GetRun, ListAnalyses, type RunAnswer } from '@repscope/core/protocol/language-server.ts';
import type { FromWebview, ToWebview, WebviewState } from '@repscope/core/protocol/webview.ts';
import { UserError } from '@repscope/core/errors.ts';
import * as vscode from 'vscode';
import { readableError } from '../errors.ts';
import { runLabel } from '../labels.ts';
import type { Server } from '../server.ts';
import { answerPage } from './messages.ts';
import { pageHtml, pageOptions } from './page.ts';

const viewType = 'repscope.result';

/** Result panels, one for a run; they survive a restart of the window by the run's id. */
export class ResultPanels implements vscode.WebviewPanelSerializer, vscode.Disposable {
  readonly #server: Server;
  readonly #log: vscode.LogOutputChannel;
  readonly #extensionUri: vscode.Uri;
  readonly #panels = new Map<string, vscode.WebviewPanel>();
  readonly #registration: vscode.Disposable;

  constructor(server: Server, log: vscode.LogOutputChannel, extensionUri: vscode.Uri) {
    this.#server = server;
    this.#log = log;
    this.#extensionUri = extensionUri;
    this.#registration = vscode.window.registerWebviewPanelSerializer(viewType, this);
  }

  /** Shows a result. The focus stays where the user types, unless the user asked for this. */
  show(answer: RunAnswer, { preserveFocus = true } = {}): void {
    if (this.#reveal(answer.run.id, preserveFocus)) return;
    const panel = this.#create(runLabel(answer.run), preserveFocus);
    this.#attach(panel, answer.run.id, this.#resultState(answer));
  }

  /** Shows a stored run. @throws what the server answers where there is no such run. */
  async open(id: string): Promise<void> {
    if (this.#reveal(id, false)) return;
    this.show(await this.#server.request(GetRun, { id }), { preserveFocus: false });
  }

  close(id: string): void {
    this.#panels.get(id)?.dispose();
  }

  /** Id of the run in the focused panel, or in the only one that can be seen. */
  get current(): string | undefined {
    const visible = [...this.#panels].filter(([, panel]) => panel.visible);
    const focused = visible.find(([, panel]) => panel.active);
    return (focused ?? (visible.length === 1 ? visible[0] : undefined))?.[0];
  }

  deserializeWebviewPanel(panel: vscode.WebviewPanel, saved: unknown): Promise<void> {
    // The page keeps the last state that it was sent.
    const state = saved as Partial<WebviewState> | undefined;
    const id = state?.kind === 'result' ? state.run?.id : undefined;
    if (id === undefined || this.#panels.has(id)) panel.dispose();
    else {
      panel.webview.options = pageOptions(this.#extensionUri);
      this.#attach(panel, id, this.#load(panel, id));
    }
    return Promise.resolve();
  }

  async #load(panel: vscode.WebviewPanel, id: string): Promise<WebviewState> {
    try {
      const answer = await this.#server.request(GetRun, { id });
      panel.title = runLabel(answer.run);
      return await this.#resultState(answer);
    } catch (error) {
      const reason = readableError(error);
      this.#log.error(reason.message);
      if (!(reason instanceof UserError)) {
        return { kind: 'empty', message: vscode.l10n.t('Reading this run was cancelled.') };
      }
      return { kind: 'error', where: reason.where, what: reason.what, remedy: reason.remedy };
    }
  }

  async #resultState({ run, result }: RunAnswer): Promise<WebviewState> {
    const title = await this.#analysisTitle(result.analysis);
    return { kind: 'result', run, result, ...(title === undefined ? {} : { title }) };
  }

  async #analysisTitle(analysis: string): Promise<string | undefined> {
    // A comparison is not an analysis of the registry, but its result looks like one.
    if (analysis === 'compare') return vscode.l10n.t('Compare models');
    const known = await this.#server.request(ListAnalyses, null).catch(() => []);
    return known.find(({ id }) => id === analysis)?.title;
  }

  #reveal(id: string, preserveFocus: boolean): boolean {
    const open = this.#panels.get(id);
    open?.reveal(undefined, preserveFocus);
    return open !== undefined;
  }

  /** Beside the code, or on top of the result panel that is there already. */
  #create(title: string, preserveFocus: boolean): vscode.WebviewPanel {
    const open = [...this.#panels.values()].find(({ visible }) => visible);
    const viewColumn = open?.viewColumn ?? vscode.ViewColumn.Beside;
    return vscode.window.createWebviewPanel(
      viewType,
      title,
      { viewColumn, preserveFocus },
      pageOptions(this.#extensionUri),
    );
  }

  #attach(panel: vscode.WebviewPanel, id: string, state: Promise<WebviewState>): void {
    this.#panels.set(id, panel);
    panel.iconPath = new vscode.ThemeIcon('graph');
    panel.onDidDispose(() => this.#panels.delete(id));
    // A hidden page is dropped and built anew, so `ready` may come many times.
    panel.webview.onDidReceiveMessage(async (message: FromWebview) => {
      if (message.type !== 'ready') return answerPage(message, this.#server, this.#log);
      const reply: ToWebview = { type: 'state', state: await state };
      await panel.webview.postMessage(reply);
    });
    panel.webview.html = pageHtml(panel.webview, this.#extensionUri, 'panel', 'Repscope');
  }

  /** Leaves the panels open: at the end of a session the editor keeps them for the next. */
  dispose(): void {
    this.#registration.dispose();
  }
}
