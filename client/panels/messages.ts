import { commands as protocolCommands } from '@repscope/core/protocol/language-server.ts';
import type { FromWebview } from '@repscope/core/protocol/webview.ts';
import * as vscode from 'vscode';
import { exportRun, saveAs } from '../commands/export.ts';
import type { Server } from '../server.ts';

/** Answers what a page asks for; `ready` is the page host's own. */
export async function answerPage(
  message: Exclude<FromWebview, { type: 'ready' }>,
  server: Server,
  log: vscode.LogOutputChannel,
): Promise<void> {
  switch (message.type) {
    case 'export':
      return exportRun(server, log, message.runId, message.format);
    case 'savePicture': {
      const bytes = Buffer.from(message.data, message.format === 'png' ? 'base64' : 'utf8');
      return saveAs(`${message.name}.${message.format}`, bytes, log);
    }
    case 'analyze':
      await vscode.commands.executeCommand(protocolCommands.analyzeModel, message.path);
      return;
    case 'compare':
      await vscode.commands.executeCommand(protocolCommands.compareModels, message.path);
      return;
    case 'openRun':
      await vscode.commands.executeCommand(protocolCommands.showRun, message.runId);
      return;
    case 'showLog':
      log.show();
      return;
    case 'problem':
      log.error(`page: ${message.message}`);
  }
}
