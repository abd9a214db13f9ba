// Mean-pooled hidden states of every layer of a sentence encoder for 5,000 texts: Repscope's worker
// against Python's transformers with hooks, by turns on the same processor.
// Run: node test/bench/capture.ts MODEL_FOLDER PYTHON [rounds]
// PYTHON needs torch, transformers and safetensors.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { availableParallelism, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Random } from '../../src-core/analyses/random.ts';
import { JobRunner } from '../../src-core/jobs/runner.ts';
import { defaultSentences } from '../../src-core/probes/default-text.ts';
import { openMatrix } from '../../src-core/tensor/matrix-file.ts';

const [model, python, rounds = '3'] = process.argv.slice(2);
if (model === undefined || python === undefined) {
  throw new Error('usage: capture.ts MODEL_FOLDER PYTHON [rounds]');
}
const count = 5000;
const layers = ['embeddings', ...Array.from({ length: 6 }, (_, n) => `layers.${n}.resid_post`)];
const script = fileURLToPath(new URL('capture.py', import.meta.url));
const folder = await mkdtemp(join(tmpdir(), 'repscope-bench-'));
const texts = join(folder, 'texts.txt');

/** One to six sentences a text, so that lengths vary as they do in a corpus. */
function corpus(): string[] {
  const sentences = Object.values(defaultSentences).flat();
  const sizes = [1, 1, 1, 2, 2, 3, 4, 6];
  const chance = new Random(0);
  const pick = <T>(list: readonly T[]) => list[Math.floor(chance.uniform() * list.length)]!;
  return Array.from({ length: count }, () =>
    Array.from({ length: pick(sizes) }, () => pick(sentences)).join(' '),
  );
}

interface Taken {
  seconds: number;
  /** Seconds that the processor worked, all threads together: other work does not lengthen them. */
  busy: number;
}

/** Processor time of a process, where /proc tells it (in hundredths of a second). */
function busySeconds(pid: number): number {
  if (process.platform !== 'linux') return NaN;
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

const runners: Record<string, (out: string) => Promise<Taken>> = {
  // A new worker each time: starting it and loading the model count.
  async repscope(out) {
    const runner = new JobRunner();
    const begun = performance.now();
    const job = { kind: 'capture', input: model, probe: texts, layers, pool: 'mean' } as const;
    await runner.run({ ...job, layers: [...layers], out, cwd: folder, device: 'cpu' });
    const seconds = (performance.now() - begun) / 1000;
    const busy = busySeconds(runner.pid!);
    await runner.dispose();
    return { seconds, busy };
  },
  'python, sorted by length': (out) => runPython(out, 'sorted'),
};

function runPython(out: string, ...more: string[]): Promise<Taken> {
  const threads = String(availableParallelism());
  const args = [script, model!, texts, out, threads, '32', ...more];
  const answer = execFileSync(python!, args, {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  return Promise.resolve(JSON.parse(answer) as Taken);
}

/** Largest difference between what the two wrote. */
async function disagreement(a: string, b: string): Promise<number> {
  let worst = 0;
  for (const layer of layers) {
    const [x, y] = await Promise.all([a, b].map((path) => openMatrix(`${path}#${layer}`, folder)));
    const [left, right] = await Promise.all([x!.rows(0, count), y!.rows(0, count)]);
    left.forEach((value, at) => (worst = Math.max(worst, Math.abs(value - right[at]!))));
    await Promise.all([x!.close(), y!.close()]);
  }
  return worst;
}

const show = ({ seconds, busy }: Taken) =>
  `${seconds.toFixed(1)} s, processor ${busy.toFixed(1)} s, ${Math.round(count / seconds)} texts/s`;

const median = (values: readonly number[]) =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]!;

try {
  await writeFile(texts, corpus().join('\n'));
  const names = Object.keys(runners);
  const taken = new Map<string, Taken[]>(names.map((name) => [name, []]));
  const out = (name: string) => join(folder, `${name.split(',')[0]!}.safetensors`);
  for (let round = 0; round < Number(rounds); round++) {
    for (const [name, run] of Object.entries(runners)) {
      const figures = await run(out(name));
      taken.get(name)!.push(figures);
      process.stdout.write(`${name}: ${show(figures)}, load ${loadavg()[0]!.toFixed(1)}\n`);
    }
  }
  const [ours, theirs] = names.map((name) => {
    const all = taken.get(name)!;
    const middle = {
      seconds: median(all.map(({ seconds }) => seconds)),
      busy: median(all.map(({ busy }) => busy)),
    };
    process.stdout.write(`${name}: medians of ${all.length}: ${show(middle)}\n`);
    return middle;
  });
  process.stdout.write(
    `ratio ${(theirs!.seconds / ours!.seconds).toFixed(2)} by the clock, ` +
      `${(theirs!.busy / ours!.busy).toFixed(2)} in processor time\n`,
  );
  const difference = await disagreement(...(names.map(out) as [string, string]));
  process.stdout.write(`largest difference ${difference.toExponential(1)}\n`);
  process.exitCode = difference < 1e-4 ? 0 : 1;
} finally {
  await rm(folder, { recursive: true });
}
