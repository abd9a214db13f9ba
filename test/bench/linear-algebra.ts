// Linear algebra in float64 against NumPy and SciPy, by turns in one run on the same matrices:
//   node test/bench/linear-algebra.ts PYTHON [rounds] [task …]
// Prints medians by the clock and in processor time, and fails where results differ.
import { spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { Random } from '../../src-core/analyses/random.ts';
import { ascending, meanRanks } from '../../src-core/analyses/ranks.ts';
import { assignment } from '../../src-core/engine/linear-algebra/assignment.ts';
import { symmetricEigen } from '../../src-core/engine/linear-algebra/eigen.ts';
import { singularValues, svd } from '../../src-core/engine/linear-algebra/svd.ts';

interface Taken {
  clock: number;
  busy: number;
  sum: number;
}

type Compute = (a: Float64Array, m: number, n: number) => Promise<Float64Array> | Float64Array;

const compute = {
  values: async (a, n) => (await symmetricEigen(a, n)).values,
  pairs: async (a, n) => (await symmetricEigen(a, n, { vectors: true })).values,
  singular: (a, m, n) => singularValues(a, m, n),
  svd: async (a, m, n) => (await svd(a, m, n)).s,
  assignment: (a, m, n) =>
    Float64Array.from(assignment(a, m, n), (column, row) => a[row * n + column]!),
  ranks: async (a) => meanRanks(a, await ascending(a)).map((rank) => rank ** 2),
} satisfies Record<string, Compute>;

const cases: readonly (readonly [keyof typeof compute, number, number])[] = [
  ['values', 768, 768],
  ['values', 2048, 2048],
  ['pairs', 768, 768],
  ['pairs', 2048, 2048],
  ['singular', 768, 768],
  ['svd', 768, 768],
  ['svd', 5000, 768],
  ['assignment', 2000, 2000],
  ['ranks', 1, 2_000_000],
];

const [python, rounds = '5', ...wanted] = process.argv.slice(2);
if (python === undefined) throw new Error('usage: linear-algebra.ts PYTHON [rounds] [task …]');

const folder = await mkdtemp(join(tmpdir(), 'repscope-'));
const script = fileURLToPath(new URL('linear-algebra.py', import.meta.url));
const peer = spawn(python, [script], { stdio: ['pipe', 'pipe', 'inherit'] });
const answers = createInterface(peer.stdout)[Symbol.asyncIterator]();

async function theirs(line: string): Promise<Taken> {
  peer.stdin.write(`${line}\n`);
  const answer = await answers.next();
  if (answer.done) throw new Error(`${script} ended`);
  const [clock, busy, sum] = answer.value.split(' ').map(Number) as [number, number, number];
  return { clock, busy, sum };
}

async function ours(run: Compute, a: Float64Array, m: number, n: number): Promise<Taken> {
  const cpu = process.cpuUsage();
  const start = performance.now();
  const result = await run(a, m, n);
  const clock = (performance.now() - start) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  const sum = result.reduce((total, value) => total + Math.abs(value), 0);
  return { clock, busy: (user + system) / 1e6, sum };
}

function matrix(task: keyof typeof compute, m: number, n: number): Float64Array {
  const random = new Random(1);
  const a = Float64Array.from({ length: m * n }, () => random.gaussian());
  if (task === 'values' || task === 'pairs') {
    for (let i = 0; i < n; i++) for (let j = 0; j < i; j++) a[j * n + i] = a[i * n + j]!;
  }
  return a;
}

const median = (values: number[]) => values.sort((a, b) => a - b)[values.length >> 1]!;
const show = (seconds: number) => `${(seconds * 1000).toFixed(1)} ms`;

try {
  for (const [task, m, n] of cases) {
    if (wanted.length > 0 && !wanted.includes(task)) continue;
    const a = matrix(task, m, n);
    const file = join(folder, 'matrix');
    await writeFile(file, new Uint8Array(a.buffer));
    const taken: { ours: Taken; theirs: Taken }[] = [];
    // The first round compiles, and loads what is loaded once.
    for (let round = 0; round <= Number(rounds); round++) {
      const one = {
        ours: await ours(compute[task], a, m, n),
        theirs: await theirs(`${task} ${m} ${n} ${file}`),
      };
      if (Math.abs(one.ours.sum / one.theirs.sum - 1) > 1e-10) {
        process.exitCode = 1;
        process.stdout.write(`${task} differs: ${one.ours.sum} and ${one.theirs.sum}\n`);
      }
      if (round > 0) taken.push(one);
    }
    const middle = (side: 'ours' | 'theirs', what: 'clock' | 'busy') =>
      median(taken.map((one) => one[side][what]));
    const [clock, busy] = [middle('ours', 'clock'), middle('ours', 'busy')];
    const [theirClock, theirBusy] = [middle('theirs', 'clock'), middle('theirs', 'busy')];
    process.stdout.write(
      `${task} ${m} × ${n}: ${show(clock)} against ${show(theirClock)}, ratio ${(theirClock / clock).toFixed(2)}; ` +
        `processor ${show(busy)} against ${show(theirBusy)}, ratio ${(theirBusy / busy).toFixed(2)}; ` +
        `load ${loadavg()[0]!.toFixed(1)}\n`,
    );
  }
} finally {
  peer.stdin.end();
  await rm(folder, { recursive: true });
}
