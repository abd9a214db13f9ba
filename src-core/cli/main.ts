import { parseArgs } from 'node:util';
import { Cancelled, toErrorData, UserError } from '../errors.ts';
import { JobRunner } from '../jobs/runner.ts';
import { version } from '../version.ts';
import type { Command } from './command.ts';
import { analyze } from './commands/analyze.ts';
import { capture } from './commands/capture.ts';
import { compare } from './commands/compare.ts';
import { devices } from './commands/devices.ts';
import { download } from './commands/download.ts';
import { inspect } from './commands/inspect.ts';
import { list } from './commands/list.ts';
import { run as runRecipe } from './commands/run.ts';
import { runs, show } from './commands/runs.ts';

const commands: readonly Command[] = [
  list,
  inspect,
  download,
  capture,
  analyze,
  compare,
  runRecipe,
  runs,
  show,
  devices,
];

/** Exit status after Ctrl-C: 128 + SIGINT. */
const cancelledStatus = 130;

function help(): string {
  const width = Math.max(...commands.map(({ name }) => name.length));
  return [
    `repscope ${version}: representation analyses of neural models`,
    '',
    ...commands.map(({ name, summary }) => `  ${name.padEnd(width)}  ${summary}`),
    '',
    'repscope COMMAND --help shows its arguments.',
    'INPUT is a model path or hub id, or a matrix: file.npy, file.npz#key, file.json, or one tensor of a weight file: file.safetensors#key, file.gguf#key, file.pt#key, file.keras#key.',
  ].join('\n');
}

function parse(command: Command, args: string[]) {
  try {
    return parseArgs({
      args,
      options: { ...command.options, help: { type: 'boolean', short: 'h' } },
      allowPositionals: true,
    });
  } catch (error) {
    const reason = error instanceof Error ? error.message.split('. ', 1)[0]! : String(error);
    throw new UserError(
      'usage',
      command.name,
      reason,
      `see repscope ${command.name} --help`,
      error,
    );
  }
}

async function run(args: string[], signal: AbortSignal): Promise<void> {
  const print = (text: string) => void process.stdout.write(`${text}\n`);
  const [name, ...rest] = args;
  if (name === undefined || name === 'help' || name === '--help' || name === '-h') {
    print(help());
    return;
  }
  if (name === '--version') {
    print(version);
    return;
  }
  const command = commands.find((candidate) => candidate.name === name);
  if (!command) {
    const names = commands.map((candidate) => candidate.name).join(', ');
    throw new UserError('usage', name, 'no such command', `use one of ${names}`);
  }
  const { values, positionals } = parse(command, rest);
  if (values.help === true) {
    const { usage, summary, details } = command;
    print(
      [`repscope ${command.name} ${usage}`, summary, ...(details ? [details] : [])].join('\n\n'),
    );
    return;
  }
  const [fewest, most] = command.arity;
  if (positionals.length < fewest || positionals.length > most) {
    throw new UserError(
      'usage',
      command.name,
      `${positionals.length} arguments given`,
      `use repscope ${command.name} ${command.usage}`,
    );
  }
  const note = (text: string) => void process.stderr.write(`${text}\n`);
  const log = process.env['REPSCOPE_DEBUG'] ? note : () => undefined;
  const runner = new JobRunner({ log });
  try {
    await command.run({
      positionals,
      flags: values,
      signal,
      runner,
      print,
      note,
    });
  } finally {
    await runner.dispose();
  }
}

// A reader that has seen enough (`| head`) closes the pipe: nothing is left to say.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0);
  throw error;
});
const interrupt = new AbortController();
process.once('SIGINT', () => interrupt.abort());
process.once('SIGTERM', () => interrupt.abort());
try {
  await run(process.argv.slice(2), interrupt.signal);
} catch (error) {
  if (error instanceof Cancelled) {
    process.stderr.write('repscope: cancelled\n');
    process.exitCode = cancelledStatus;
  } else {
    const { where, what, remedy } = toErrorData(error);
    process.stderr.write(`repscope: ${where}: ${what}; ${remedy}\n`);
    process.exitCode = error instanceof UserError ? error.exitStatus : 1;
    if (process.env['REPSCOPE_DEBUG'] && error instanceof Error) {
      process.stderr.write(`${error.stack ?? ''}\n`);
    }
  }
}
