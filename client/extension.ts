import { UserError } from '@repscope/core/errors.ts';
import * as vscode from 'vscode';
import { registerCommands } from './commands/register.ts';
import { readableError, ServerStopped } from './errors.ts';
import { showFailure } from './failure.ts';
import { Jobs } from './jobs.ts';
import { Models } from './models.ts';
import { ResultPanels } from './panels/results.ts';
import { Server } from './server.ts';
import { Status } from './status.ts';
import { Inspector } from './views/inspector.ts';
import { ModelsTree } from './views/models.ts';
import { RunsTree } from './views/runs.ts';

/** What other extensions get from `vscode.extensions.getExtension('repscope.repscope').activate()`. */
export interface RepscopeApi {
  /** Settles when the language server answers, or rejects when it could not start. */
  readonly ready: Promise<void>;
}

let server: Server | undefined;

export function activate(context: vscode.ExtensionContext): RepscopeApi {
  const log = vscode.window.createOutputChannel('Repscope', { log: true });
  server = new Server(context, log);
  const models = new Models(server);
  const jobs = new Jobs(server, log);
  const results = new ResultPanels(server, log, context.extensionUri);
  const inspector = new Inspector(server, models, log, context.extensionUri);
  const modelsTree = new ModelsTree(models, log);
  const runsTree = new RunsTree(server, log);
  const modelsView = vscode.window.createTreeView('repscope.models', {
    treeDataProvider: modelsTree,
    canSelectMany: true,
    showCollapseAll: true,
  });

  context.subscriptions.push(
    log,
    server,
    models,
    jobs,
    results,
    inspector,
    modelsTree,
    runsTree,
    modelsView,
    modelsView.onDidChangeSelection(({ selection: [node] }) => {
      if (node) void inspector.show(node.kind === 'model' ? node.model.path : node.path);
    }),
    vscode.window.registerTreeDataProvider('repscope.runs', runsTree),
    vscode.window.registerWebviewViewProvider('repscope.inspector', inspector),
    new Status(server, jobs),
    registerCommands({ server, models, jobs, results, inspector, log }),
  );

  const ready = server.start();
  ready.catch((error: unknown) => {
    const reason = readableError(error);
    log.error(reason.message);
    // That it stopped has been said by the server's own watch.
    if (reason instanceof UserError && !(reason instanceof ServerStopped)) {
      void showFailure(reason, { log });
    }
  });
  return { ready };
}

export async function deactivate(): Promise<void> {
  await server?.stop();
}
