import { spawn } from 'node:child_process';
import { readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { commit, LoopbackHub, strike } from '@repscope/core/models/hub/testing.ts';
import { smallFileSystem, temporaryFolder } from '../support/folders.ts';

const main = fileURLToPath(new URL('../../src-core/cli/main.ts', import.meta.url));

let hub: LoopbackHub;
beforeEach(async () => {
  hub = await LoopbackHub.start({
    'config.json': '{}',
    'model.safetensors': Buffer.alloc(2 * 2 ** 20),
  });
});
afterEach(() => hub.stop());

interface Finished {
  status: number | null;
  stdout: string;
  stderr: string;
}

function repscope(
  cache: string,
  args: string[],
  onStderr?: (text: string, interrupt: () => void) => void,
): Promise<Finished> {
  const env = { ...process.env, HF_HUB_CACHE: cache, HF_HOME: cache, HF_ENDPOINT: hub.address };
  const child = spawn(process.execPath, [main, ...args], { cwd: cache, env });
  let stdout = '';
  let stderr = '';
  let isInterrupted = false;
  child.stdout.on('data', (data: Buffer) => (stdout += data.toString()));
  child.stderr.on('data', (data: Buffer) => {
    stderr += data.toString();
    onStderr?.(stderr, () => {
      if (!isInterrupted) child.kill('SIGINT');
      isInterrupted = true;
    });
  });
  return new Promise((resolve) => {
    child.on('close', (status) => resolve({ status, stdout, stderr }));
  });
}

it('shows the size, downloads only on --yes, and then finds the model', async () => {
  const cache = temporaryFolder();
  const absent = await repscope(cache, ['inspect', 'org/model']);
  expect(absent.status).toBe(2);
  expect(absent.stderr).toContain('`repscope download org/model`');

  const unasked = await repscope(cache, ['download', 'org/model']);
  expect(unasked.status).toBe(2);
  expect(unasked.stderr).toMatch(/model\.safetensors +2 MiB/);
  expect(unasked.stderr).toContain('org/model: 2 MiB are not downloaded unasked; add --yes');
  expect(readdirSync(cache)).toEqual([]);

  const snapshot = join(cache, 'models--org--model', 'snapshots', commit);
  const done = await repscope(cache, ['download', 'org/model', '--yes']);
  expect(done).toMatchObject({ status: 0, stdout: `${snapshot}\n` });
  const again = await repscope(cache, ['download', 'org/model']);
  expect(again).toMatchObject({ status: 0, stdout: `${snapshot}\n` });
  expect(again.stderr).toContain('all in the cache');
  expect(hub.transfers('model.safetensors')).toEqual(['hub', 'cdn']);
});

it('keeps what has come on Ctrl-C', async () => {
  const cache = temporaryFolder();
  hub.faults.push(
    strike(1, 'model.safetensors', (response) => {
      response.setHeader('content-length', 2 * 2 ** 20);
      response.write(Buffer.alloc(2 ** 20));
    }),
  );
  const stopped = await repscope(cache, ['download', 'org/model', '-y'], (text, interrupt) => {
    if (text.includes('% model.safetensors')) interrupt();
  });
  expect(stopped.status).toBe(130);
  expect(stopped.stderr).toContain('repscope: cancelled');
  const done = await repscope(cache, ['download', 'org/model', '-y']);
  expect(done.status).toBe(0);
  expect(hub.transfers('model.safetensors').at(-1)).toMatch(/^cdn bytes=[1-9]\d*-$/);
});

it('says that the disk is full before it fetches', async ({ skip }) => {
  const cache = smallFileSystem(1024) ?? skip('mounting is not allowed');
  const { status, stderr } = await repscope(cache, ['download', 'org/model', '-y']);
  expect(status).toBe(1);
  expect(stderr).toContain('free space, or set HF_HOME to a folder on another disk');
  expect(hub.transfers('model.safetensors')).toEqual([]);
});

it('keeps what has come when the disk fills up meanwhile', async ({ skip }) => {
  const cache = smallFileSystem(4096) ?? skip('mounting is not allowed');
  const filler = join(cache, 'filler');
  hub.faults.push(({ host }) => {
    if (host === 'cdn') writeFileSync(filler, Buffer.alloc(3 * 2 ** 20));
    return false;
  });
  const full = await repscope(cache, ['download', 'org/model', '-y']);
  expect(full.status).toBe(1);
  expect(full.stderr).toContain(
    'the disk is full; free space and download again: what has come is kept',
  );
  hub.faults.pop();
  rmSync(filler);
  const done = await repscope(cache, ['download', 'org/model', '-y']);
  expect(done.status).toBe(0);
  expect(hub.transfers('model.safetensors').at(-1)).toMatch(/^cdn bytes=[1-9]\d*-$/);
});
