import * as vscode from 'vscode';
import type { Jobs } from './jobs.ts';
import { documentSelector, type Server } from './server.ts';

/** The server's health and device beside the language mode, and a spinner while analyses run. */
export class Status implements vscode.Disposable {
  readonly #server: Server;
  readonly #jobs: Jobs;
  readonly #language: vscode.LanguageStatusItem;
  readonly #running: vscode.StatusBarItem;
  readonly #subscriptions: vscode.Disposable;

  constructor(server: Server, jobs: Jobs) {
    this.#server = server;
    this.#jobs = jobs;
    this.#language = vscode.languages.createLanguageStatusItem('repscope.status', documentSelector);
    this.#language.name = 'Repscope';
    this.#running = vscode.window.createStatusBarItem(
      'repscope.running',
      vscode.StatusBarAlignment.Left,
    );
    this.#running.name = vscode.l10n.t('Repscope Analyses');
    this.#running.command = {
      command: 'repscope.cancelAnalysis',
      title: vscode.l10n.t('Cancel Analysis'),
    };
    const update = (): void => this.#update();
    this.#subscriptions = vscode.Disposable.from(
      this.#language,
      this.#running,
      server.onDidChangeState(update),
      jobs.onDidChange(update),
      vscode.workspace.onDidChangeConfiguration((event) => {
        if (event.affectsConfiguration('repscope.device')) update();
      }),
    );
    update();
  }

  #update(): void {
    const { running } = this.#jobs;
    const { state } = this.#server;
    const device = vscode.workspace.getConfiguration('repscope').get<string>('device', 'auto');
    const stopped = state === 'stopped';
    this.#language.text = stopped
      ? vscode.l10n.t('Repscope: server stopped')
      : vscode.l10n.t('Repscope: {0}', device);
    this.#language.detail =
      running.length > 0 ? running.map(({ title }) => title).join(', ') : stateLabel(state);
    this.#language.busy = state === 'starting' || running.length > 0;
    this.#language.severity = stopped
      ? vscode.LanguageStatusSeverity.Error
      : vscode.LanguageStatusSeverity.Information;
    this.#language.command = stopped
      ? { command: 'repscope.restartServer', title: vscode.l10n.t('Restart Server') }
      : { command: 'repscope.selectDevice', title: vscode.l10n.t('Select Device') };

    this.#running.text = '$(loading~spin) Repscope';
    this.#running.tooltip = vscode.l10n.t(
      '{0}\nClick to cancel',
      running.map(({ title }) => title).join('\n'),
    );
    if (running.length > 0) this.#running.show();
    else this.#running.hide();
  }

  dispose(): void {
    this.#subscriptions.dispose();
  }
}

function stateLabel(state: Server['state']): string {
  switch (state) {
    case 'starting':
      return vscode.l10n.t('server starting');
    case 'running':
      return vscode.l10n.t('server ready');
    case 'stopped':
      return vscode.l10n.t('see the log');
  }
}
