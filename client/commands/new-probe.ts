import { homedir } from 'node:os';
import * as vscode from 'vscode';
import { probeTemplates, type ProbeTemplate } from './probe-templates.ts';

type KindItem = vscode.QuickPickItem & { choose: () => Promise<vscode.Uri | undefined> };

/** Asks what a probe set is to hold, makes or picks it, and offers to use it from then on. */
export async function newProbeSet(): Promise<void> {
  const kinds: KindItem[] = [
    {
      label: vscode.l10n.t('Texts'),
      description: '.jsonl',
      detail: vscode.l10n.t('A file with a text, a label and a group on each line'),
      choose: () => create(probeTemplates.texts),
    },
    {
      label: vscode.l10n.t('Texts in a table'),
      description: '.csv',
      detail: vscode.l10n.t('A file with the columns text, label and group'),
      choose: () => create(probeTemplates.table),
    },
    {
      label: vscode.l10n.t('Images or recordings'),
      description: vscode.l10n.t('folder'),
      detail: vscode.l10n.t('A folder of images or .wav files; its subfolders are labels'),
      choose: () => pick({ canSelectFolders: true, canSelectFiles: false }),
    },
    {
      label: vscode.l10n.t('Token ids'),
      description: '.jsonl',
      detail: vscode.l10n.t('A file with lists of ids that are fed as they are'),
      choose: () => create(probeTemplates.tokens),
    },
    {
      label: vscode.l10n.t('Array'),
      description: '.npy, .npz, .safetensors',
      detail: vscode.l10n.t('A file whose rows are samples'),
      choose: () => pick({ filters: { [vscode.l10n.t('Arrays')]: ['npy', 'npz', 'safetensors'] } }),
    },
  ];
  const picked = await vscode.window.showQuickPick(kinds, {
    title: vscode.l10n.t('New Probe Set'),
    placeHolder: vscode.l10n.t('What is to be fed to models'),
    matchOnDetail: true,
  });
  const probe = await picked?.choose();
  if (probe) await offer(probe);
}

const home = () => vscode.workspace.workspaceFolders?.[0]?.uri ?? vscode.Uri.file(homedir());

/** Writes a template where the user says, and opens it. */
async function create({ file, content }: ProbeTemplate): Promise<vscode.Uri | undefined> {
  const extension = file.slice(file.lastIndexOf('.') + 1);
  const target = await vscode.window.showSaveDialog({
    title: vscode.l10n.t('New Probe Set'),
    defaultUri: vscode.Uri.joinPath(home(), file),
    filters: { [extension.toUpperCase()]: [extension] },
  });
  if (!target) return undefined;
  await vscode.workspace.fs.writeFile(target, Buffer.from(content, 'utf8'));
  await vscode.window.showTextDocument(target);
  return target;
}

async function pick(options: vscode.OpenDialogOptions): Promise<vscode.Uri | undefined> {
  const picked = await vscode.window.showOpenDialog({
    title: vscode.l10n.t('New Probe Set'),
    defaultUri: home(),
    ...options,
  });
  return picked?.[0];
}

/** Sets `repscope.probe` where the user wants it, for the workspace where there is one. */
async function offer(probe: vscode.Uri): Promise<void> {
  const use = vscode.l10n.t('Use for Analyses');
  const name = vscode.workspace.asRelativePath(probe);
  const answer = await vscode.window.showInformationMessage(
    vscode.l10n.t('Feed {0} to models from now on?', name),
    use,
  );
  if (answer !== use) return;
  // The server reads relative paths from the first folder.
  const inFirst = vscode.workspace.getWorkspaceFolder(probe)?.index === 0;
  const value = inFirst ? vscode.workspace.asRelativePath(probe, false) : probe.fsPath;
  const inWorkspace = vscode.workspace.workspaceFolders !== undefined;
  await vscode.workspace
    .getConfiguration('repscope')
    .update(
      'probe',
      value,
      inWorkspace ? vscode.ConfigurationTarget.Workspace : vscode.ConfigurationTarget.Global,
    );
}
