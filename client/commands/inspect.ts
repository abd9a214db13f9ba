import * as vscode from 'vscode';
import type { Services } from '../services.ts';
import { pickModel } from './pick-model.ts';

/** Shows a model in the Inspector view. */
export async function inspectModel(services: Services, given?: string): Promise<void> {
  const { models, inspector } = services;
  const title = vscode.l10n.t('Inspect Model');
  const path = given ?? (await pickModel(models, title, vscode.l10n.t('Model to inspect')));
  if (path === undefined) return;
  await vscode.commands.executeCommand('repscope.inspector.focus');
  await inspector.show(path);
}

/** Shows a model's file in the Explorer, or in the system's file manager where it lies outside. */
export async function revealModel({ models }: Services, given?: string): Promise<void> {
  const title = vscode.l10n.t('Reveal Model');
  const path = given ?? (await pickModel(models, title, vscode.l10n.t('Model to reveal')));
  if (path === undefined) return;
  const uri = vscode.Uri.file(path);
  const inside = vscode.workspace.getWorkspaceFolder(uri) !== undefined;
  await vscode.commands.executeCommand(inside ? 'revealInExplorer' : 'revealFileInOS', uri);
}
