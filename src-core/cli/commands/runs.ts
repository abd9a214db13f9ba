import { UserError } from '../../errors.ts';
import { exportResult } from '../../results/export.ts';
import { defaultStorage } from '../../results/locations.ts';
import { openStore, type RunStore } from '../../results/store.ts';
import { text, type Command } from '../command.ts';
import { writeReport } from '../../recipe/report.ts';
import { showResult } from '../show-result.ts';
import { table } from '../table.ts';

async function withStore<T>(use: (store: RunStore) => T | Promise<T>): Promise<T> {
  const store = openStore(defaultStorage());
  try {
    return await use(store);
  } finally {
    store.close();
  }
}

export const runs: Command = {
  name: 'runs',
  usage: '[--json]',
  summary: 'stored runs, newest first',
  options: { json: { type: 'boolean' } },
  arity: [0, 0],
  async run({ flags, print }) {
    const found = await withStore((store) => store.list());
    if (flags['json'] === true) print(JSON.stringify(found));
    else if (found.length === 0) print('no runs yet; start one with repscope analyze');
    else {
      const rows = found.map((run) => [
        run.id,
        run.created,
        run.analysis,
        run.headline,
        run.uris.join(' '),
      ]);
      print(table(['run', 'created', 'analysis', 'headline', 'inputs'], rows));
    }
  },
};

export const show: Command = {
  name: 'show',
  usage: 'RUN [--json] [--html FILE]',
  summary: 'a stored run again',
  options: { json: { type: 'boolean' }, html: { type: 'string' } },
  arity: [1, 1],
  async run({ positionals, flags, print, note }) {
    const id = positionals[0]!;
    const stored = await withStore((store) => store.get(id));
    if (!stored) {
      throw new UserError('missing', `run ${id}`, 'no such run', 'see repscope runs');
    }
    const { run, result } = stored;
    print(flags['json'] === true ? JSON.stringify(result) : showResult(result));
    const html = text(flags['html']);
    if (html !== undefined) {
      await writeReport(html, await exportResult(run, result, 'html'));
      note(`report written to ${html}`);
    }
  },
};
