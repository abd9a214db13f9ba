import type { DownloadPlan } from '@repscope/core/models/hub/plan.ts';
import { looksLikeHubId } from '@repscope/core/models/resolve.ts';
import { commands, Download, DownloadSize } from '@repscope/core/protocol/language-server.ts';
import { formatBytes } from '@repscope/core/results/format.ts';
import * as vscode from 'vscode';
import type { Services } from '../services.ts';

/** Files named in the question; more are counted. */
const mostNames = 12;

/** Asks the hub how large a model is, asks the user, and downloads it into the Hugging Face cache. */
export async function downloadModel(services: Services, given?: string): Promise<void> {
  const id = given ?? (await askForId());
  if (id === undefined) return;
  const plan = await askForSize(services, id);
  if (plan.remaining > 0 && !(await confirm(plan))) return;
  const title = vscode.l10n.t('Download {0}', id);
  const answer = await services.jobs.track(title, Download, { id });
  if (!answer) return;
  const analyze = vscode.l10n.t('Analyze');
  const chosen = await vscode.window.showInformationMessage(
    vscode.l10n.t('{0} is in the local Hugging Face cache.', id),
    ...(vscode.workspace.isTrusted ? [analyze] : []),
  );
  if (chosen === analyze) {
    await vscode.commands.executeCommand(commands.analyzeModel, answer.path);
  }
}

async function askForId(): Promise<string | undefined> {
  const text = await vscode.window.showInputBox({
    title: vscode.l10n.t('Download Model'),
    prompt: vscode.l10n.t('Id of a model on the Hugging Face hub'),
    placeHolder: 'sentence-transformers/all-MiniLM-L6-v2',
    validateInput: (value) =>
      value.trim() === '' || looksLikeHubId(value.trim())
        ? undefined
        : vscode.l10n.t('A hub id is ORGANISATION/NAME.'),
  });
  return text?.trim() === '' ? undefined : text?.trim();
}

function askForSize({ server }: Services, id: string): Thenable<DownloadPlan> {
  return vscode.window.withProgress(
    {
      location: vscode.ProgressLocation.Notification,
      title: vscode.l10n.t('Asking the hub for {0}', id),
      cancellable: true,
    },
    (_progress, token) => server.request(DownloadSize, { id }, token),
  );
}

async function confirm({ id, host, bytes, remaining, files }: DownloadPlan): Promise<boolean> {
  const missing = files.filter(({ size, present }) => present < size);
  const names = missing
    .slice(0, mostNames)
    .map(({ path, size }) => `${path}  ${formatBytes(size)}`);
  const more = missing.length - names.length;
  const here = bytes - remaining;
  const detail = [
    vscode.l10n.t('From {0} into the local Hugging Face cache:', host),
    ...names,
    ...(more > 0 ? [vscode.l10n.t('and {0} more files', more)] : []),
    ...(here > 0 ? [vscode.l10n.t('{0} are there already.', formatBytes(here))] : []),
  ].join('\n');
  const download = vscode.l10n.t('Download');
  const answer = await vscode.window.showInformationMessage(
    vscode.l10n.t('Download {0} ({1})?', id, formatBytes(remaining)),
    { modal: true, detail },
    download,
  );
  return answer === download;
}
