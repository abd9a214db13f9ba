import type { DeviceReport } from '@repscope/core/engine/engine.ts';
import { ListDevices } from '@repscope/core/protocol/language-server.ts';
import * as vscode from 'vscode';
import type { Services } from '../services.ts';

/** Asks which device analyses run on and writes the setting where the user keeps it. */
export async function selectDevice({ server }: Services): Promise<void> {
  const settings = vscode.workspace.getConfiguration('repscope');
  const current = settings.get<string>('device', 'auto');
  const devices = await server.request(ListDevices, null);
  const items = [
    {
      label: 'auto',
      description: current === 'auto' ? vscode.l10n.t('current') : '',
      detail: vscode.l10n.t('The fastest device that this machine offers'),
      available: true,
    },
    ...devices.map((device) => deviceItem(device, current)),
  ];
  const picked = await vscode.window.showQuickPick(items, {
    title: vscode.l10n.t('Select Device'),
    placeHolder: vscode.l10n.t('Device that analyses run on'),
    matchOnDetail: true,
  });
  if (!picked) return;
  if (!picked.available) {
    void vscode.window.showWarningMessage(
      vscode.l10n.t('{0} is not available: {1}', picked.label, picked.detail),
    );
    return;
  }
  const inWorkspace = settings.inspect('device')?.workspaceValue !== undefined;
  await settings.update(
    'device',
    picked.label,
    inWorkspace ? vscode.ConfigurationTarget.Workspace : vscode.ConfigurationTarget.Global,
  );
}

function deviceItem(
  { name, available, reason, gflops, detail }: DeviceReport,
  current: string,
): vscode.QuickPickItem & { available: boolean; detail: string } {
  const facts = [
    ...(detail === undefined ? [] : [detail]),
    ...(gflops === undefined ? [] : [vscode.l10n.t('{0} GFLOP/s measured', Math.round(gflops))]),
  ];
  return {
    label: name,
    description: available
      ? name === current
        ? vscode.l10n.t('current')
        : ''
      : vscode.l10n.t('$(circle-slash) not available'),
    detail: available ? facts.join(' · ') : (reason ?? ''),
    available,
  };
}
