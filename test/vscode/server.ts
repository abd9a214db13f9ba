import { spawn, type ChildProcess } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { provideVsCode } from './distribution.ts';
import { exec } from './exec.ts';

export interface ServerOptions {
  /** Folder for extensions, settings and logs of this server. */
  state: string;
  settings?: Record<string, unknown>;
  /** Extension package to install before the start. */
  vsix?: string;
  /** Exposes the test driver to the page. Hides toasts. */
  smokeTestDriver?: boolean;
  /** Ends by itself minutes after its last window, should whoever started it die before. */
  endWithoutWindow?: boolean;
  log?: (line: string) => void;
}

export interface EditorServer {
  /** Loopback address without a path. */
  origin: string;
  pid: number;
  /** Ends VS Code with everything it started. */
  stop(): Promise<void>;
}

/** Nothing that asks, tours or phones while a test looks on. */
const quietSettings = {
  'security.workspace.trust.startupPrompt': 'never',
  'security.workspace.trust.enabled': false,
  'workbench.startupEditor': 'none',
  'workbench.secondarySideBar.defaultVisibility': 'hidden',
  'workbench.tips.enabled': false,
  'chat.disableAIFeatures': true,
  'telemetry.telemetryLevel': 'off',
  'update.mode': 'none',
  'extensions.autoUpdate': false,
  'git.enabled': false,
  'window.commandCenter': false,
};

/** A VS Code server on a free loopback port; the page at its origin is the whole editor. */
export async function startServer(options: ServerOptions): Promise<EditorServer> {
  const { state, settings = {}, vsix, log = () => undefined } = options;
  const vscode = await provideVsCode(log);
  const main = join(vscode, 'out', 'server-main.js');
  const user = join(state, 'server', 'data', 'User');
  const extensions = join(state, 'extensions');
  await mkdir(user, { recursive: true });
  await mkdir(extensions, { recursive: true });
  await writeFile(
    join(user, 'settings.json'),
    JSON.stringify({ ...quietSettings, ...settings }, null, 2),
  );
  const folders = [
    '--accept-server-license-terms',
    ...['--server-data-dir', join(state, 'server')],
    ...['--extensions-dir', extensions],
  ];
  if (vsix) await exec(process.execPath, [main, '--install-extension', vsix, ...folders]);

  const port = await freePort();
  const child = spawn(
    process.execPath,
    [
      main,
      ...folders,
      ...['--user-data-dir', join(state, 'server', 'data')],
      ...['--host', '127.0.0.1'],
      ...['--port', String(port)],
      '--without-connection-token',
      ...['--telemetry-level', 'off'],
      ...(options.endWithoutWindow ? ['--enable-remote-auto-shutdown'] : []),
      ...(options.smokeTestDriver ? ['--enable-smoke-test-driver'] : []),
    ],
    {
      // A process group of its own, so that nothing it starts outlives it.
      detached: true,
      env: { ...process.env, EXTENSIONS_GALLERY: '{}' },
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  );
  let output = '';
  const keep = (chunk: Buffer) => (output = (output + chunk.toString()).slice(-4000));
  child.stdout.on('data', keep);
  child.stderr.on('data', keep);
  const stop = () => endGroup(child);
  process.once('exit', () => signalGroup(child, 'SIGKILL'));
  const origin = `http://127.0.0.1:${port}`;
  try {
    await answers(`${origin}/version`, child, () => output);
  } catch (error) {
    await stop();
    throw error;
  }
  return { origin, pid: child.pid!, stop };
}

/** Address of the editor on `folder`, with `files` (absolute paths) open and further payload. */
export function editorAddress(
  origin: string,
  folder: string,
  files: string[] = [],
  payload: [string, string][] = [],
): string {
  const remote = (path: string) => `vscode-remote://${new URL(origin).host}${urlPath(path)}`;
  const entries = [
    ...files.map((file): [string, string] => ['openFile', remote(file)]),
    ...payload,
  ];
  const query = new URLSearchParams({ folder: urlPath(folder) });
  if (entries.length > 0) query.set('payload', JSON.stringify(entries));
  return `${origin}/?${query.toString().replaceAll('%2F', '/')}`;
}

/** As it stands after the authority of a URI: forward slashes, one in front. */
function urlPath(path: string): string {
  const slashes = path.replaceAll('\\', '/');
  return slashes.startsWith('/') ? slashes : `/${slashes}`;
}

async function freePort(): Promise<number> {
  const probe = createServer();
  await new Promise<void>((resolve, reject) => {
    probe.once('error', reject);
    probe.listen(0, '127.0.0.1', resolve);
  });
  const address = probe.address();
  await new Promise((resolve) => probe.close(resolve));
  if (address === null || typeof address === 'string') throw new Error('no free loopback port');
  return address.port;
}

async function answers(url: string, child: ChildProcess, output: () => string): Promise<void> {
  const deadline = Date.now() + 60_000;
  while (Date.now() < deadline) {
    if (child.exitCode !== null) {
      throw new Error(`VS Code ended with code ${child.exitCode}\n${output()}`);
    }
    const answer = await fetch(url).catch(() => undefined);
    if (answer?.ok) return;
    await delay(100);
  }
  throw new Error(`VS Code did not answer at ${url} within a minute\n${output()}`);
}

async function endGroup(child: ChildProcess): Promise<void> {
  const gone = () => child.exitCode !== null || child.signalCode !== null;
  const ended = gone() ? Promise.resolve() : new Promise((resolve) => child.once('exit', resolve));
  signalGroup(child, 'SIGTERM');
  await Promise.race([ended, delay(5000)]);
  // The extension host and what it started may outlive the server itself.
  signalGroup(child, 'SIGKILL');
  await ended;
}

function signalGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined) return;
  try {
    if (process.platform === 'win32') child.kill(signal);
    else process.kill(-child.pid, signal);
  } catch {
    // The whole group is gone already.
  }
}
