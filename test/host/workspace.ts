import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import * as vscode from 'vscode';

const PATIENCE_MS = 45_000;

/** The demo's Python file, its model, and where the model is named. */
export const demoFile = 'classify.py';
export const demoModel = 'mlp-seed0.onnx';

export function inWorkspace(...path: string[]): vscode.Uri {
  const [folder] = vscode.workspace.workspaceFolders ?? [];
  assert.ok(folder, 'a workspace folder is open');
  return vscode.Uri.joinPath(folder.uri, ...path);
}

/** Position in the middle of the first `text` of a document. */
export function positionOf(document: vscode.TextDocument, text: string): vscode.Position {
  const at = document.getText().indexOf(text);
  assert.ok(at >= 0, `${document.fileName} contains ${text}`);
  return document.positionAt(at + (text.length >> 1));
}

/** Poll until `probe` answers something truthy; providers answer when the server is ready. */
export async function eventually<T>(
  what: string,
  probe: () => Promise<T | undefined | false>,
): Promise<T> {
  const deadline = Date.now() + PATIENCE_MS;
  for (;;) {
    const answer = await probe();
    if (answer) return answer;
    assert.ok(Date.now() < deadline, `${what}: not within ${PATIENCE_MS / 1000} s`);
    await delay(100);
  }
}

export async function lensTitles(uri: vscode.Uri): Promise<string[]> {
  const lenses = await vscode.commands.executeCommand<vscode.CodeLens[]>(
    'vscode.executeCodeLensProvider',
    uri,
    100,
  );
  return lenses.flatMap(({ command }) => (command ? [command.title] : []));
}
