import type { ParseArgsOptionsConfig } from 'node:util';
import { UserError } from '../errors.ts';
import type { DeviceChoice } from '../engine/engine.ts';
import { pools, type CaptureOptions, type InputOptions } from '../jobs/messages.ts';
import { activationFolder, defaultStorage } from '../results/locations.ts';
import { text, type Invocation } from './command.ts';

/** Flags of every command that runs a model. */
export const captureFlags = {
  probe: { type: 'string', multiple: true },
  layers: { type: 'string' },
  pool: { type: 'string' },
  device: { type: 'string' },
  memory: { type: 'string' },
} as const satisfies ParseArgsOptionsConfig;

export const captureUsage =
  '[--probe SPEC] [--layers GLOB,…] [--pool mean|last|cls|none|word] [--device auto|cpu|webgpu|cuda] [--memory MIB]';

/** What `SPEC` may be, and what pooling means. */
export const captureDetails = [
  'Probes: default, text, digits, noise:COUNT;',
  '  FILE.txt, FILE.jsonl, FILE.csv, FILE.tsv, with columns as FILE#text=COLUMN&label=COLUMN&group=COLUMN;',
  '  FILE.npy, FILE.npz#KEY, FILE.safetensors#KEY, a row a sample;',
  '  a folder (or file) of images or .wav files, subfolders are labels.',
  'An analysis of different samples takes one for each input: --probe A --probe B.',
  'Pooling of the tokens of a text: their mean, the last, the first (cls), none of it (a row a token),',
  '  or word (a row a word, the same for every tokenizer).',
].join('\n');

const devices: readonly DeviceChoice[] = ['auto', 'cpu', 'webgpu', 'cuda'];

function choice<T extends string>(flag: string, value: string, known: readonly T[]): T {
  const found = known.find((item) => item === value);
  if (found !== undefined) return found;
  throw new UserError(
    'usage',
    `--${flag}`,
    `'${value}' is none of its values`,
    `use ${known.join(', ')}`,
  );
}

/** Every `--probe`, in the order given. */
const probes = (flags: Invocation['flags']): string[] =>
  Array.isArray(flags['probe']) ? flags['probe'] : [];

/** Several probes are those of the inputs, one for each. */
export function probeOfEach(flags: Invocation['flags']): { each?: InputOptions[] } {
  const given = probes(flags);
  return given.length > 1 ? { each: given.map((probe) => ({ probe })) } : {};
}

export function captureOptions(flags: Invocation['flags']): CaptureOptions {
  const [probe] = probes(flags);
  const layers = text(flags['layers'])
    ?.split(',')
    .map((glob) => glob.trim());
  const pool = text(flags['pool']);
  const device = text(flags['device']);
  const memory = text(flags['memory']);
  if (memory !== undefined && !(Number(memory) > 0)) {
    throw new UserError(
      'usage',
      '--memory',
      `'${memory}' is not a number of MiB`,
      'use e.g. --memory 2048',
    );
  }
  return {
    ...(probe === undefined ? {} : { probe }),
    ...(layers === undefined ? {} : { layers }),
    ...(pool === undefined ? {} : { pool: choice('pool', pool, pools) }),
    ...(device === undefined ? {} : { device: choice('device', device, devices) }),
    ...(memory === undefined ? {} : { memoryLimit: Number(memory) * 2 ** 20 }),
    cacheFolder: activationFolder(defaultStorage()),
  };
}

/** `--set name=value`, any number of times. */
export function parseSettings(values: unknown): Record<string, unknown> {
  const params: Record<string, unknown> = {};
  for (const item of Array.isArray(values) ? (values as string[]) : []) {
    const at = item.indexOf('=');
    if (at < 1) {
      throw new UserError(
        'usage',
        `--set ${item}`,
        'is not name=value',
        'use e.g. --set estimator=biased',
      );
    }
    params[item.slice(0, at)] = item.slice(at + 1);
  }
  return params;
}
