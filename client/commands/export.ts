import { ExportRun } from '@repscope/core/protocol/language-server.ts';
import { Cancelled, UserError } from '@repscope/core/errors.ts';
import { homedir } from 'node:os';
import * as vscode from 'vscode';
import { readableError } from '../errors.ts';
import { showFailure } from '../failure.ts';
import type { Server } from '../server.ts';

export type ExportFormat = 'json' | 'csv' | 'html';

/** Asks where to, and writes a stored run there. */
export async function exportRun(
  server: Server,
  log: vscode.LogOutputChannel,
  runId: string,
  format: ExportFormat,
): Promise<void> {
  let text: string;
  try {
    text = await server.request(ExportRun, { id: runId, format });
  } catch (error) {
    const reason = readableError(error);
    if (!(reason instanceof Cancelled)) await showFailure(reason, { log });
    return;
  }
  await saveAs(`repscope-${runId}.${format}`, Buffer.from(text, 'utf8'), log);
}

/** Asks where to, writes, and offers to open what was written. */
export async function saveAs(
  name: string,
  bytes: Uint8Array,
  log: vscode.LogOutputChannel,
): Promise<void> {
  const folder = vscode.workspace.workspaceFolders?.[0]?.uri ?? vscode.Uri.file(homedir());
  const extension = name.slice(name.lastIndexOf('.') + 1);
  const target = await vscode.window.showSaveDialog({
    defaultUri: vscode.Uri.joinPath(folder, name),
    filters: { [extension.toUpperCase()]: [extension] },
  });
  if (!target) return;
  try {
    await vscode.workspace.fs.writeFile(target, bytes);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    const failure = new UserError('unwritable', target.fsPath, reason, 'choose another place');
    await showFailure(failure, { log });
    return;
  }
  const open = vscode.l10n.t('Open');
  const saved = vscode.l10n.t('Saved {0}', target.fsPath);
  if ((await vscode.window.showInformationMessage(saved, open)) === open) {
    await vscode.commands.executeCommand('vscode.open', target);
  }
}
