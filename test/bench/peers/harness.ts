// Repscope beside Python: the same files, by turns on the same processor, from reading the files to
// the number. Each side is one process that stays alive, so that starting it, its imports and the
// first, cold round are left out.
import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { availableParallelism, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { Random } from '../../../src-core/analyses/random.ts';

/** One or more .npy files of one input: several are the layers of a model. */
export type SideFiles = string | readonly string[];

/** What one side of a comparison runs. */
export interface Work {
  /** Analysis id, or the name of the function in the Python script. */
  run: string;
  sides: readonly SideFiles[];
  params?: Readonly<Record<string, unknown>>;
}

export interface Case {
  /** First cell of the row. */
  title: string;
  ours: Work & {
    /** File of labels, one a line, for the samples of every side. */
    labels?: string;
    /** The value that is compared; the headline where absent. */
    value?: string;
  };
  /** By the name that the table shows, e.g. `numpy`. */
  peers: Readonly<Record<string, Work>>;
  /** Rounds of each side behind the median, after one that warms up; 5 where absent. */
  rounds?: number;
}

interface Round {
  seconds: number;
  /** Seconds that the processor worked, all threads together. */
  busy: number;
  value: number[];
}

/** A process that runs one round for each line it is sent. */
class Runner {
  readonly #child: ChildProcessByStdio<Writable, Readable, null>;
  readonly #answers: AsyncIterator<string>;

  constructor(command: string, args: readonly string[]) {
    const threads = String(availableParallelism());
    this.#child = spawn(command, args, {
      stdio: ['pipe', 'pipe', 'inherit'],
      env: { ...process.env, OPENBLAS_NUM_THREADS: threads, OMP_NUM_THREADS: threads },
    });
    this.#answers = createInterface(this.#child.stdout)[Symbol.asyncIterator]();
  }

  async round(work: Work): Promise<Round> {
    this.#child.stdin.write(`${JSON.stringify(work)}\n`);
    const line = await this.#answers.next();
    if (line.done === true) throw new Error(`the process of ${work.run} ended`);
    return JSON.parse(line.value) as Round;
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null) return;
    this.#child.stdin.end();
    await once(this.#child, 'exit');
  }
}

/** A folder for the data of a benchmark; removed by the second function. */
export async function dataFolder(): Promise<[folder: string, remove: () => Promise<void>]> {
  const folder = await mkdtemp(join(tmpdir(), 'repscope-peers-'));
  return [folder, () => rm(folder, { recursive: true })];
}

/** Write n × d float32 (or other) values, row by row, as a .npy file; gives its path. */
export async function writeNpy(
  folder: string,
  name: string,
  [n, d]: readonly [n: number, d: number],
  data: Float32Array | Float64Array,
): Promise<string> {
  const type = data instanceof Float64Array ? 'f8' : 'f4';
  const text = `{'descr': '<${type}', 'fortran_order': False, 'shape': (${n}, ${d}), }`;
  // The data start at a multiple of 64 bytes; magic, version and length take ten.
  const header = text.padEnd(Math.ceil((text.length + 11) / 64) * 64 - 11) + '\n';
  const start = Buffer.from(`\x93NUMPY\x01\x00\0\0${header}`, 'latin1');
  start.writeUInt16LE(header.length, 8);
  const path = join(folder, `${name}.npy`);
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  await writeFile(path, [start, bytes]);
  return path;
}

/** A text file of one label a line; gives its path. */
export async function writeLabels(
  folder: string,
  name: string,
  labels: ArrayLike<string | number>,
): Promise<string> {
  const path = join(folder, `${name}.txt`);
  await writeFile(path, Array.from(labels).join('\n'));
  return path;
}

/** count standard normal float32 numbers. */
export function gaussians(count: number, seed: number): Float32Array {
  const random = new Random(seed);
  return Float32Array.from({ length: count }, () => random.gaussian());
}

const median = (values: readonly number[]) => {
  const sorted = [...values].sort((a, b) => a - b);
  const half = sorted.length / 2;
  return (sorted[Math.ceil(half) - 1]! + sorted[Math.floor(half)]!) / 2;
};

const duration = (seconds: number) =>
  seconds < 1 ? `${(1000 * seconds).toPrecision(3)} ms` : `${seconds.toPrecision(3)} s`;

/** Largest difference between two lists of values, relative to the larger of them. */
function disagreement(a: readonly number[], b: readonly number[]): number {
  if (a.length !== b.length) return NaN;
  const largest = Math.max(...b.map(Math.abs), Number.MIN_VALUE);
  return Math.max(...a.map((value, at) => Math.abs(value - b[at]!))) / largest;
}

/**
 * Run every case, ours and its peers by turns, and print a Markdown table of medians with the ratio
 * of each peer's time to ours, by the clock and in processor time.
 * With further arguments of the command, only the cases whose titles hold one of them.
 * @param script the Python file beside this one that serves the peers, see `harness.py`
 * @param python an interpreter that has the peers' packages
 */
export async function compareWithPeers(
  cases: readonly Case[],
  script: string,
  python = process.argv[2],
): Promise<void> {
  if (python === undefined) {
    throw new Error(`usage: ${script.replace('.py', '.ts')} PYTHON [part of a title…]`);
  }
  const parts = process.argv.slice(3);
  const chosen = cases.filter(
    ({ title }) => parts.length === 0 || parts.some((part) => title.includes(part)),
  );
  const here = (name: string) => fileURLToPath(new URL(name, import.meta.url));
  const ours = new Runner(process.execPath, ['--expose-gc', here('repscope.ts')]);
  const theirs = new Runner(python, ['-u', here(script)]);
  process.stdout.write(
    '| case | peer | Repscope | peer | ratio | ratio, processor time | differ by |\n' +
      '| --- | --- | --- | --- | --- | --- | --- |\n',
  );
  try {
    for (const { title, ours: own, peers, rounds = 5 } of chosen) {
      const runners: [string, () => Promise<Round>][] = [
        ['Repscope', () => ours.round(own)],
        ...Object.entries(peers).map(([name, work]): [string, () => Promise<Round>] => [
          name,
          () => theirs.round(work),
        ]),
      ];
      const taken = new Map<string, Round[]>(runners.map(([name]) => [name, []]));
      for (let round = 0; round <= rounds; round++) {
        for (const [name, run] of runners) {
          const figures = await run();
          if (round > 0) taken.get(name)!.push(figures);
        }
      }
      const of = (name: string) => {
        const all = taken.get(name)!;
        return {
          seconds: median(all.map(({ seconds }) => seconds)),
          busy: median(all.map(({ busy }) => busy)),
          value: all[0]!.value,
        };
      };
      const mine = of('Repscope');
      for (const name of Object.keys(peers)) {
        const other = of(name);
        const cells = [
          ...[title, name, duration(mine.seconds), duration(other.seconds)],
          ...[(other.seconds / mine.seconds).toFixed(2), (other.busy / mine.busy).toFixed(2)],
          disagreement(mine.value, other.value).toExponential(1),
        ];
        process.stdout.write(`| ${cells.join(' | ')} |\n`);
      }
    }
    process.stdout.write(
      `\nMedians; ${availableParallelism()} threads each; load ${loadavg()[0]!.toFixed(1)}\n`,
    );
  } finally {
    await Promise.all([ours.stop(), theirs.stop()]);
  }
}
