import type { ErrorCode, UserError } from '@repscope/core/errors.ts';
import { isAbsolute } from 'node:path';
import * as vscode from 'vscode';
import { ServerStopped } from './errors.ts';

const unreadable = new Set<ErrorCode>(['empty', 'truncated', 'not-a-model', 'unsupported']);

/**
 * Shows an error as one line with the ways out that fit it.
 * @returns true where the user asked to try again.
 */
export async function showFailure(
  error: UserError,
  options: { log: vscode.LogOutputChannel; retry?: boolean },
): Promise<boolean> {
  const retry = vscode.l10n.t('Retry');
  const showLog = vscode.l10n.t('Show Log');
  const openFile = vscode.l10n.t('Open File');
  const manageTrust = vscode.l10n.t('Manage Workspace Trust');
  const restart = vscode.l10n.t('Restart Server');
  const actions = [
    ...(error.code === 'untrusted' ? [manageTrust] : options.retry ? [retry] : []),
    ...(error instanceof ServerStopped ? [restart] : []),
    ...(unreadable.has(error.code) && isAbsolute(error.where) ? [openFile] : []),
    showLog,
  ];
  switch (await vscode.window.showErrorMessage(error.message, ...actions)) {
    case retry:
      return true;
    case restart:
      await vscode.commands.executeCommand('repscope.restartServer');
      break;
    case showLog:
      options.log.show();
      break;
    case openFile:
      await vscode.commands.executeCommand('vscode.open', vscode.Uri.file(error.where));
      break;
    case manageTrust:
      await vscode.commands.executeCommand('workbench.trust.manage');
      break;
    default:
  }
  return false;
}
