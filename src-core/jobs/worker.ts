// The worker process: the only place where a native engine gets loaded.
import { Cancelled, toErrorData } from '../errors.ts';
import type { FromWorker, ToWorker } from './messages.ts';
import { JobHost } from './job-host.ts';

const host = new JobHost();
const cancellations = new Map<number, AbortController>();
/** Progress is for people: no more often than this. */
const progressIntervalMs = 50;

const send = (message: FromWorker) => process.send?.(message);

async function run({ id, job }: Extract<ToWorker, { type: 'job' }>): Promise<void> {
  const controller = new AbortController();
  cancellations.set(id, controller);
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
        if (controller.signal.aborted) throw new Cancelled();
      },
      signal: controller.signal,
    });
    send({ type: 'done', id, answer });
  } catch (error) {
    send({
      type: 'failed',
      id,
      error: toErrorData(controller.signal.aborted ? new Cancelled() : error),
    });
  } finally {
    cancellations.delete(id);
  }
}

process.on('message', (message: ToWorker) => {
  if (message.type === 'job') void run(message);
  else cancellations.get(message.id)?.abort();
});
// The parent died: nobody waits for what we do.
process.on('disconnect', () => process.exit(0));
