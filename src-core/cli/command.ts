import type { ParseArgsOptionsConfig } from 'node:util';
import type { JobRunner } from '../jobs/runner.ts';

/** What a command gets: parsed arguments and the streams to speak on. */
export interface Invocation {
  positionals: string[];
  flags: Readonly<Record<string, string | boolean | string[] | undefined>>;
  /** Fires on Ctrl-C. */
  signal: AbortSignal;
  runner: JobRunner;
  /** Result text, on stdout. */
  print: (text: string) => void;
  /** A line for the person, on stderr. */
  note: (text: string) => void;
}

/** One command of `repscope`. */
export interface Command {
  name: string;
  /** After the name, as help shows it. */
  usage: string;
  summary: string;
  /** What its help says after the summary. */
  details?: string;
  options: ParseArgsOptionsConfig;
  /** Fewest and most positional arguments. */
  arity: [number, number];
  run(invocation: Invocation): Promise<void>;
}

export const text = (value: unknown): string | undefined =>
  typeof value === 'string' ? value : undefined;
