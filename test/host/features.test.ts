import assert from 'node:assert/strict';
import * as vscode from 'vscode';
import {
  demoFile,
  demoModel,
  eventually,
  inWorkspace,
  lensTitles,
  positionOf,
} from './workspace.ts';

describe('language features', () => {
  let document: vscode.TextDocument;

  before(async () => {
    document = await vscode.workspace.openTextDocument(inWorkspace(demoFile));
    await vscode.window.showTextDocument(document);
  });

  it('lenses name what can be done with the model and what it is', async () => {
    const titles = await eventually('lenses', async () => {
      const found = await lensTitles(document.uri);
      return found.length > 0 && found;
    });
    const all = titles.join(' · ');
    assert.match(all, /Analyze/);
    assert.match(all, /Compare/);
    assert.match(all, /[\d.]+K? params/);
  });

  it('a hover describes the model', async () => {
    const text = await eventually('a hover', async () => {
      const hovers = await vscode.commands.executeCommand<vscode.Hover[]>(
        'vscode.executeHoverProvider',
        document.uri,
        positionOf(document, demoModel),
      );
      return hovers
        .flatMap(({ contents }) => contents)
        .map((content) => (content instanceof vscode.MarkdownString ? content.value : ''))
        .join('\n');
    });
    assert.ok(text.includes(demoModel), text);
    assert.match(text, /onnx/i);
  });

  it('the name links to the model file', async () => {
    const target = inWorkspace('models', demoModel).toString();
    await eventually('a link', async () => {
      const links = await vscode.commands.executeCommand<vscode.DocumentLink[]>(
        'vscode.executeLinkProvider',
        document.uri,
        100,
      );
      return links.some((link) => link.target?.toString() === target);
    });
  });

  it('models that are missing, cut short or no models get a diagnostic each', async () => {
    const whole = await vscode.workspace.fs.readFile(inWorkspace('models', demoModel));
    const text = new TextEncoder().encode('not a model, whatever its name says\n');
    await vscode.workspace.fs.writeFile(
      inWorkspace('models', 'cut.onnx'),
      whole.subarray(0, whole.length >> 1),
    );
    await vscode.workspace.fs.writeFile(inWorkspace('models', 'text.onnx'), text);
    const source = [
      'import onnxruntime as ort',
      'gone = ort.InferenceSession("models/gone.onnx")',
      'cut = ort.InferenceSession("models/cut.onnx")',
      'text = ort.InferenceSession("models/text.onnx")',
      `whole = ort.InferenceSession("models/${demoModel}")`,
    ].join('\n');
    const uri = inWorkspace('broken.py');
    await vscode.workspace.fs.writeFile(uri, new TextEncoder().encode(source));
    await vscode.window.showTextDocument(await vscode.workspace.openTextDocument(uri));
    const found = await eventually('three diagnostics', async () => {
      const own = vscode.languages
        .getDiagnostics(uri)
        .filter((diagnostic) => diagnostic.source === 'repscope');
      return Promise.resolve(own.length >= 3 && own);
    });
    const lines = found.map(({ range }) => range.start.line).sort((a, b) => a - b);
    assert.deepEqual(lines, [1, 2, 3]);
    for (const { code, message } of found) {
      assert.ok(code, `${message} has a code`);
      assert.ok(!message.includes('\n'), message);
    }
  });

  it('a hub model that is not in the cache is offered for download', async () => {
    const uri = inWorkspace('hub.py');
    const source = 'model = AutoModel.from_pretrained("nobody/nothing-here")\n';
    await vscode.workspace.fs.writeFile(uri, new TextEncoder().encode(source));
    const hubDocument = await vscode.workspace.openTextDocument(uri);
    await vscode.window.showTextDocument(hubDocument);
    const at = positionOf(hubDocument, 'nobody/nothing-here');
    const fix = await eventually('a quick fix', async () => {
      const actions = await vscode.commands.executeCommand<vscode.CodeAction[]>(
        'vscode.executeCodeActionProvider',
        uri,
        new vscode.Range(at, at),
        vscode.CodeActionKind.QuickFix.value,
      );
      return actions.find(({ command }) => command?.command === 'repscope.downloadModel');
    });
    assert.deepEqual(fix.command?.arguments, ['nobody/nothing-here']);
  });
});
