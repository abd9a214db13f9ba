// `npm start` as a newcomer runs it, where no desktop editor is to be opened.
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import { openWindow } from '../vscode/editor.ts';
import { eventually, PATIENCE_MS, Workbench } from './workbench.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

let started: ChildProcess | undefined;
afterEach(async () => {
  if (started) await end(started);
});

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGTERM');
  await ended;
}

describe('npm start', () => {
  it('prints a first analysis and an address, which shows the demo, and ends with all it started', async () => {
    const child = spawn(process.execPath, ['scripts/open-demo.mjs', '--browser'], {
      cwd: root,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    started = child;
    let output = '';
    const keep = (chunk: Buffer) => (output += chunk.toString());
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);

    const address = await eventually('an address', () => {
      if (child.exitCode !== null) throw new Error(output);
      return Promise.resolve(/http:\/\/127\.0\.0\.1:\d+\/\?folder=\S+/.exec(output)?.[0]);
    });
    expect(output).toMatch(/cka .*n=500/);
    expect(output).toContain('dense1_relu');
    const profile = await mkdtemp(join(tmpdir(), 'repscope-window-'));
    const window = await openWindow(profile);
    try {
      const page = window.pages()[0]!;
      await page.goto(address);
      const lens = new Workbench(page).lens('classify.py', /params/);
      await lens.first().waitFor({ timeout: PATIENCE_MS });
    } finally {
      await window.close();
      await rm(profile, { recursive: true, force: true });
    }

    await end(child);
    await expect(fetch(address)).rejects.toThrow();
  });
});
