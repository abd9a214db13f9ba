// The worker process: the only place where a native engine gets loaded.
import { Cancelled, toErrorData } from '../errors.ts';
import { collectGarbage } from './collect-garbage.ts';
import type { FromWorker, ToWorker } from './messages.ts';
import { JobHost } from './job-host.ts';

const host = new JobHost();
const cancellations = new Map<number, AbortController>();
/** Progress is for people: no more often than this. */
const progressIntervalMs = 50;

const send = (message: FromWorker) => process.send?.(message);

async function run(message: Extract<ToWorker, { type: 'job' }>): Promise<void> {
  const controller = new AbortController();
  cancellations.set(message.id, controller);
  const answer = await outcome(message, controller.signal);
  cancellations.delete(message.id);
  if (answer.type === 'done') send(answer);
  if (controller.signal.aborted) await host.release();
  collectGarbage();
  // Once a cancel is answered, its memory is free.
  if (answer.type !== 'done') send(answer);
}

/** What a job ends with. An error is told and not kept: its stack would keep what the job held. */
async function outcome(
  { id, job }: Extract<ToWorker, { type: 'job' }>,
  signal: AbortSignal,
): Promise<FromWorker> {
  let lastSent = 0;
  try {
    const answer = await host.run(job, {
      step: async (fraction, message) => {
        const now = performance.now();
        if (now - lastSent >= progressIntervalMs) {
          lastSent = now;
          send({ type: 'progress', id, progress: { fraction, message } });
        }
        // Lets a cancel message in.
        await new Promise<void>((resolve) => setImmediate(resolve));
        if (signal.aborted) throw new Cancelled();
      },
      signal,
    });
    return { type: 'done', id, answer };
  } catch (error) {
    return { type: 'failed', id, error: toErrorData(signal.aborted ? new Cancelled() : error) };
  }
}

process.on('message', (message: ToWorker) => {
  if (message.type === 'job') void run(message);
  else cancellations.get(message.id)?.abort();
});
// The parent died: nobody waits for what we do.
process.on('disconnect', () => process.exit(0));
