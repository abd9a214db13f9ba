import * as vscode from 'vscode';
import { baseName } from '@repscope/core/results/format.ts';
import type { Models } from '../models.ts';

type ModelItem = vscode.QuickPickItem & { choose?: () => Thenable<string | undefined> };

/**
 * Asks for a model: one that the workspace names, or a file or folder from disk.
 * @returns its absolute path, or undefined where the user left.
 */
export async function pickModel(
  models: Models,
  title: string,
  placeHolder: string,
  exclude?: string,
): Promise<string | undefined> {
  const picked = await vscode.window.showQuickPick(modelItems(models, exclude), {
    title,
    placeHolder,
    matchOnDescription: true,
  });
  return picked?.choose?.();
}

async function modelItems(models: Models, exclude: string | undefined): Promise<ModelItem[]> {
  const known = (await models.list()).filter(({ path }) => path !== exclude);
  const items = known.map(({ path, name, references }): ModelItem => {
    const first = references[0];
    return {
      label: name,
      description: vscode.workspace.asRelativePath(path),
      ...(first
        ? { detail: vscode.l10n.t('named in {0}', baseName(vscode.Uri.parse(first.uri).path)) }
        : {}),
      choose: () => Promise.resolve(path),
    };
  });
  return [
    ...items,
    ...(items.length > 0
      ? [{ label: '', kind: vscode.QuickPickItemKind.Separator } satisfies ModelItem]
      : []),
    {
      label: vscode.l10n.t('$(file) Choose a Model File…'),
      alwaysShow: true,
      choose: () => openDialog('files'),
    },
    {
      label: vscode.l10n.t('$(folder) Choose a Checkpoint Folder…'),
      alwaysShow: true,
      choose: () => openDialog('folders'),
    },
  ];
}

async function openDialog(kind: 'files' | 'folders'): Promise<string | undefined> {
  const [chosen] =
    (await vscode.window.showOpenDialog({
      canSelectFiles: kind === 'files',
      canSelectFolders: kind === 'folders',
      openLabel: vscode.l10n.t('Choose'),
      ...(kind === 'files'
        ? {
            filters: {
              [vscode.l10n.t('Models')]: [
                'onnx',
                'safetensors',
                'gguf',
                'pt',
                'pth',
                'bin',
                'h5',
                'keras',
                'json',
              ],
              '*': ['*'],
            },
          }
        : {}),
    })) ?? [];
  return chosen?.fsPath;
}

/** Asks for a matrix or a list of labels from the disk. */
export async function pickDataFile(title: string): Promise<string | undefined> {
  const [chosen] =
    (await vscode.window.showOpenDialog({
      title,
      openLabel: vscode.l10n.t('Choose'),
      filters: {
        [vscode.l10n.t('Data')]: ['npy', 'npz', 'json', 'csv', 'txt', 'safetensors'],
        '*': ['*'],
      },
    })) ?? [];
  return chosen?.fsPath;
}
