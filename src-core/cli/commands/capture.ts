import { UserError } from '../../errors.ts';
import { captureDetails, captureFlags, captureOptions, captureUsage } from '../capture-flags.ts';
import { text, type Command } from '../command.ts';
import { runWithProgress } from '../progress.ts';
import { formatShape } from '../../results/format.ts';
import { table } from '../table.ts';

export const capture: Command = {
  name: 'capture',
  usage: `MODEL ${captureUsage} --out FILE.safetensors`,
  summary: 'write the activations of layers over a probe set',
  details: captureDetails,
  options: { ...captureFlags, out: { type: 'string' } },
  arity: [1, 1],
  async run(invocation) {
    const { positionals, flags, print, note } = invocation;
    const out = text(flags['out']);
    if (out === undefined) {
      throw new UserError('usage', 'capture', 'no file to write', 'add --out FILE.safetensors');
    }
    const written = await runWithProgress(invocation, {
      kind: 'capture',
      input: positionals[0]!,
      out,
      cwd: process.cwd(),
      ...captureOptions(flags),
    });
    for (const warning of written.warnings) note(`warning: ${warning}`);
    const rows = written.layers.map(({ name, shape, value }) => [
      name,
      formatShape(shape),
      formatShape(value),
    ]);
    print(table(['layer', 'samples × units', 'value'], rows));
    note(`written to ${out}`);
  },
};
