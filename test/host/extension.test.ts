import assert from 'node:assert/strict';
import * as vscode from 'vscode';

interface Manifest {
  contributes: { commands: { command: string }[] };
}

describe('the extension', () => {
  it('activates', async () => {
    const extension = vscode.extensions.getExtension('repscope.repscope');
    assert.ok(extension, 'it is installed');
    await extension.activate();
    assert.equal(extension.isActive, true);
  });

  it('registers exactly the commands that its manifest declares', async () => {
    const extension = vscode.extensions.getExtension<unknown>('repscope.repscope');
    const manifest = extension?.packageJSON as Manifest;
    const declared = manifest.contributes.commands.map(({ command }) => command);
    const registered = await vscode.commands.getCommands(true);
    const missing = declared.filter((command) => !registered.includes(command));
    assert.ok(declared.length > 0);
    assert.deepEqual(missing, []);
  });
});
