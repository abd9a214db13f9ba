import { Cancelled, fromErrorData, UserError } from '@repscope/core/errors.ts';
import { RunRecipe } from '@repscope/core/protocol/language-server.ts';
import { baseName } from '@repscope/core/results/format.ts';
import * as vscode from 'vscode';
import { showFailure } from '../failure.ts';
import type { Services } from '../services.ts';

const ending = /\.repscope\.ya?ml$/i;

/** Runs a recipe: the one given, the one in front, or one of the workspace. Shows each result. */
export async function runRecipe(services: Services, given?: vscode.Uri): Promise<void> {
  const uri = given ?? activeRecipe() ?? (await pickRecipe());
  if (!uri) return;
  // The server reads the file: what is typed must be in it.
  const open = vscode.workspace.textDocuments.find(
    (document) => document.uri.fsPath === uri.fsPath,
  );
  if (open?.isDirty && !(await open.save())) return;
  const { jobs, results, log } = services;
  const title = vscode.l10n.t('Recipe {0}', baseName(uri.path));
  const answer = await jobs.track(title, RunRecipe, { path: uri.fsPath });
  for (const part of answer?.analyses ?? []) {
    if ('answer' in part) {
      results.show(part.answer);
      continue;
    }
    const { where } = part.error;
    const error = fromErrorData({ ...part.error, where: `${part.name}: ${where}` });
    if (error instanceof Cancelled) continue;
    log.error(error.message);
    void showFailure(error, { log });
  }
}

function activeRecipe(): vscode.Uri | undefined {
  const uri = vscode.window.activeTextEditor?.document.uri;
  return uri && ending.test(uri.path) ? uri : undefined;
}

async function pickRecipe(): Promise<vscode.Uri | undefined> {
  const found = await vscode.workspace.findFiles('**/*.repscope.{yaml,yml}', '**/node_modules/**');
  if (found.length === 0) {
    throw new UserError(
      'missing',
      'workspace',
      'has no recipe',
      'write a file NAME.repscope.yaml; docs/recipes.md says what goes in',
    );
  }
  const items = found.map((uri) => ({ label: vscode.workspace.asRelativePath(uri), uri }));
  const picked = await vscode.window.showQuickPick(items, {
    title: vscode.l10n.t('Run Recipe'),
    placeHolder: vscode.l10n.t('Recipe to run'),
  });
  return picked?.uri;
}
