// Mean-pooled hidden states of every layer of a sentence encoder for 5,000 texts: Repscope's worker
// against Python's transformers with hooks, by turns on the same processor.
// Run: node test/bench/capture.ts MODEL_FOLDER PYTHON [rounds]
// PYTHON needs torch, transformers and safetensors.
import { execFileSync } from 'node:child_process';
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

const runners: Record<string, (out: string) => Promise<number>> = {
  // A new worker each time: starting it and loading the model count.
  async repscope(out) {
    const runner = new JobRunner();
    const begun = performance.now();
    const job = { kind: 'capture', input: model, probe: texts, layers, pool: 'mean' } as const;
    await runner.run({ ...job, layers: [...layers], out, cwd: folder, device: 'cpu' });
    const seconds = (performance.now() - begun) / 1000;
    await runner.dispose();
    return seconds;
  },
  'python, sorted by length': (out) => runPython(out, 'sorted'),
};

function runPython(out: string, ...more: string[]): Promise<number> {
  const threads = String(availableParallelism());
  const args = [script, model!, texts, out, threads, '32', ...more];
  const answer = execFileSync(python!, args, {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  return Promise.resolve((JSON.parse(answer) as { seconds: number }).seconds);
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

const median = (values: readonly number[]) =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]!;

try {
  await writeFile(texts, corpus().join('\n'));
  const times = new Map<string, number[]>(Object.keys(runners).map((name) => [name, []]));
  const out = (name: string) => join(folder, `${name.split(',')[0]!}.safetensors`);
  for (let round = 0; round < Number(rounds); round++) {
    for (const [name, run] of Object.entries(runners)) {
      const seconds = await run(out(name));
      times.get(name)!.push(seconds);
      process.stdout.write(`${name}: ${seconds.toFixed(1)} s, load ${loadavg()[0]!.toFixed(1)}\n`);
    }
  }
  for (const [name, seconds] of times) {
    const middle = median(seconds);
    process.stdout.write(
      `${name}: median ${middle.toFixed(1)} s of ${seconds.length}, ${Math.round(count / middle)} texts/s\n`,
    );
  }
  const [ours, theirs] = [...times.values()].map(median);
  process.stdout.write(`ratio ${(theirs! / ours!).toFixed(2)}\n`);
  const difference = await disagreement(...(Object.keys(runners).map(out) as [string, string]));
  process.stdout.write(`largest difference ${difference.toExponential(1)}\n`);
  process.exitCode = difference < 1e-4 ? 0 : 1;
} finally {
  await rm(folder, { recursive: true });
}
