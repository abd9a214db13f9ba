#!/usr/bin/env node
// Stands in for VS Code's own executable where test runners such as @vscode/test-electron expect
// one: takes its command line, runs the suite in a real VS Code shown by a headless browser and
// ends with its exit code. Where that is not 0 it first prints what window and suite logged.
import { resolve } from 'node:path';
import { format, parseArgs } from 'node:util';
import { startEditor } from './editor.ts';

const { values, positionals } = parseArgs({
  strict: false,
  allowPositionals: true,
  options: {
    extensionDevelopmentPath: { type: 'string' },
    extensionTestsPath: { type: 'string' },
    // Taken so that their values are not mistaken for the folder; each run has its own.
    'extensions-dir': { type: 'string' },
    'user-data-dir': { type: 'string' },
  },
});

const logged = [];
let finish;
const finished = new Promise((resolve) => (finish = resolve));
const editor = await startEditor({
  folder: resolve(positionals[0] ?? '.'),
  smokeTestDriver: true,
  payload: (authority) =>
    ['extensionDevelopmentPath', 'extensionTestsPath'].map((name) => [
      name,
      `vscode-remote://${authority}${resolve(values[name]).replaceAll('\\', '/')}`,
    ]),
  async prepare(page) {
    await page.exposeFunction('codeAutomationLog', (type, args) =>
      logged.push(`${type}: ${format(...args)}`),
    );
    await page.exposeFunction('codeAutomationExit', (code) => finish(code));
    page.on('crash', () => {
      logged.push('the window crashed');
      finish(1);
    });
  },
  log: (line) => process.stderr.write(`${line}\n`),
});
const code = await finished;
await editor.stop();
if (code !== 0) process.stderr.write(`${logged.join('\n')}\n`);
process.exitCode = code;
