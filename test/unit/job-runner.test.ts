import { readFileSync } from 'node:fs';
import { afterAll, expect, it } from 'vitest';
import { Cancelled, UserError } from '@repscope/core/errors.ts';
import type { AnalyzeJob } from '@repscope/core/jobs/messages.ts';
import { JobRunner } from '@repscope/core/jobs/runner.ts';
import { temporaryFolder } from '../support/folders.ts';
import { writeJson } from '../support/matrices.ts';

const fixture = JSON.parse(
  readFileSync(
    new URL('../fixtures/formulas/kornblith_seed1337_100x10.json', import.meta.url),
    'utf8',
  ),
) as { X: number[][]; Y: number[][] };

const runner = new JobRunner();
afterAll(() => runner.dispose());

function ckaJob(params: Record<string, unknown> = {}): AnalyzeJob {
  const cwd = temporaryFolder();
  writeJson(cwd, 'a.json', fixture.X);
  writeJson(cwd, 'b.json', fixture.Y);
  return {
    kind: 'analyze',
    analysis: 'cka',
    inputs: ['a.json', 'b.json'],
    params,
    cwd,
    device: 'cpu',
  };
}

/** Most of a minute of work: it does not finish by itself while a test acts. */
const longJob = () => ckaJob({ permutations: 1_000_000 });

/** Starts a long job; resolves once it reported progress from inside the analysis. */
function startLong(signal?: AbortSignal) {
  const { promise: begun, resolve: began, reject: neverBegan } = Promise.withResolvers<undefined>();
  const done = runner.run(longJob(), {
    ...(signal ? { signal } : {}),
    onProgress: ({ fraction }) => fraction > 0.6 && began(undefined),
  });
  done.catch(neverBegan);
  return {
    begun,
    outcome: done.then(
      () => undefined,
      (error: unknown) => error,
    ),
  };
}

it('runs in another process and answers the printed value', async () => {
  const result = await runner.run(ckaJob());
  expect(result.values['cka']).toBeCloseTo(0.5134564895, 9);
  expect(result).toMatchObject({ n: 100, d: 10, device: 'cpu', warnings: [] });
  expect(runner.pid).not.toBe(process.pid);
});

it('passes errors for the user on', async () => {
  await expect(runner.run({ ...ckaJob(), inputs: ['a.json', 'none.npy'] })).rejects.toMatchObject({
    code: 'missing',
  });
  await expect(runner.run(ckaJob({ estimator: 'best' }))).rejects.toThrow(/estimator/);
});

it('survives a worker that dies: one clear error, then a new worker', async () => {
  const { begun, outcome } = startLong();
  await begun;
  const pid = runner.pid!;
  process.kill(pid, 'SIGKILL');
  const error = await outcome;
  expect(error).toBeInstanceOf(UserError);
  expect(error).toMatchObject({ code: 'worker-crashed' });
  const result = await runner.run(ckaJob());
  expect(result.values['cka']).toBeCloseTo(0.5134564895, 9);
  expect(runner.pid).not.toBe(pid);
});

it('cancels a running job and keeps the worker', async () => {
  const controller = new AbortController();
  const { begun, outcome } = startLong(controller.signal);
  await begun;
  const pid = runner.pid;
  controller.abort();
  expect(await outcome).toBeInstanceOf(Cancelled);
  expect(runner.pid).toBe(pid);
});

it.skipIf(process.platform === 'win32')('ends a worker that does not answer a cancel', async () => {
  const controller = new AbortController();
  const { begun, outcome } = startLong(controller.signal);
  await begun;
  process.kill(runner.pid!, 'SIGSTOP');
  controller.abort();
  expect(await outcome).toBeInstanceOf(Cancelled);
  expect((await runner.run(ckaJob())).values['cka']).toBeCloseTo(0.5134564895, 9);
});

it('lets jobs wait in line, and cancels one that waits', async () => {
  const first = new AbortController();
  const second = new AbortController();
  const { begun, outcome } = startLong(first.signal);
  await begun;
  const messages: string[] = [];
  const waiting = runner
    .run(ckaJob(), { signal: second.signal, onProgress: ({ message }) => messages.push(message) })
    .catch((error: unknown) => error);
  const third = runner.run(ckaJob());
  second.abort();
  expect(await waiting).toBeInstanceOf(Cancelled);
  expect(messages).toEqual(['Waiting for the running analysis']);
  first.abort();
  await outcome;
  expect((await third).values['cka']).toBeCloseTo(0.5134564895, 9);
});
