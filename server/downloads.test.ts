import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { ErrorData } from '@repscope/core/errors.ts';
import type { DownloadPlan } from '@repscope/core/models/hub/plan.ts';
import { commit, LoopbackHub, strike } from '@repscope/core/models/hub/testing.ts';
import {
  commands,
  Download,
  DownloadSize,
  ModelsChanged,
} from '@repscope/core/protocol/language-server.ts';
import {
  CancellationTokenSource,
  CodeActionRequest,
  ResponseError,
  WorkDoneProgressCancelNotification,
  type CodeAction,
  type Diagnostic,
} from 'vscode-languageserver/node';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { TestClient, type Shown } from './testing.ts';

const code = 'AutoModel.from_pretrained("org/model")';

let folder: string;
let hub: LoopbackHub;
let client: TestClient;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'repscope-downloads-'));
  hub = await LoopbackHub.start({
    'config.json': '{}',
    'model.safetensors': Buffer.alloc(1_000_000),
  });
  vi.stubEnv('HF_HUB_CACHE', join(folder, 'hub'));
  vi.stubEnv('HF_ENDPOINT', hub.address);
  vi.stubEnv('HF_HUB_OFFLINE', '');
  client = TestClient.inProcess();
});

afterEach(async () => {
  vi.unstubAllEnvs();
  await client.close();
  await hub.stop();
  await rm(folder, { recursive: true });
});

const start = (options: object = { clientCommands: true }) =>
  client.initialize(folder, {
    initializationOptions: { storage: join(folder, 'storage'), trusted: false, ...options },
  });

const actions = (path: string, [diagnostic]: Diagnostic[]) =>
  client.request<CodeAction[]>(CodeActionRequest.method, {
    textDocument: { uri: pathToFileURL(path).href },
    range: diagnostic!.range,
    context: { diagnostics: [diagnostic] },
  });

test('the hint at a model that is not cached leads to its download, which clears the hint', async () => {
  await start();
  const app = join(folder, 'app.py');
  const found = await client.open(app, code);
  expect(found.map((diagnostic) => diagnostic.code)).toEqual(['not-cached']);
  const [fix] = await actions(app, found);
  expect(fix?.command).toMatchObject({ command: commands.downloadModel, arguments: ['org/model'] });

  const plan = await client.request<DownloadPlan>(DownloadSize.method, { id: 'org/model' });
  expect(plan).toMatchObject({ commit, bytes: 1_000_002, remaining: 1_000_002 });
  expect(hub.transfers('config.json')).toEqual([]);

  const shown: Shown[] = [];
  client.onProgress('p1', (value) => shown.push(value));
  let changes = 0;
  client.connection.onNotification(ModelsChanged.method, () => {
    changes += 1;
  });
  const { path } = await client.request<{ path: string }>(Download.method, {
    id: 'org/model',
    workDoneToken: 'p1',
  });
  expect(path).toBe(join(folder, 'hub', 'models--org--model', 'snapshots', commit));
  expect(shown[0]).toMatchObject({ kind: 'begin', title: 'Download org/model', cancellable: true });
  expect(shown.at(-1)).toEqual({ kind: 'end', message: 'downloaded' });
  expect(shown.some((value) => value.kind === 'report' && value.percentage === 100)).toBe(true);
  await vi.waitFor(() => {
    const codes = client.diagnostics.at(-1)!.diagnostics.map((diagnostic) => diagnostic.code);
    expect(codes).not.toContain('not-cached');
    expect(changes).toBeGreaterThan(0);
  });
});

test.each(['progress', 'request'])('cancelled by its %s', async (by) => {
  await start();
  const stop = new CancellationTokenSource();
  client.onProgress('p2', () => undefined);
  hub.faults.push(
    strike(1, 'model.safetensors', (response) => {
      response.write(Buffer.alloc(1000), () => {
        if (by === 'request') stop.cancel();
        else {
          void client.connection.sendNotification(WorkDoneProgressCancelNotification.type, {
            token: 'p2',
          });
        }
      });
    }),
  );
  const error: unknown = await client.connection
    .sendRequest(Download.method, { id: 'org/model', workDoneToken: 'p2' }, stop.token)
    .catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(ResponseError);
  expect((error as ResponseError<ErrorData>).data?.code).toBe('cancelled');
});

test('a request without a proper id is refused', async () => {
  await start();
  for (const params of [{}, { id: '../x' }, { id: 'org/model', revision: 1 }]) {
    const error: unknown = await client
      .request(Download.method, params)
      .catch((reason: unknown) => reason);
    expect((error as ResponseError<ErrorData>).data?.code).toBe('usage');
  }
  expect(hub.seen).toEqual([]);
});

test('a client without our commands is offered no fix, and no server command downloads', async () => {
  const { capabilities } = (await start({})) as {
    capabilities: { codeActionProvider?: object; executeCommandProvider: { commands: string[] } };
  };
  expect(capabilities.codeActionProvider).toBeUndefined();
  expect(capabilities.executeCommandProvider.commands).toEqual([
    commands.serverAnalyze,
    commands.serverCompare,
  ]);
});
