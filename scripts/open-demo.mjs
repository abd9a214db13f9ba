// Builds, runs a first analysis in the terminal and opens the demo workspace with the extension
// loaded: in the desktop editor where `code` is on the PATH, else, or with --browser, in one that
// the browser shows.
import { spawnSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { editorAddress, startServer } from '../test/vscode/server.ts';
import { packageExtension } from './package.mjs';

const { values: flags } = parseArgs({ options: { browser: { type: 'boolean' } } });
const root = fileURLToPath(new URL('..', import.meta.url));
const demo = join(root, 'examples', 'digits');
const demoFile = join(demo, 'classify.py');
const model = join('examples', 'digits', 'models', 'mlp-seed0.onnx');

/** Runs Node on `args` in the checkout; true where it went well. */
const node = (...args) =>
  spawnSync(process.execPath, args, { cwd: root, stdio: 'inherit' }).status === 0;

function findCode() {
  const names = process.platform === 'win32' ? ['code.cmd'] : ['code'];
  const folders = (process.env.PATH ?? '').split(delimiter);
  return folders
    .flatMap((folder) => names.map((name) => join(folder, name)))
    .find((path) => {
      try {
        accessSync(path, constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });
}

function openDesktopEditor(code) {
  const args = ['--new-window', `--extensionDevelopmentPath=${root}`, demo, demoFile];
  const { status } = spawnSync(code, args, {
    stdio: 'inherit',
    // A batch file on Windows, which starts only through a shell there.
    shell: process.platform === 'win32',
  });
  if (status !== 0) throw new Error(`${code}: did not open`);
  console.log(`Opened ${demo} in ${code}`);
}

async function openBrowserEditor() {
  // Heeded from before the start: nothing may be left behind.
  const ended = new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.once(signal, resolve);
    // npm passes a signal on to its shell alone: the end of that shell is the end of this.
    const parent = process.ppid;
    setInterval(() => process.ppid !== parent && resolve(), 500).unref();
  });
  console.log('Packaging the extension …');
  const server = await startServer({
    state: join(root, 'build', 'start'),
    vsix: await packageExtension(),
    log: (line) => console.log(line),
  });
  const address = editorAddress(server.origin, demo, [demoFile]);
  console.log(`\nVS Code with Repscope and its demo workspace:\n\n  ${address}\n`);
  console.log('Open this address in a browser on this machine. Ctrl-C ends it.');
  await ended;
  await server.stop();
}

console.log('Building …');
if (!node('scripts/build.mjs')) process.exit(1);
console.log('Fetching the sentence encoder of the demo, where it can be had …');
node('scripts/fetch-minilm.mjs');
console.log(`\n$ npx repscope analyze cka ${model}`);
if (!node('src-core/cli/repscope.mjs', 'analyze', 'cka', model)) process.exitCode = 1;

const code = flags.browser ? undefined : findCode();
if (code) openDesktopEditor(code);
else await openBrowserEditor();
