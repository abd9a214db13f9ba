// What a job that is stopped, or too large, leaves behind: the real worker, its real memory.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, it } from 'vitest';
import { Cancelled } from '@repscope/core/errors.ts';
import type { AnalyzeJob } from '@repscope/core/jobs/messages.ts';
import { JobRunner } from '@repscope/core/jobs/runner.ts';
import { temporaryFolder } from '../support/folders.ts';
import { writeJson } from '../support/matrices.ts';

const samples = 5000;
const mebibyte = 2 ** 20;
/** Two kernel matrices in float64. */
const matrices = 2 * samples ** 2 * 8;

const lines: string[] = [];
const runner = new JobRunner({ log: (line) => lines.push(line) });
afterAll(() => runner.dispose());

/** Matrices whose kernels take `matrices` bytes while their samples are permuted. */
function folderOfTallMatrices(): string {
  const cwd = temporaryFolder();
  for (const [name, step] of [
    ['a.json', 0.37],
    ['b.json', 0.61],
  ] as const) {
    const rows = Array.from({ length: samples }, (_, at) => [Math.sin(at * step), at % 7]);
    writeJson(cwd, name, rows);
  }
  return cwd;
}

const residentBytes = (pid: number) =>
  Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]) * 1024;

it.skipIf(process.platform !== 'linux')(
  'a cancelled analysis stops within two seconds, and its memory is free then',
  async () => {
    const job: AnalyzeJob = {
      kind: 'analyze',
      analysis: 'cka',
      inputs: ['a.json', 'b.json'],
      // Hours of them.
      params: { permutations: 1_000_000 },
      cwd: folderOfTallMatrices(),
      device: 'cpu',
    };
    await runner.run({ kind: 'devices' });
    const pid = runner.pid!;
    const idle = residentBytes(pid);
    const controller = new AbortController();
    let peak = 0;
    let stopped = 0;
    const outcome = await runner
      .run(job, {
        signal: controller.signal,
        onProgress: () => {
          peak = residentBytes(pid);
          if (peak < idle + 0.9 * matrices || controller.signal.aborted) return;
          stopped = performance.now();
          controller.abort();
        },
      })
      .catch((error: unknown) => error);
    const seconds = () => (performance.now() - stopped) / 1000;
    expect(outcome).toBeInstanceOf(Cancelled);
    expect(seconds()).toBeLessThan(2);
    // It answered by itself: the worker was not ended, and lets go of what it held.
    expect(runner.pid).toBe(pid);
    expect(lines.join('\n')).not.toMatch(/no answer to cancel/);
    // Threads of its own give the memory back.
    const free = () => residentBytes(pid) < peak - 0.7 * matrices;
    while (!free() && seconds() < 2) await setTimeout(10);
    expect(free()).toBe(true);
  },
);

it('a job over the memory bound refuses with the figures before it starts', () => {
  const main = fileURLToPath(new URL('../../src-core/cli/main.ts', import.meta.url));
  const cwd = folderOfTallMatrices();
  const bound = ['--memory', '64', '--device', 'cpu'];
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [main, 'analyze', 'cka', 'a.json', 'b.json', '--set', 'permutations=10', ...bound],
    { cwd, encoding: 'utf8', env: { ...process.env, REPSCOPE_STORAGE: `${cwd}/storage` } },
  );
  expect(status).toBe(1);
  expect(stdout).toBe('');
  expect(stderr.split('\n').filter((line) => line.startsWith('repscope:'))).toEqual([
    expect.stringMatching(
      /^repscope: cka: 2 kernel matrices of 5000 × 5000: need 381 MiB, and the bound is [\d.]+ MiB; .*--memory/,
    ),
  ]);
  expect(matrices / mebibyte).toBeCloseTo(381, 0);
});
