import { DeleteRun, ListRuns } from '@repscope/core/protocol/language-server.ts';
import * as vscode from 'vscode';
import { runLabel } from '../labels.ts';
import type { Services } from '../services.ts';
import { exportRun, type ExportFormat } from './export.ts';

/** Opens a stored run in its panel; asks which where none is given. */
export async function showRun(services: Services, given?: string): Promise<void> {
  const id = given ?? (await pickRun(services, vscode.l10n.t('Run to show')));
  if (id !== undefined) await services.results.open(id);
}

/** Deletes a stored run after a confirmation. */
export async function deleteRun(services: Services, given?: string): Promise<void> {
  const id = given ?? (await pickRun(services, vscode.l10n.t('Run to delete')));
  if (id === undefined) return;
  const confirm = vscode.l10n.t('Delete');
  const answer = await vscode.window.showWarningMessage(
    vscode.l10n.t('Delete this run? It cannot be restored.'),
    { modal: true },
    confirm,
  );
  if (answer !== confirm) return;
  await services.server.request(DeleteRun, { id });
  services.results.close(id);
}

/** Writes a stored run to a file; the run in front where none is given. */
export async function exportReport(services: Services, given?: string): Promise<void> {
  const id =
    given ?? services.results.current ?? (await pickRun(services, vscode.l10n.t('Run to export')));
  if (id === undefined) return;
  const formats: (vscode.QuickPickItem & { format: ExportFormat })[] = [
    { label: 'HTML', description: vscode.l10n.t('report with plots, one file'), format: 'html' },
    { label: 'JSON', description: vscode.l10n.t('the whole result'), format: 'json' },
    { label: 'CSV', description: vscode.l10n.t('the values as rows'), format: 'csv' },
  ];
  const picked = await vscode.window.showQuickPick(formats, {
    title: vscode.l10n.t('Export Report'),
    placeHolder: vscode.l10n.t('Format'),
  });
  if (picked) await exportRun(services.server, services.log, id, picked.format);
}

async function pickRun({ server }: Services, placeHolder: string): Promise<string | undefined> {
  const runs = await server.request(ListRuns, null);
  if (runs.length === 0) {
    void vscode.window.showInformationMessage(
      vscode.l10n.t('There are no runs yet: run "Repscope: Analyze Model…" first.'),
    );
    return undefined;
  }
  const items = runs.map((run) => ({
    label: runLabel(run),
    description: run.headline,
    detail: new Date(run.created).toLocaleString(),
    id: run.id,
  }));
  const picked = await vscode.window.showQuickPick(items, {
    placeHolder,
    matchOnDescription: true,
  });
  return picked?.id;
}
