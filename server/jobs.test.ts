import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ErrorData } from '@repscope/core/errors.ts';
import {
  RunRecipe,
  type RecipeAnswer,
  Analyze,
  Compare,
  commands,
  DeleteRun,
  ExportRun,
  GetRun,
  ListDevices,
  ListRuns,
  RunsChanged,
  TrustGranted,
  WorkerStatus,
  type RunAnswer,
} from '@repscope/core/protocol/language-server.ts';
import type { DeviceReport } from '@repscope/core/engine/engine.ts';
import type { RunSummary } from '@repscope/core/results/schema.ts';
import {
  CancellationTokenSource,
  CodeLensRefreshRequest,
  ResponseError,
  ShowMessageNotification,
  WorkDoneProgressCancelNotification,
  WorkDoneProgressCreateRequest,
  type WorkDoneProgressReport,
} from 'vscode-languageserver/node';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { TestClient, type Shown } from './testing.ts';

const source = fileURLToPath(new URL('../examples/digits/models/mlp-seed0.onnx', import.meta.url));

let folder: string;
let model: string;
let client: TestClient;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'repscope-server-'));
  model = join(folder, 'mlp.onnx');
  await writeFile(model, await readFile(source));
  client = TestClient.inProcess();
});

afterEach(async () => {
  await client.close();
  await rm(folder, { recursive: true });
});

const start = (options: object = {}, capabilities = {}) =>
  client.initialize(folder, {
    capabilities,
    initializationOptions: { storage: join(folder, 'storage'), ...options },
  });

const analyze = (params: object = {}) =>
  client.request<RunAnswer>(Analyze.method, {
    analysis: 'cka',
    inputs: [model],
    device: 'cpu',
    ...params,
  });

/** Enough permutations to outlast the test. */
const endless = { params: { permutations: 100_000 } };

async function failure(request: Promise<unknown>): Promise<ResponseError<ErrorData>> {
  const error: unknown = await request.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(ResponseError);
  return error as ResponseError<ErrorData>;
}

/** Progress values shown on `token`, and a promise of the first that satisfies `wanted`. */
function watch(
  token: string,
  wanted: (value: Shown) => boolean,
): { all: Shown[]; seen: Promise<void> } {
  const all: Shown[] = [];
  const seen = new Promise<void>((resolve) => {
    client.onProgress(token, (value) => {
      all.push(value);
      if (wanted(value)) resolve();
    });
  });
  return { all, seen };
}

const isReport = ({ kind }: Shown) => kind === 'report';

describe('an analysis', () => {
  test('answers the stored run, then lists, shows, exports and deletes it', async () => {
    await start();
    const answer = await analyze();
    expect(answer.storeProblem).toBeUndefined();
    expect(answer.result.inputs).toHaveLength(4);
    const matrix = answer.result.values['cka'] as number[][];
    expect(matrix.map((row, index) => row[index])).toEqual([1, 1, 1, 1]);
    expect(answer.run.uris).toEqual([model]);

    const { id } = answer.run;
    expect(await client.request(ListRuns.method)).toEqual([answer.run]);
    expect(await client.request(GetRun.method, { id })).toEqual({
      run: answer.run,
      result: answer.result,
    });
    const json = await client.request<string>(ExportRun.method, { id, format: 'json' });
    expect(JSON.parse(json)).toEqual(answer.result);
    const csv = await client.request<string>(ExportRun.method, { id, format: 'csv' });
    expect(csv.split('\n', 1)).toEqual(['key,i,j,k,value']);
    const error = await failure(client.request(ExportRun.method, { id, format: 'pdf' }));
    expect(error.message).toBe('pdf: unknown export format; send json, csv or html');
    await client.request(DeleteRun.method, { id });
    expect(await client.request(ListRuns.method)).toEqual([]);
    expect((await failure(client.request(GetRun.method, { id }))).data?.code).toBe('missing');
  });

  test('shows its progress on the token given, and its value at the end', async () => {
    await start();
    const { all } = watch('mine', () => false);
    const answer = await analyze({ workDoneToken: 'mine' });
    expect(all[0]).toMatchObject({ kind: 'begin', cancellable: true, percentage: 0 });
    expect(all.at(-1)).toEqual({ kind: 'end', message: answer.run.headline });
    const fractions = all
      .filter(isReport)
      .map((value) => (value as WorkDoneProgressReport).percentage!);
    expect(fractions.length).toBeGreaterThan(0);
    expect(fractions).toEqual([...fractions].sort((a, b) => a - b));
  });

  test('tells that runs changed, refreshes lenses and adds the value to them', async () => {
    const heard: string[] = [];
    client.connection.onNotification(RunsChanged.method, () => {
      heard.push('runs');
    });
    client.connection.onRequest(CodeLensRefreshRequest.method, () => {
      heard.push('lenses');
      return null;
    });
    await start({ clientCommands: true }, { workspace: { codeLens: { refreshSupport: true } } });
    const app = join(folder, 'app.py');
    await client.open(app, 'import onnx\nonnx.load("mlp.onnx")');
    const { run } = await analyze();
    const lens = (await client.lenses(app)).at(-1);
    expect(heard).toEqual(['runs', 'lenses']);
    expect(lens?.command).toMatchObject({
      title: run.headline,
      command: 'repscope.showRun',
      arguments: [run.id],
    });
    const { value } = (await client.hover(app, 1, 14))!.contents as { value: string };
    expect(value).toContain(`command:repscope.showRun?${encodeURIComponent(`["${run.id}"]`)}`);
    const picture = /data:image\/svg\+xml;base64,([\w+/=]+)/.exec(value)!;
    expect(Buffer.from(picture[1]!, 'base64').toString()).toMatch(/^<svg .*<\/svg>$/);
  });

  test('runs by workspace/executeCommand for a plain client, which is told the value', async () => {
    const shown: string[] = [];
    client.connection.onNotification(ShowMessageNotification.type, ({ message }) => {
      shown.push(message);
    });
    await start();
    const { run } = await client.request<RunAnswer>('workspace/executeCommand', {
      command: commands.serverAnalyze,
      arguments: [{ analysis: 'cka', inputs: ['mlp.onnx'], device: 'cpu' }],
    });
    expect(shown).toEqual([`Repscope: ${run.headline}`]);
  });

  test('compares two models', async () => {
    await writeFile(join(folder, 'other.onnx'), await readFile(source));
    await start();
    const inputs = [model, join(folder, 'other.onnx')];
    const answer = await client.request<RunAnswer>(Compare.method, { inputs, device: 'cpu' });
    expect(new Set(answer.run.uris)).toEqual(new Set(inputs));
  });

  test('waits visibly behind another', async () => {
    await start();
    const first = watch('first', isReport);
    const stop = new CancellationTokenSource();
    const long = client.connection.sendRequest(
      Analyze.method,
      { analysis: 'cka', inputs: [model], device: 'cpu', ...endless, workDoneToken: 'first' },
      stop.token,
    );
    const cancelled = failure(long);
    await first.seen;
    const second = watch('second', (value) => isReport(value) && /wait/i.test(value.message ?? ''));
    const short = analyze({ workDoneToken: 'second' });
    await second.seen;
    stop.cancel();
    expect((await cancelled).data?.code).toBe('cancelled');
    expect((await short).run.analysis).toBe('cka');
  });

  test('is cancelled from the progress that the server created', async () => {
    const created = new Promise<string>((resolve) => {
      client.connection.onRequest(WorkDoneProgressCreateRequest.type, ({ token }) => {
        resolve(String(token));
      });
    });
    await start({}, { window: { workDoneProgress: true } });
    const running = failure(analyze(endless));
    const token = await created;
    const { seen } = watch(token, isReport);
    await seen;
    await client.connection.sendNotification(WorkDoneProgressCancelNotification.type, { token });
    expect((await running).data?.code).toBe('cancelled');
    expect(await client.request(ListRuns.method)).toEqual([]);
  });

  test('that loses its worker fails alone: the next one runs', async () => {
    await start();
    const { seen } = watch('doomed', isReport);
    const doomed = failure(analyze({ ...endless, workDoneToken: 'doomed' }));
    await seen;
    const status = await client.request<{ pid: number; busy: boolean }>(WorkerStatus.method);
    expect(status.busy).toBe(true);
    process.kill(status.pid, 'SIGKILL');
    const error = await doomed;
    expect(error.data?.code).toBe('worker-crashed');
    expect(error.message).not.toContain('\n');
    expect((await analyze()).run.analysis).toBe('cka');
    const next = await client.request<{ pid: number; busy: boolean }>(WorkerStatus.method);
    expect(next.pid).not.toBe(status.pid);
  });
});

describe('a recipe', () => {
  const recipe = async (text: string) => {
    const path = join(folder, 'study.repscope.yaml');
    await writeFile(path, text);
    return client.request<RecipeAnswer>(RunRecipe.method, { path, workDoneToken: 'study' });
  };

  test('runs, stores each result, and goes on after one that fails', async () => {
    await start();
    const { all } = watch('study', () => false);
    const { analyses } = await recipe(`device: cpu
models: { digits: mlp.onnx }
analyses:
  - { name: bad, analysis: cka, inputs: [digits], layers: nothing }
  - { name: shape, analysis: spectrum, inputs: digits }
report: { html: study.html }
`);
    expect(analyses).toMatchObject([
      { name: 'bad', error: { code: 'unknown-layer' } },
      { name: 'shape', answer: { run: { analysis: 'spectrum', uris: [model] } } },
    ]);
    expect(await client.request<unknown[]>(ListRuns.method)).toHaveLength(1);
    expect(all.at(-1)).toEqual({ kind: 'end', message: '2 analyses' });
    expect(await readFile(join(folder, 'study.html'), 'utf8')).toContain('"name":"shape"');
  });

  test('with a mistake is refused with its line', async () => {
    await start();
    const error = await failure(recipe('analyses:\n  - { analysis: ckaa, inputs: x.npy }\n'));
    expect(error.data?.code).toBe('usage');
    expect(error.message).toMatch(/study\.repscope\.yaml:2:17: there is no analysis 'ckaa'/);
  });
});

describe('refusals', () => {
  test('without trust, until trust is granted', async () => {
    await start({ trusted: false });
    const error = await failure(analyze());
    expect(error.data?.code).toBe('untrusted');
    const command = {
      command: commands.serverAnalyze,
      arguments: [{ analysis: 'cka', inputs: [model] }],
    };
    const executed = await failure(client.request('workspace/executeCommand', command));
    expect(executed.data?.code).toBe('untrusted');
    expect(await client.request(WorkerStatus.method)).toEqual({ pid: null, busy: false });
    await client.connection.sendNotification(TrustGranted.method);
    expect((await analyze()).run.analysis).toBe('cka');
  });

  test.each([
    ['no parameters', Analyze.method, undefined],
    ['no inputs', Analyze.method, { analysis: 'cka', inputs: [] }],
    ['inputs that are not paths', Analyze.method, { analysis: 'cka', inputs: [1] }],
    ['an unknown analysis', Analyze.method, { analysis: 'ckaa', inputs: ['x'] }],
    ['an unknown parameter', Analyze.method, { analysis: 'cka', inputs: ['x'], params: { n: 1 } }],
    [
      'a parameter out of range',
      Analyze.method,
      { analysis: 'cka', inputs: ['x'], params: { permutations: -1 } },
    ],
    ['an unknown pool', Analyze.method, { analysis: 'cka', inputs: ['x'], pool: 'max' }],
    ['an unknown device', Analyze.method, { analysis: 'cka', inputs: ['x'], device: 'tpu' }],
    ['one model to compare', Compare.method, { inputs: ['x'] }],
    ['a run without id', GetRun.method, {}],
    ['an unknown command', 'workspace/executeCommand', { command: 'rm', arguments: [] }],
    [
      'a command without arguments',
      'workspace/executeCommand',
      { command: commands.serverAnalyze },
    ],
  ])('%s', async (_case, method, params) => {
    await start();
    const error = await failure(client.request(method, params));
    expect(error.data?.code).toBe('usage');
    expect(error.message).toMatch(/^[^\n]+: [^\n]+; [^\n]+$/);
    expect(await client.request(WorkerStatus.method)).toEqual({ pid: null, busy: false });
  });

  test('a model that is not there', async () => {
    await start();
    const error = await failure(analyze({ inputs: [join(folder, 'none.onnx')] }));
    expect(error.data?.code).toBe('missing');
    expect(error.message).toContain('none.onnx');
  });
});

test('a result that cannot be stored is answered, listed and exported all the same', async () => {
  // A file where the folder should be: nobody can write there, not even root.
  await writeFile(join(folder, 'storage'), 'in the way');
  await start();
  const answer = await analyze();
  expect(answer.storeProblem).toMatch(/^[^\n]+; [^\n]+$/);
  const { id } = answer.run;
  expect((await client.request<RunSummary[]>(ListRuns.method)).map((run) => run.id)).toEqual([id]);
  const text = await client.request<string>(ExportRun.method, { id, format: 'json' });
  expect(JSON.parse(text)).toEqual(answer.result);
});

test('a store that cannot be opened is told when runs are asked for', async () => {
  await mkdir(join(folder, 'storage', 'runs.sqlite'), { recursive: true });
  await start();
  const error = await failure(client.request(ListRuns.method));
  expect(error.data?.code).toBe('unwritable');
});

test('devices are reported with the reason for those that are missing', async () => {
  await start();
  const devices = await client.request<DeviceReport[]>(ListDevices.method);
  expect(devices.find(({ name }) => name === 'cpu')?.available).toBe(true);
  for (const { available, reason } of devices) expect(available || reason).toBeTruthy();
});
