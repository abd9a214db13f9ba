import { findAnalysis } from '../../analyses/registry.ts';
import {
  captureDetails,
  captureFlags,
  captureOptions,
  captureUsage,
  parseSettings,
  probeOfEach,
} from '../capture-flags.ts';
import { text, type Command } from '../command.ts';
import { finishRun } from '../finish-run.ts';
import { runWithProgress } from '../progress.ts';

export const analyze: Command = {
  name: 'analyze',
  usage: `ID INPUT… ${captureUsage} [--labels FILE] [--set name=value]… [--json] [--html FILE]`,
  summary: 'run an analysis on models or matrices',
  details: captureDetails,
  options: {
    ...captureFlags,
    labels: { type: 'string' },
    set: { type: 'string', multiple: true },
    json: { type: 'boolean' },
    html: { type: 'string' },
  },
  arity: [2, Infinity],
  async run(invocation) {
    const { positionals, flags } = invocation;
    const [analysis = '', ...inputs] = positionals;
    const definition = findAnalysis(analysis);
    const labels = text(flags['labels']);
    const result = await runWithProgress(invocation, {
      kind: 'analyze',
      analysis: definition.id,
      inputs,
      params: parseSettings(flags['set']),
      ...(labels === undefined ? {} : { labels }),
      cwd: process.cwd(),
      ...captureOptions(flags),
      ...probeOfEach(flags),
    });
    await finishRun(result, invocation);
  },
};
