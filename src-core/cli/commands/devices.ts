import type { Command } from '../command.ts';
import { table } from '../table.ts';

export const devices: Command = {
  name: 'devices',
  usage: '[--json]',
  summary: 'what this machine can run on, and why not the rest',
  options: { json: { type: 'boolean' } },
  arity: [0, 0],
  async run({ flags, runner, signal, print }) {
    const found = await runner.run({ kind: 'devices' }, { signal });
    if (flags['json'] === true) {
      print(JSON.stringify(found));
      return;
    }
    const rows = found.map(({ name, available, gflops, detail, reason }) => [
      name,
      available ? 'yes' : 'no',
      gflops === undefined ? '' : `${Math.round(gflops)} GFLOP/s`,
      (available ? detail : reason) ?? '',
    ]);
    print(table(['device', 'available', 'speed', ''], rows));
  },
};
