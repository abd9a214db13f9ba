import type * as vscode from 'vscode';
import type { Jobs } from './jobs.ts';
import type { Models } from './models.ts';
import type { ResultPanels } from './panels/results.ts';
import type { Server } from './server.ts';
import type { Inspector } from './views/inspector.ts';

/** The long-lived parts that commands work with. */
export interface Services {
  server: Server;
  models: Models;
  jobs: Jobs;
  results: ResultPanels;
  inspector: Inspector;
  log: vscode.LogOutputChannel;
}
