import { fork, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { commands, WorkerStatus, type RunAnswer } from '@repscope/core/protocol/language-server.ts';
import type { DocumentLink, InitializeResult } from 'vscode-languageserver';
import {
  createProtocolConnection,
  IPCMessageReader,
  IPCMessageWriter,
} from 'vscode-languageserver/node';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { TestClient } from './testing.ts';

const entry = fileURLToPath(new URL('./main.ts', import.meta.url));
const source = fileURLToPath(new URL('../examples/digits/models/mlp-seed0.onnx', import.meta.url));

let folder: string;
let server: ChildProcess;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'repscope-stdio-'));
  await writeFile(join(folder, 'mlp.onnx'), await readFile(source));
});

afterEach(async () => {
  if (server.exitCode === null && server.signalCode === null) {
    server.kill('SIGKILL');
    await once(server, 'exit');
  }
  await rm(folder, { recursive: true });
});

function launch(...args: string[]): ChildProcess {
  server = spawn(process.execPath, [entry, ...args], {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { ...process.env, REPSCOPE_STORAGE: join(folder, 'storage') },
  });
  return server;
}

function connect(): TestClient {
  const { stdin, stdout } = launch('--stdio');
  return TestClient.over(stdout!, stdin!);
}

test('a plain LSP client over stdio, from initialize to exit', async () => {
  const client = connect();
  const answer = (await client.initialize(folder)) as InitializeResult;
  expect(answer.serverInfo?.name).toBe('repscope-language-server');

  const app = join(folder, 'app.py');
  const text = 'import onnxruntime\nP = "mlp"\nonnxruntime.InferenceSession(P + ".onnx")\n';
  expect(await client.open(app, text)).toEqual([]);
  const lenses = await client.lenses(app);
  expect(lenses.map(({ command }) => command?.title)).toEqual([
    '▷ Analyze',
    '109K params · 4 layers · float32',
  ]);
  const textDocument = { uri: pathToFileURL(app).href };
  const links = await client.request<DocumentLink[]>('textDocument/documentLink', { textDocument });
  expect(links.map(({ target }) => target)).toEqual([pathToFileURL(join(folder, 'mlp.onnx')).href]);

  // The lens's own command, as an editor sends it.
  const { command, arguments: given } = lenses[0]!.command!;
  expect(command).toBe(commands.serverAnalyze);
  const ran = await client.request<RunAnswer>('workspace/executeCommand', {
    command,
    arguments: given as object[],
  });
  expect(ran.storeProblem).toBeUndefined();
  const { value } = (await client.hover(app, 2, 31))!.contents as { value: string };
  expect(value).toContain('![');
  expect((await client.lenses(app)).at(-1)?.command?.title).toBe(ran.run.headline);

  // Native engines load in the worker only.
  const { pid } = await client.request<{ pid: number }>(WorkerStatus.method);
  if (existsSync(`/proc/${pid}/maps`)) {
    expect(readFileSync(`/proc/${pid}/maps`, 'utf8')).toContain('onnxruntime');
    expect(readFileSync(`/proc/${server.pid}/maps`, 'utf8')).not.toContain('onnxruntime');
  }

  const ended = once(server, 'exit');
  await client.request('shutdown');
  await client.connection.sendNotification('exit');
  expect(await ended).toEqual([0, null]);
});

test('exit without shutdown is an error', async () => {
  const client = connect();
  await client.initialize(folder);
  const ended = once(server, 'exit');
  await client.connection.sendNotification('exit');
  expect(await ended).toEqual([1, null]);
});

test('a client that goes away takes the server and its worker with it', async () => {
  const client = connect();
  await client.initialize(folder);
  const model = join(folder, 'mlp.onnx');
  await client.request('repscope/analyze', { analysis: 'cka', inputs: [model], device: 'cpu' });
  const { pid } = await client.request<{ pid: number }>(WorkerStatus.method);
  const ended = once(server, 'exit');
  server.stdin!.end();
  await ended;
  await vi.waitFor(() => expect(() => process.kill(pid, 0)).toThrow('ESRCH'), { timeout: 10_000 });
});

test('an editor that forks it talks over node-ipc', async () => {
  server = fork(entry, ['--node-ipc', `--clientProcessId=${process.pid}`], {
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    env: { ...process.env, REPSCOPE_STORAGE: join(folder, 'storage') },
  });
  const client = new TestClient(
    createProtocolConnection(new IPCMessageReader(server), new IPCMessageWriter(server)),
  );
  await client.initialize(folder);
  const app = join(folder, 'app.ts');
  const found = await client.open(app, "ort.InferenceSession.create('none.onnx')", 'typescript');
  expect(found.map(({ code }) => code)).toEqual(['missing']);
  const ended = once(server, 'exit');
  await client.request('shutdown');
  await client.connection.sendNotification('exit');
  expect(await ended).toEqual([0, null]);
});

test('without a transport it says how to start it', async () => {
  const { stderr } = launch();
  let said = '';
  stderr!.setEncoding('utf8').on('data', (chunk: string) => (said += chunk));
  const ended = once(server, 'close');
  expect((await ended)[0]).toBe(2);
  expect(said).toBe(
    'repscope: language server: no transport named; start it with --stdio, or from an editor\n',
  );
});
