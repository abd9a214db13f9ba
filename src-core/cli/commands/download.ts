import { createInterface } from 'node:readline/promises';
import { Cancelled, UserError } from '../../errors.ts';
import { downloadModel } from '../../models/hub/download.ts';
import { planDownload, type DownloadPlan } from '../../models/hub/plan.ts';
import { formatBytes } from '../../results/format.ts';
import { text, type Command } from '../command.ts';
import { ProgressBar } from '../progress.ts';
import { table } from '../table.ts';

export const download: Command = {
  name: 'download',
  usage: 'ID [--revision BRANCH|TAG|COMMIT] [--yes]',
  summary: 'fetch a model from the Hugging Face hub into the local cache',
  options: { revision: { type: 'string' }, yes: { type: 'boolean', short: 'y' } },
  arity: [1, 1],
  async run({ positionals, flags, signal, print, note }) {
    const id = positionals[0]!;
    const revision = text(flags['revision']);
    const plan = await planDownload(id, { revision, signal });
    note(describe(plan));
    if (plan.remaining > 0 && flags['yes'] !== true) await confirm(plan, signal);
    const bar = new ProgressBar();
    const snapshot = await downloadModel(id, { revision, signal, onProgress: bar.update }).finally(
      () => bar.clear(),
    );
    print(snapshot);
  },
};

function describe({ id, revision, commit, host, files, bytes, remaining }: DownloadPlan): string {
  const rows = files.map(({ path, size, present }) => [
    path,
    formatBytes(size),
    present === 0 ? '' : present === size ? 'in the cache' : `${formatBytes(present)} in the cache`,
  ]);
  const rest =
    remaining === 0
      ? 'all in the cache'
      : remaining === bytes
        ? `${formatBytes(bytes)} to download`
        : `${formatBytes(bytes)}, of which ${formatBytes(remaining)} to download`;
  return [
    `${id} at ${revision} (${commit.slice(0, 7)}) from ${host}: ${rest}`,
    table(['file', 'size', ''], rows),
  ].join('\n');
}

/** @throws UserError `usage` where nobody can be asked; Cancelled */
async function confirm({ id, remaining }: DownloadPlan, signal: AbortSignal): Promise<void> {
  const size = formatBytes(remaining);
  if (!process.stdin.isTTY || !process.stderr.isTTY) {
    const remedy = 'add --yes to download it';
    throw new UserError('usage', id, `${size} are not downloaded unasked`, remedy);
  }
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  // Ctrl-C at the question comes to the terminal, not as a signal to the process.
  const stop = new AbortController();
  terminal.once('SIGINT', () => stop.abort());
  try {
    const answer = await terminal
      .question(`Download ${size}? [y/N] `, { signal: AbortSignal.any([signal, stop.signal]) })
      .catch(() => '');
    if (!/^y(es)?$/i.test(answer.trim())) throw new Cancelled();
  } finally {
    terminal.close();
  }
}
