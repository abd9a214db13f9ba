import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  lstat,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  readlink,
  rm,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { Cancelled, type UserError } from '../../errors.ts';
import { resolveModel } from '../resolve.ts';
import { downloadModel } from './download.ts';
import { planDownload } from './plan.ts';
import { place, RepositoryCache } from './repository-cache.ts';
import { commit, LoopbackHub, sendRange, strike } from './testing.ts';

const id = 'org/model';
const weights = Buffer.from(
  Uint8Array.from({ length: 3_000_000 }, (_, index) => (index * 7) % 251),
);
/** Printed by `git hash-object` for a file of `{}` and a line break. */
const configHash = '0967ef424bce6791893e9a57bb952f80fd536e93';
const patience = { backoffMs: 1, longestWaitMs: 2000, stallMs: 5000 };

let folder: string;
let hub: LoopbackHub;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'repscope-hub-'));
  hub = await LoopbackHub.start({
    'README.md': '# Model',
    'config.json': '{}\n',
    'tokenizer.json': '{"version": "1.0"}',
    'modules.json': '[]',
    '1_Pooling/config.json': '{"pooling_mode_mean_tokens": true}',
    'modeling_custom.py': 'import os',
    'pytorch_model.bin': Buffer.alloc(100),
    'model.safetensors': weights,
    'onnx/model.onnx': Buffer.alloc(50),
  });
  for (const name of Object.keys(process.env)) {
    if (/^(HF_|HUGGING|TRANSFORMERS_OFFLINE)/.test(name)) vi.stubEnv(name, '');
  }
  vi.stubEnv('HF_HOME', folder);
  vi.stubEnv('HF_ENDPOINT', hub.address);
});

afterEach(async () => {
  vi.unstubAllEnvs();
  await hub.stop();
  await rm(folder, { recursive: true });
});

const repository = (...parts: string[]) => join(folder, 'hub', 'models--org--model', ...parts);
const download = (options: object = {}) => downloadModel(id, { patience, ...options });
const fails = async (promise: Promise<unknown>): Promise<UserError> => {
  const error: unknown = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(Error);
  return error as UserError;
};
const partials = async (): Promise<string[]> =>
  (await readdir(repository('blobs'))).filter((name) => name.endsWith('.incomplete'));

/** Sends the first `bytes` of the weights, then breaks the connection. */
const cutAfter = (times: number, bytes: number) =>
  strike(times, 'model.safetensors', (response) => {
    response.setHeader('content-length', weights.length);
    response.write(weights.subarray(0, bytes), () => response.destroy());
  });

test('the size is known before anything is fetched', async () => {
  const plan = await planDownload(id, { patience });
  expect(plan.files.map(({ path, size }) => [path, size])).toEqual([
    ['config.json', 3],
    ['tokenizer.json', 18],
    ['modules.json', 2],
    ['1_Pooling/config.json', 34],
    ['model.safetensors', 3_000_000],
  ]);
  expect(plan).toMatchObject({ commit, bytes: 3_000_057, remaining: 3_000_057 });
  expect(hub.seen.filter(({ path }) => path.includes('/resolve/'))).toEqual([]);
  expect(await readdir(folder)).toEqual([]);
});

test('the cache has the layout that Python shares, and nothing is fetched twice', async () => {
  const heard: number[] = [];
  const snapshot = await download({
    onProgress: ({ fraction }: { fraction: number }) => heard.push(fraction),
  });
  expect(snapshot).toBe(repository('snapshots', commit));
  expect(await resolveModel(id, [])).toBe(snapshot);
  expect(await readFile(repository('refs', 'main'), 'utf8')).toBe(commit);
  expect(await readlink(join(snapshot, 'config.json'))).toBe(`../../blobs/${configHash}`);
  expect(await readFile(join(snapshot, '1_Pooling', 'config.json'), 'utf8')).toContain('mean');
  expect(weights.equals(await readFile(join(snapshot, 'model.safetensors')))).toBe(true);
  expect((await readdir(snapshot)).sort()).toEqual([
    '1_Pooling',
    'config.json',
    'model.safetensors',
    'modules.json',
    'tokenizer.json',
  ]);
  expect(heard.at(-1)).toBe(1);
  expect(heard).toEqual(heard.toSorted((a, b) => a - b));

  const before = hub.transfers('model.safetensors');
  expect(before).toEqual(['hub', 'cdn']);
  expect((await planDownload(id, { patience })).remaining).toBe(0);
  expect(await download()).toBe(snapshot);
  expect(hub.transfers('model.safetensors')).toEqual(before);
});

describe('a transfer that does not come whole', () => {
  test('continues where the connection was cut', async () => {
    hub.faults.push(cutAfter(1, 2_000_000));
    await download();
    const ways = hub.transfers('model.safetensors');
    expect(ways.slice(0, 2)).toEqual(['hub', 'cdn']);
    expect(ways[3]).toMatch(/^cdn bytes=[1-9]\d*-$/);
    expect(await partials()).toEqual([]);
  });

  test('continues after the process was killed', async () => {
    // Half the file comes, then nothing: the process hangs until it is killed.
    let half: () => void;
    const halfSent = new Promise<void>((resolve) => (half = resolve));
    hub.faults.push(
      strike(1, 'model.safetensors', (response) => {
        response.setHeader('content-length', weights.length);
        response.write(weights.subarray(0, 1_500_000), () => half());
      }),
    );
    const module = JSON.stringify(new URL('./download.ts', import.meta.url).href);
    const script = `import(${module}).then((m) => m.downloadModel('${id}'))`;
    const child = spawn(process.execPath, ['-e', script], { stdio: 'ignore' });
    const exit = once(child, 'exit');
    await halfSent;
    await vi.waitFor(async () => {
      const [name] = await partials();
      expect((await lstat(repository('blobs', name!))).size).toBe(1_500_000);
    }, 10_000);
    child.kill('SIGKILL');
    await exit;
    expect((await planDownload(id, { patience })).remaining).toBe(1_500_000);
    expect(await resolveModel(id, [])).toBeUndefined();

    const snapshot = await download();
    expect(hub.transfers('model.safetensors').at(-1)).toBe('cdn bytes=1500000-');
    expect(weights.equals(await readFile(join(snapshot, 'model.safetensors')))).toBe(true);
    expect(await partials()).toEqual([]);
  });

  test('is kept when the user cancels', async () => {
    const abort = new AbortController();
    hub.faults.push(
      strike(1, 'model.safetensors', (response) => {
        response.setHeader('content-length', weights.length);
        response.write(weights.subarray(0, 2_000_000));
      }),
    );
    const onProgress = ({ fraction }: { fraction: number }) => {
      if (fraction > 0.01) abort.abort();
    };
    const { signal } = abort;
    expect(await fails(download({ signal, onProgress }))).toBeInstanceOf(Cancelled);
    expect(await partials()).toHaveLength(1);
    expect(await resolveModel(id, [])).toBeUndefined();
    await download();
    expect(hub.transfers('model.safetensors').at(-1)).toMatch(/^cdn bytes=[1-9]\d*-$/);
  });

  test('starts anew where the host knows no ranges', async () => {
    hub.faults.push(cutAfter(1, 2_000_000));
    hub.faults.push(
      strike(1, 'model.safetensors', (response) => sendRange(weights, undefined, response)),
    );
    const snapshot = await download();
    expect(weights.equals(await readFile(join(snapshot, 'model.safetensors')))).toBe(true);
  });

  test('is asked for again when nothing more comes', async () => {
    hub.faults.push(
      strike(1, 'model.safetensors', (response) => {
        response.write(weights.subarray(0, 100));
      }),
    );
    await download({ patience: { ...patience, stallMs: 200 } });
    expect(hub.transfers('model.safetensors')).toHaveLength(4);
  });

  test('takes a new address where the old one expired', async () => {
    hub.faults.push(strike(1, 'model.safetensors', (response) => response.writeHead(403).end()));
    await download();
    expect(hub.transfers('model.safetensors')).toEqual(['hub', 'cdn', 'hub', 'cdn']);
  });

  test('ends after failures without progress, and keeps what has come', async () => {
    hub.faults.push(cutAfter(1, 2_000_000));
    hub.faults.push(strike(99, 'model.safetensors', (response) => response.destroy()));
    const error = await fails(download());
    expect(error).toMatchObject({ code: 'network', where: id });
    expect(error.message).toContain('what has come is kept');
    expect(hub.transfers('model.safetensors').length).toBeLessThan(20);
    expect(await partials()).toHaveLength(1);
  });
});

describe('content that is not what the hub lists', () => {
  const wrong = (times: number) =>
    strike(times, 'model.safetensors', (response) =>
      sendRange(Buffer.alloc(weights.length, 1), undefined, response),
    );

  test('is refused and never shown', async () => {
    hub.faults.push(wrong(9));
    const error = await fails(download());
    expect(error).toMatchObject({ code: 'failed', where: 'model.safetensors' });
    expect(error.what).toContain('hash differs');
    expect(await resolveModel(id, [])).toBeUndefined();
    expect(await partials()).toEqual([]);
  });

  test('in what an earlier download left is fetched again', async () => {
    await mkdir(repository('blobs'), { recursive: true });
    const { files } = await planDownload(id, { patience });
    const { hash } = files.at(-1)!;
    // No process has this number.
    await writeFile(
      repository('blobs', `${hash}.repscope-4194305.incomplete`),
      Buffer.alloc(500, 9),
    );
    // Another program's, which may be alive.
    const foreign = repository('blobs', `${hash}.12345678.incomplete`);
    await writeFile(foreign, Buffer.alloc(600));
    const snapshot = await download();
    expect((await lstat(foreign)).size).toBe(600);
    expect(hub.transfers('model.safetensors')).toEqual([
      'hub bytes=500-',
      'cdn bytes=500-',
      'hub',
      'cdn',
    ]);
    expect(weights.equals(await readFile(join(snapshot, 'model.safetensors')))).toBe(true);
  });

  test('is refused by its size before it is read', async () => {
    hub.faults.push(
      strike(1, 'config.json', (response) => response.end('<html>Sign in</html>'), 'hub'),
    );
    const error = await fails(download());
    expect(error).toMatchObject({ code: 'failed', where: 'config.json' });
    expect(error.what).toContain('20 bytes');
  });
});

describe('a busy hub', () => {
  test('is asked again when it says so', async () => {
    const limit = (path: string, host: 'hub' | 'cdn') =>
      strike(1, path, (response) => response.writeHead(429, { 'retry-after': '0' }).end(), host);
    hub.faults.push(limit('/revision/main', 'hub'), limit('model.safetensors', 'cdn'));
    hub.faults.push(strike(2, 'config.json', (response) => response.writeHead(503).end(), 'hub'));
    await download();
    expect(hub.transfers('model.safetensors')).toEqual(['hub', 'cdn', 'hub', 'cdn']);
  });

  test('that asks for too long a wait ends the download at once', async () => {
    hub.faults.push(
      strike(
        9,
        'model.safetensors',
        (response) => response.writeHead(429, { 'retry-after': '3600' }).end(),
        'hub',
      ),
    );
    const error = await fails(download());
    expect(error.code).toBe('network');
    expect(error.message).toContain('in 3600 s, or set HF_TOKEN');
    expect(hub.transfers('model.safetensors')).toEqual(['hub']);
  });

  test('that never answers well ends it after a few attempts', async () => {
    hub.faults.push(
      strike(99, '/revision/main', (response) => response.writeHead(500).end(), 'hub'),
    );
    const error = await fails(download());
    expect(error.message).toContain('is not able to answer (500)');
    expect(hub.seen.length).toBe(6);
  });
});

test.each([
  [401, 'RepoNotFound', '', 'missing', 'for a private model set HF_TOKEN'],
  [401, '', 'hf_secret', 'denied', 'does not accept your access token'],
  [401, 'GatedRepo', '', 'denied', 'accept its licence at'],
  [403, 'GatedRepo', 'hf_secret', 'denied', 'with the account of your token'],
  [404, 'RepoNotFound', '', 'missing', 'check the id'],
  [404, 'RevisionNotFound', '', 'missing', 'has no such revision'],
  [404, 'EntryNotFound', '', 'missing', 'has not all files that it lists'],
])('%i %s with token "%s" is %s', async (status, reason, token, code, text) => {
  vi.stubEnv('HF_TOKEN', token);
  hub.faults.push(
    strike(
      9,
      '/revision/main',
      (response) => response.writeHead(status, reason ? { 'x-error-code': reason } : {}).end(),
      'hub',
    ),
  );
  const error = await fails(download());
  expect(error.code).toBe(code);
  expect(error.message).toContain(text);
  expect(error.message).not.toContain('hf_secret');
  expect(hub.seen).toHaveLength(1);
});

test('the token goes to the hub and to no other host', async () => {
  vi.stubEnv('HF_TOKEN', 'hf_secret');
  // A list whose next page is elsewhere.
  const elsewhere = await LoopbackHub.start({ 'config.json': '{}\n', 'model.onnx': 'x' });
  try {
    hub.faults.push(
      strike(
        1,
        `/tree/${commit}`,
        (response) => {
          const next = `${elsewhere.address}/api/models/org/model/tree/${commit}`;
          response.setHeader('link', `<${next}>; rel="next"`);
          response.end('[]');
        },
        'hub',
      ),
    );
    await fails(download());
    expect(elsewhere.seen.map(({ token }) => token)).toEqual([undefined]);
  } finally {
    await elsewhere.stop();
  }
  await download();
  const tokens = (host: string) =>
    new Set(hub.seen.filter((seen) => seen.host === host).map(({ token }) => token));
  expect(tokens('hub')).toEqual(new Set(['Bearer hf_secret']));
  expect(tokens('cdn')).toEqual(new Set([undefined]));
});

test.each(['../x', '/etc/x', 'a/../../x', 'C:\\x', 'a\\..\\x', 'a//x', './x', ''])(
  'a listing with %j is refused whole',
  async (path) => {
    hub.alterList = (entries) => [...entries, { type: 'file', path, size: 1, oid: configHash }];
    const error = await fails(download());
    expect(error.code).toBe('failed');
    expect(error.what).toContain('a path outside its folder');
    expect(await readdir(folder)).toEqual([]);
  },
);

test.each([
  [{ type: 'file', path: 'a.json', size: 1, oid: '../../x' }],
  [{ type: 'file', path: 'a.json', size: -1, oid: configHash }],
  [{ type: 'file', path: 'a.json', size: 1 }],
])('an entry without a sound size and hash is refused', async (entry) => {
  hub.alterList = () => [entry];
  expect((await fails(download())).what).toContain("is not a model's list of files");
});

test('redirects to anything but the web, and in circles, are refused', async () => {
  const redirect = (location: string) =>
    strike(99, 'config.json', (response) => response.writeHead(302, { location }).end(), 'hub');
  hub.faults.push(redirect('file:///etc/passwd'));
  expect((await fails(download())).what).toContain('not safe');
  hub.faults.splice(0, 1, redirect(`/org/model/resolve/${commit}/config.json`));
  expect((await fails(download())).what).toContain('in a circle');
});

test('what is not asked of the hub at all', async () => {
  for (const bad of ['../x', 'a/b/c', 'https://host/a/b', '']) {
    expect((await fails(downloadModel(bad))).code).toBe('usage');
  }
  for (const revision of ['../main', 'a//b', '/a', 'a/.b', 'a/', '-x', 'a b']) {
    expect((await fails(download({ revision }))).what).toBe('is not a revision');
  }
  vi.stubEnv('HF_HUB_OFFLINE', '1');
  const offline = await fails(download());
  expect(offline.message).toContain('HF_HUB_OFFLINE is set');
  expect(hub.seen).toEqual([]);
});

test('a repository of pickles only is refused', async () => {
  for (const path of ['model.safetensors', 'onnx/model.onnx']) hub.files.delete(path);
  expect(await fails(download())).toMatchObject({ code: 'unsupported', where: id });
});

test('no hub at the address', async () => {
  await hub.stop();
  const error = await fails(download());
  expect(error.message).toContain('ECONNREFUSED');
  hub = await LoopbackHub.start({});
});

test('what does not fit is refused before it is fetched', async () => {
  const cache = new RepositoryCache(id);
  expect(await fails(cache.prepare(2 ** 62))).toMatchObject({ code: 'disk-full' });
  await cache.prepare(1);
});

test('without symbolic links the next way is taken', async () => {
  const blob = join(folder, 'blob');
  await writeFile(blob, 'abc');
  const path = join(folder, 'snapshots', 'x', 'a.json');
  const denied = (): Promise<void> => Promise.reject(new Error('EPERM'));
  const copy = async (from: string, to: string): Promise<void> =>
    writeFile(to, await readFile(from));
  await place(blob, path, 3, [denied, denied, copy]);
  expect(await readFile(path, 'utf8')).toBe('abc');
  expect((await lstat(path)).isSymbolicLink()).toBe(false);
});
