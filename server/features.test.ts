import {
  copyFile,
  mkdir,
  mkdtemp,
  readFile,
  rename,
  rm,
  truncate,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import {
  InspectModel,
  ListAnalyses,
  ListModels,
  type AnalysisInfo,
  type WorkspaceModel,
} from '@repscope/core/protocol/language-server.ts';
import type { ErrorData } from '@repscope/core/errors.ts';
import type { DocumentLink } from 'vscode-languageserver';
import { DiagnosticSeverity, ResponseError } from 'vscode-languageserver/node';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { TestClient } from './testing.ts';

const model = fileURLToPath(new URL('../examples/digits/models/mlp-seed0.onnx', import.meta.url));

let folder: string;
let client: TestClient;
const fixture = (...parts: string[]) =>
  fileURLToPath(new URL(`../test/fixtures/${parts.join('/')}`, import.meta.url));
const at = (...parts: string[]) => join(folder, ...parts);

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'repscope-server-'));
  await mkdir(at('models'));
  await writeFile(at('models', 'mlp.onnx'), await readFile(model));
  client = TestClient.inProcess();
});

afterEach(async () => {
  vi.unstubAllEnvs();
  await client.close();
  await rm(folder, { recursive: true });
});

const start = (options: object = {}, capabilities = {}) =>
  client.initialize(folder, {
    capabilities,
    initializationOptions: { storage: at('storage'), ...options },
  });

const session = (path: string) => `import onnxruntime as ort\nort.InferenceSession(${path})\n`;

/** The error that a request is answered with. */
async function failure(request: Promise<unknown>): Promise<ResponseError<ErrorData>> {
  const error: unknown = await request.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(ResponseError);
  return error as ResponseError<ErrorData>;
}

describe('lenses', () => {
  test('stand at the loader call, with facts from the file', async () => {
    await start({ clientCommands: true });
    await client.open(at('app.py'), session('"models/mlp.onnx"'));
    const lenses = await client.lenses(at('app.py'));
    expect(
      lenses.map(({ command, range }) => [range.start.line, command?.title, command?.command]),
    ).toEqual([
      [1, '▷ Analyze', 'repscope.analyzeModel'],
      [1, '⇄ Compare', 'repscope.compareModels'],
      // 784·128 + 128 + 128·64 + 64 + 64·10 + 10 = 109,386
      [1, '109K params · 4 layers · float32', ''],
    ]);
    expect(lenses[0]!.command!.arguments).toEqual([at('models', 'mlp.onnx')]);
  });

  test('a plain client analyses and compares by the server’s own commands', async () => {
    await writeFile(at('models', 'other.onnx'), await readFile(model));
    await start();
    await client.open(
      at('app.py'),
      `${session('"models/mlp.onnx"')}ort.InferenceSession("models/other.onnx")\n`,
    );
    const [analyze, compare] = await client.lenses(at('app.py'));
    expect(analyze!.command).toMatchObject({
      command: 'repscope.server.analyze',
      arguments: [{ analysis: 'cka', inputs: [at('models', 'mlp.onnx')] }],
    });
    expect(compare!.command).toMatchObject({
      title: '⇄ Compare with other.onnx',
      command: 'repscope.server.compare',
      arguments: [{ inputs: [at('models', 'mlp.onnx'), at('models', 'other.onnx')] }],
    });
  });

  test('one line for a constant and its use, none where nothing resolves', async () => {
    await start();
    const lines = async (text: string) => {
      await client.open(at('app.py'), text);
      return [...new Set((await client.lenses(at('app.py'))).map(({ range }) => range.start.line))];
    };
    const constant = 'P = "models/mlp.onnx"\nimport onnx\nonnx.load(P)\n';
    expect(await lines(constant)).toEqual([2]);
    expect(await lines('P = "models/mlp.onnx"\n')).toEqual([0]);
    expect(await lines('P = "models/none.onnx"\nimport onnx\nonnx.load(P)\n')).toEqual([]);
    expect(await lines('x.Tokenizer.from_pretrained("models/mlp.onnx")')).toEqual([]);
  });

  test('an unreadable model says so', async () => {
    await truncate(at('models', 'mlp.onnx'), 1000);
    await start();
    await client.open(at('app.py'), session('"models/mlp.onnx"'));
    const titles = (await client.lenses(at('app.py'))).map(({ command }) => command?.title);
    expect(titles).toEqual(['▷ Analyze', 'not readable']);
  });

  test('can be switched off', async () => {
    client.connection.onRequest('workspace/configuration', () => [
      { codeLens: { enabled: false } },
    ]);
    await start({}, { workspace: { configuration: true } });
    await client.open(at('app.py'), session('"models/mlp.onnx"'));
    expect(await client.lenses(at('app.py'))).toEqual([]);
  });
});

test('TensorFlow.js: lens and card', async () => {
  for (const name of ['model.json', 'group1-shard1of1.bin']) {
    await mkdir(at('models', 'tfjs'), { recursive: true });
    await copyFile(fixture('tfjs', 'graph', name), at('models', 'tfjs', name));
  }
  await start();
  const text = [
    "import * as tf from '@tensorflow/tfjs';",
    "tf.loadGraphModel('file://models/tfjs/model.json');",
  ].join('\n');
  expect(await client.open(at('app.ts'), text, 'typescript')).toEqual([]);
  const titles = (await client.lenses(at('app.ts'))).map((lens) => lens.command?.title);
  expect(titles[0]).toBe('▷ Analyze');
  expect(titles.join('\n')).toMatch(/^26\.7K params · 5 layers · float32$/m);
  const { value } = (await client.hover(at('app.ts'), 1, 30))!.contents as { value: string };
  expect(value).toContain('TensorFlow.js · 110 KiB · 26.7K parameters');
});

describe('weights without a graph', () => {
  test('GGUF: lens, card and no complaint', async () => {
    await writeFile(at('models', 'm.gguf'), await readFile(fixture('gguf', 'types.gguf')));
    await start();
    const text = 'from llama_cpp import Llama\nLlama(model_path="models/m.gguf")';
    expect(await client.open(at('app.py'), text)).toEqual([]);
    const titles = (await client.lenses(at('app.py'))).map((lens) => lens.command?.title);
    expect(titles.join('\n')).toMatch(/params · 2 layers · Q4_0$/m);
    const { value } = (await client.hover(at('app.py'), 1, 25))!.contents as { value: string };
    expect(value).toContain('every type');
    expect(value).toContain('Not runnable: a GGUF file holds weights');
  });
});

describe('hover', () => {
  test('shows the card of the model under the cursor, and nothing elsewhere', async () => {
    await start();
    await client.open(at('app.py'), session('f"models/{\'mlp\'}.onnx"'));
    const hover = await client.hover(at('app.py'), 1, 30);
    expect(hover?.range).toMatchObject({ start: { line: 1, character: 21 } });
    const { value } = hover!.contents as { value: string };
    expect(value).toContain('**mlp**');
    expect(value).toContain('ONNX · 428 KiB · 109K parameters · float32');
    expect(value).toContain('in `image` float32 \\[N, 784\\]');
    expect(value).toContain('| `logits` | Gemm | \\[N, 10\\] | 650 |');
    expect(value).not.toContain('command:');
    expect(await client.hover(at('app.py'), 0, 3)).toBeNull();
  });

  test('carries command links only for a client that runs them', async () => {
    await start({ clientCommands: true });
    await client.open(at('app.py'), session('"models/mlp.onnx"'));
    const { value } = (await client.hover(at('app.py'), 1, 30))!.contents as { value: string };
    const link = /\[Analyze…\]\(command:repscope\.analyzeModel\?([^)]*)\)/.exec(value)!;
    expect(JSON.parse(decodeURIComponent(link[1]!))).toEqual([at('models', 'mlp.onnx')]);
  });

  test('tells why a model cannot be read', async () => {
    await writeFile(at('models', 'mlp.onnx'), '');
    await start();
    await client.open(at('app.py'), session('"models/mlp.onnx"'));
    const { value } = (await client.hover(at('app.py'), 1, 30))!.contents as { value: string };
    expect(value).toMatch(/empty/);
  });
});

test('links lead to the model file', async () => {
  await start();
  await client.open(at('app.py'), session('"models/mlp.onnx"'));
  const textDocument = { uri: pathToFileURL(at('app.py')).href };
  const links = await client.request<DocumentLink[]>('textDocument/documentLink', { textDocument });
  expect(links.map(({ target }) => target)).toEqual([pathToFileURL(at('models', 'mlp.onnx')).href]);
});

test('a hub id in the local cache leads to its snapshot', async () => {
  const snapshot = at('hub', 'models--org--name', 'snapshots', 'abc123');
  await mkdir(snapshot, { recursive: true });
  await writeFile(join(snapshot, 'config.json'), '{}');
  vi.stubEnv('HF_HUB_CACHE', at('hub'));
  await start({ clientCommands: true });
  await client.open(at('app.py'), 'x.AutoModel.from_pretrained("org/name")');
  const textDocument = { uri: pathToFileURL(at('app.py')).href };
  const links = await client.request<DocumentLink[]>('textDocument/documentLink', { textDocument });
  expect(links.map(({ target }) => target)).toEqual([
    pathToFileURL(join(snapshot, 'config.json')).href,
  ]);
  const models = await client.request<WorkspaceModel[]>(ListModels.method);
  expect(models.map(({ name, path }) => [name, path])).toContainEqual(['org/name', snapshot]);
});

describe('diagnostics', () => {
  const report = async (text: string, language?: string) =>
    (await client.open(at(language ? 'app.ts' : 'app.py'), text, language)).map((item) => [
      item.severity,
      item.code,
      item.message,
    ]);

  test('none for a good model', async () => {
    await start();
    expect(await report(session('"models/mlp.onnx"'))).toEqual([]);
  });

  test('a missing file is named with what was probably meant', async () => {
    await start();
    expect(await report(session('"models/mpl.onnx"'))).toEqual([
      [
        DiagnosticSeverity.Warning,
        'missing',
        'models/mpl.onnx: no such file; did you mean models/mlp.onnx?',
      ],
    ]);
    expect(await report(session('"model/mlp.onnx"'))).toEqual([
      [
        DiagnosticSeverity.Warning,
        'missing',
        'model/mlp.onnx: no such file; did you mean models/mlp.onnx?',
      ],
    ]);
    expect(await report(session('"somewhere/else-entirely.onnx"'))).toEqual([
      [
        DiagnosticSeverity.Warning,
        'missing',
        'somewhere/else-entirely.onnx: no such file; check the path',
      ],
    ]);
  });

  test('a hub id that is not in the cache is a hint', async () => {
    await start();
    expect(await report('AutoModel.from_pretrained("nobody/nothing-here")')).toEqual([
      [
        DiagnosticSeverity.Hint,
        'not-cached',
        'nobody/nothing-here: not in the local Hugging Face cache; download it, or run the code once',
      ],
    ]);
  });

  test('strings that no loader takes may name what they like', async () => {
    await start();
    expect(await report('x = "models/none.onnx"')).toEqual([]);
  });

  test.each([
    ['empty', async () => writeFile(at('models', 'mlp.onnx'), '')],
    ['truncated', async () => truncate(at('models', 'mlp.onnx'), 100_000)],
    ['not-a-model', async () => writeFile(at('models', 'mlp.onnx'), 'just some text, no model')],
  ])('%s, one line, cleared once the file is whole', async (code, spoil) => {
    await start();
    const whole = await readFile(model);
    await spoil();
    const found = await client.open(at('app.py'), session('"models/mlp.onnx"'));
    expect(found.map((item) => [item.severity, item.code])).toEqual([
      [DiagnosticSeverity.Error, code],
    ]);
    expect(found[0]!.message).toMatch(/^models\/mlp\.onnx: [^\n]+; [^\n]+$/);
    await writeFile(at('models', 'mlp.onnx'), whole);
    const changed = [at('models', 'mlp.onnx')];
    expect(await client.filesChanged(changed, at('app.py'))).toEqual([]);
  });

  test('a folder where a model is expected', async () => {
    await mkdir(at('models', 'dir.onnx'));
    await start();
    const found = await report(session('"models/dir.onnx"'));
    expect(found).toHaveLength(1);
    expect(found[0]![1]).toMatch(/^(directory|not-a-model)$/);
  });

  test('a format that Repscope does not read is information, and silence off a loader', async () => {
    await writeFile(at('models', 'm.pt'), await readFile(fixture('torch', 'legacy.pt')));
    await start();
    const found = await report('import torch\ntorch.load("models/m.pt")');
    expect(found.map(([severity]) => severity)).toEqual([DiagnosticSeverity.Information]);
    expect(await report('x = "models/m.pt"')).toEqual([]);
  });

  test('a damaged checkpoint is an error where it is loaded; a string may name any file', async () => {
    await writeFile(at('models', 'm.pt'), 'PK\u0003\u0004 whatever');
    await start();
    const found = await report('import torch\ntorch.load("models/m.pt")');
    expect(found.map(([severity]) => severity)).toEqual([DiagnosticSeverity.Error]);
    expect(await report('x = "models/m.pt"')).toEqual([]);
  });

  test('a pickle that asks to run something', async () => {
    await writeFile(at('models', 'm.pt'), await readFile(fixture('torch', 'system.pt')));
    await start();
    const document = at('app.py');
    const [found, ...more] = await client.open(document, 'import torch\ntorch.load("models/m.pt")');
    expect(found).toMatchObject({
      severity: DiagnosticSeverity.Error,
      code: 'unsafe-pickle',
      message: 'models/m.pt: its pickle asks to run posix.system; it was not run',
    });
    expect(more).toEqual([]);
  });

  test('follow the text as it changes, and go when the document closes', async () => {
    await start();
    await client.open(at('app.py'), session('"models/none.onnx"'));
    expect(await client.change(at('app.py'), session('"models/mlp.onnx"'))).toEqual([]);
    const again = await client.change(at('app.py'), session('"models/none.onnx"'));
    expect(again.map(({ code }) => code)).toEqual(['missing']);
  });

  test('TypeScript too', async () => {
    await start();
    const text = "await ort.InferenceSession.create('models/none.onnx');";
    expect((await report(text, 'typescript')).map(([, code]) => code)).toEqual(['missing']);
    const served = "await ort.InferenceSession.create('/models/none.onnx');";
    expect(await report(served, 'typescript')).toEqual([]);
    expect(await report(session('"/models/none.onnx"'))).toHaveLength(1);
  });
});

describe('workspace', () => {
  test('models are those mentioned in saved and open documents and those that lie there', async () => {
    await writeFile(at('saved.py'), session('"models/mlp.onnx"'));
    await writeFile(at('models', 'unused.onnx'), await readFile(model));
    await mkdir(at('node_modules'));
    await writeFile(at('node_modules', 'hidden.onnx'), await readFile(model));
    await start();
    await client.open(at('open.ts'), "f('models/mlp.onnx');", 'typescript');
    const models = await client.request<WorkspaceModel[]>(ListModels.method);
    expect(models.map(({ name, references }) => [name, references.map(({ uri }) => uri)])).toEqual([
      ['mlp.onnx', [pathToFileURL(at('open.ts')).href, pathToFileURL(at('saved.py')).href]],
      ['unused.onnx', []],
    ]);
  });

  test('files that come and go are followed', async () => {
    await writeFile(at('saved.py'), '');
    await start();
    const document = at('open.py');
    await client.open(document, session('"models/none.onnx"'));
    const names = async () =>
      (await client.request<WorkspaceModel[]>(ListModels.method)).map(({ name, references }) => [
        name,
        references.length,
      ]);
    expect(await names()).toEqual([['mlp.onnx', 0]]);

    await rename(at('models', 'mlp.onnx'), at('models', 'new.onnx'));
    await writeFile(at('saved.py'), session('"models/new.onnx"'));
    await mkdir(at('node_modules'));
    await writeFile(at('node_modules', 'hidden.onnx'), await readFile(model));
    await mkdir(at('checkpoint'));
    await writeFile(at('checkpoint', 'config.json'), '{}');
    await writeFile(at('checkpoint', 'model.safetensors'), '');
    const changed = [
      at('models', 'mlp.onnx'),
      at('models', 'new.onnx'),
      at('saved.py'),
      at('node_modules', 'hidden.onnx'),
      at('checkpoint', 'config.json'),
      at('checkpoint', 'model.safetensors'),
    ];
    await client.filesChanged(changed, document);
    expect(await names()).toEqual([
      ['checkpoint', 0],
      ['new.onnx', 1],
    ]);

    await rm(at('models', 'new.onnx'));
    await client.filesChanged([at('models', 'new.onnx')], document);
    expect(await names()).toEqual([['checkpoint', 0]]);
  });

  test('a closed document is what was saved of it', async () => {
    await start();
    await client.open(at('app.py'), session('"models/mlp.onnx"'));
    await writeFile(at('app.py'), `\n${session('"models/mlp.onnx"')}`);
    await client.connection.sendNotification('textDocument/didClose', {
      textDocument: { uri: pathToFileURL(at('app.py')).href },
    });
    const [found] = await client.request<WorkspaceModel[]>(ListModels.method);
    expect(found?.references.map(({ range }) => range.start.line)).toEqual([2]);
  });

  test('inspection answers the outline and refuses in one line', async () => {
    await start();
    const path = 'models/mlp.onnx';
    expect(await client.request(InspectModel.method, { path })).toMatchObject({
      format: 'onnx',
      parameters: 109_386,
    });
    const error = await failure(client.request(InspectModel.method, { path: 'models/no.onnx' }));
    expect(error.message).toMatch(/^models\/no\.onnx: no such file; .+$/);
    expect(error.data).toMatchObject({ code: 'missing', where: 'models/no.onnx' });
  });

  test('analyses are listed with their parameters', async () => {
    await start();
    const list = await client.request<AnalysisInfo[]>(ListAnalyses.method);
    const cka = list.find(({ id }) => id === 'cka');
    expect(cka?.params.map(({ name }) => name)).toContain('permutations');
  });

  test('requests about documents that are not open are answered with nothing', async () => {
    await start();
    expect(await client.hover(at('ghost.py'), 0, 0)).toBeNull();
  });
});
