import { ListRuns } from '@repscope/core/protocol/language-server.ts';
import type { RunSummary } from '@repscope/core/results/schema.ts';
import * as vscode from 'vscode';
import { readableError } from '../errors.ts';
import { runLabel } from '../labels.ts';
import type { Server } from '../server.ts';

/** Stored runs, newest first, each with the values that people compare. */
export class RunsTree implements vscode.TreeDataProvider<RunSummary>, vscode.Disposable {
  readonly #server: Server;
  readonly #log: vscode.LogOutputChannel;
  readonly #changed = new vscode.EventEmitter<undefined>();
  readonly #subscription: vscode.Disposable;

  readonly onDidChangeTreeData = this.#changed.event;

  constructor(server: Server, log: vscode.LogOutputChannel) {
    this.#server = server;
    this.#log = log;
    this.#subscription = vscode.Disposable.from(
      server.onDidChangeRuns(() => this.refresh()),
      server.onDidChangeState((state) => {
        if (state === 'running') this.refresh();
      }),
    );
  }

  async getChildren(run?: RunSummary): Promise<RunSummary[]> {
    if (run) return [];
    try {
      return await this.#server.request(ListRuns, null);
    } catch (error) {
      this.#log.warn(readableError(error).message);
      return [];
    }
  }

  getTreeItem(run: RunSummary): vscode.TreeItem {
    const item = new vscode.TreeItem(runLabel(run));
    item.id = run.id;
    item.contextValue = 'run';
    item.description = run.headline;
    item.iconPath = new vscode.ThemeIcon(run.warnings > 0 ? 'warning' : 'graph-line');
    item.tooltip = tooltip(run);
    item.command = {
      command: 'repscope.showRun',
      title: vscode.l10n.t('Show Run'),
      arguments: [run.id],
    };
    return item;
  }

  refresh(): void {
    this.#changed.fire(undefined);
  }

  dispose(): void {
    this.#subscription.dispose();
    this.#changed.dispose();
  }
}

function tooltip(run: RunSummary): vscode.MarkdownString {
  const lines = [
    run.headline,
    new Date(run.created).toLocaleString(),
    vscode.l10n.t('{0} s on {1}', (run.elapsedMs / 1000).toFixed(1), run.device),
    ...(run.warnings > 0 ? [vscode.l10n.t('Warnings: {0}', run.warnings)] : []),
    ...run.uris,
  ];
  const text = new vscode.MarkdownString();
  for (const line of lines) {
    text.appendText(line);
    text.appendMarkdown('\n\n');
  }
  return text;
}
