import * as vscode from 'vscode';
import type { Services } from '../services.ts';

/** Cancels the running analysis; asks which where there are several. */
export async function cancelAnalysis({ jobs }: Services): Promise<void> {
  const { running } = jobs;
  if (running.length === 0) {
    void vscode.window.showInformationMessage(vscode.l10n.t('No analysis is running.'));
    return;
  }
  if (running.length === 1) {
    running[0]?.cancel();
    return;
  }
  const picked = await vscode.window.showQuickPick(
    running.map(({ title, cancel }) => ({ label: title, cancel })),
    { placeHolder: vscode.l10n.t('Analysis to cancel') },
  );
  picked?.cancel();
}
