import type { Job, JobAnswer, Progress } from '../jobs/messages.ts';
import type { Invocation } from './command.ts';

const barWidth = 24;

/** Progress on stderr: a bar that redraws itself on a terminal, else a line per ten per cent. */
export class ProgressBar {
  readonly #stream: NodeJS.WriteStream;
  #lastTenth = -1;
  #lastMessage = '';
  #drawn = false;

  constructor(stream: NodeJS.WriteStream = process.stderr) {
    this.#stream = stream;
  }

  readonly update = ({ fraction, message }: Progress): void => {
    const percent = Math.round(100 * Math.min(Math.max(fraction, 0), 1));
    if (this.#stream.isTTY) {
      const filled = Math.round((barWidth * percent) / 100);
      const bar = '█'.repeat(filled) + '░'.repeat(barWidth - filled);
      const line = `${bar} ${String(percent).padStart(3)}% ${message}`;
      this.#stream.write(`\r\u001b[2K${line.slice(0, this.#stream.columns - 1)}`);
      this.#drawn = true;
      return;
    }
    const tenth = Math.floor(percent / 10);
    if (tenth === this.#lastTenth && message === this.#lastMessage) return;
    this.#lastTenth = tenth;
    this.#lastMessage = message;
    this.#stream.write(`${percent}% ${message}\n`);
  };

  /** Take the bar off the screen, before anything else is written. */
  clear(): void {
    if (this.#drawn) this.#stream.write('\r\u001b[2K');
    this.#drawn = false;
  }
}

/** Run a job in the worker with its progress on stderr. */
export async function runWithProgress<J extends Job>(
  { runner, signal }: Invocation,
  job: J,
): Promise<JobAnswer<J>> {
  const bar = new ProgressBar();
  try {
    return await runner.run(job, { signal, onProgress: bar.update });
  } finally {
    bar.clear();
  }
}
