import assert from 'node:assert/strict';
import * as vscode from 'vscode';
import { demoFile, demoModel, eventually, inWorkspace, lensTitles } from './workspace.ts';

const tabs = () => vscode.window.tabGroups.all.flatMap((group) => group.tabs);

describe('an analysis', () => {
  it('runs, opens its result and leaves its value in the lens', async () => {
    const uri = inWorkspace(demoFile);
    await vscode.window.showTextDocument(await vscode.workspace.openTextDocument(uri));
    const input = inWorkspace('models', demoModel).fsPath;
    await vscode.commands.executeCommand('repscope.server.analyze', {
      analysis: 'cka',
      inputs: [input],
    });
    const result = await eventually('a result panel', () =>
      Promise.resolve(tabs().find(({ label }) => label.includes(demoModel) && /cka/i.test(label))),
    );
    assert.ok(result.input instanceof vscode.TabInputWebview);
    await eventually('a value in the lens', async () =>
      (await lensTitles(uri)).some((title) => /cka .*\d\.\d/.test(title)),
    );
  });
});
