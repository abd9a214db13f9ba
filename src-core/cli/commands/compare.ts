import {
  captureDetails,
  captureFlags,
  captureOptions,
  captureUsage,
  parseSettings,
} from '../capture-flags.ts';
import type { Command } from '../command.ts';
import { finishRun } from '../finish-run.ts';
import { runWithProgress } from '../progress.ts';

export const compare: Command = {
  name: 'compare',
  usage: `MODEL_A MODEL_B ${captureUsage} [--set name=value]… [--json] [--html FILE]`,
  summary: 'two models layer by layer: CKA, cosine, signal to difference',
  details: captureDetails,
  options: {
    ...captureFlags,
    set: { type: 'string', multiple: true },
    json: { type: 'boolean' },
    html: { type: 'string' },
  },
  arity: [2, 2],
  async run(invocation) {
    const { positionals, flags } = invocation;
    const [first = '', second = ''] = positionals;
    const result = await runWithProgress(invocation, {
      kind: 'compare',
      inputs: [first, second],
      params: parseSettings(flags['set']),
      cwd: process.cwd(),
      ...captureOptions(flags),
    });
    await finishRun(result, invocation);
  },
};
