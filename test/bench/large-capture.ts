// Memory of the worker: every hidden state of a 2 GB checkpoint captured, and analyses of rows that
// were spilled to disk. Prints the largest resident set against weights and bound; ends with status
// 1 where 1.25 × weights + bound is passed. Linux only: it reads /proc.
// Run: node test/bench/large-capture.ts
import { copyFile, mkdir, mkdtemp, open, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Random } from '../../src-core/analyses/random.ts';
import type { Job } from '../../src-core/jobs/messages.ts';
import { JobRunner } from '../../src-core/jobs/runner.ts';
import { defaultSentences } from '../../src-core/probes/default-text.ts';
import { normal } from '../../src-core/probes/noise.ts';
import { safetensorsHeader, type TensorPlan } from '../../src-core/tensor/safetensors.ts';

const fixture = fileURLToPath(new URL('../fixtures/minilm/tiny-f32', import.meta.url));
const folder = await mkdtemp(join(tmpdir(), 'repscope-bench-'));
const mebibyte = 2 ** 20;
const sentences = Object.values(defaultSentences).flat();

interface Shape {
  hidden: number;
  layers: number;
}

/** A BERT checkpoint of random weights, with the small fixture's vocabulary. */
async function checkpoint(name: string, { hidden, layers }: Shape): Promise<string> {
  const path = join(folder, name);
  await mkdir(path);
  for (const file of ['tokenizer.json', 'tokenizer_config.json']) {
    await copyFile(join(fixture, file), join(path, file));
  }
  const config = JSON.parse(await readFile(join(fixture, 'config.json'), 'utf8')) as {
    vocab_size: number;
    max_position_embeddings: number;
    type_vocab_size: number;
  };
  const sizes = {
    hidden_size: hidden,
    num_hidden_layers: layers,
    num_attention_heads: hidden / 64,
    intermediate_size: 4 * hidden,
  };
  await writeFile(join(path, 'config.json'), JSON.stringify({ ...config, ...sizes }));

  const plan: TensorPlan[] = [];
  const add = (tensor: string, ...shape: number[]) =>
    void plan.push({ name: tensor, dtype: 'float32', shape });
  const dense = (tensor: string, out: number, input: number) => {
    add(`${tensor}.weight`, out, input);
    add(`${tensor}.bias`, out);
  };
  const norm = (tensor: string) => {
    add(`${tensor}.weight`, hidden);
    add(`${tensor}.bias`, hidden);
  };
  add('embeddings.word_embeddings.weight', config.vocab_size, hidden);
  add('embeddings.position_embeddings.weight', config.max_position_embeddings, hidden);
  add('embeddings.token_type_embeddings.weight', config.type_vocab_size, hidden);
  norm('embeddings.LayerNorm');
  for (let layer = 0; layer < layers; layer++) {
    const at = `encoder.layer.${layer}`;
    for (const part of ['query', 'key', 'value']) {
      dense(`${at}.attention.self.${part}`, hidden, hidden);
    }
    dense(`${at}.attention.output.dense`, hidden, hidden);
    norm(`${at}.attention.output.LayerNorm`);
    dense(`${at}.intermediate.dense`, 4 * hidden, hidden);
    dense(`${at}.output.dense`, hidden, 4 * hidden);
    norm(`${at}.output.LayerNorm`);
  }
  await writeWeights(join(path, 'model.safetensors'), plan);
  return path;
}

/** Every tensor is a stretch of one pool of random numbers: gigabytes in seconds. */
async function writeWeights(path: string, plan: readonly TensorPlan[]): Promise<void> {
  const chance = new Random(0);
  const pool = Float32Array.from({ length: 1 << 23 }, () => 0.02 * normal(chance));
  const handle = await open(path, 'w');
  await handle.appendFile(safetensorsHeader(plan));
  for (const { shape } of plan) {
    let left = shape.reduce((product, size) => product * size, 1);
    while (left > 0) {
      const start = Math.floor((chance.uniform() * pool.length) / 2);
      const part = pool.subarray(start, start + Math.min(left, pool.length - start));
      await handle.appendFile(new Uint8Array(part.buffer, part.byteOffset, part.byteLength));
      left -= part.length;
    }
  }
  await handle.close();
}

async function peakOf(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1]) * 1024;
}

/** Runs jobs in one new worker and compares its largest resident set with the limit. */
async function measure(what: string, model: string, bound: number, jobs: readonly Job[]) {
  const { size: weights } = await stat(join(model, 'model.safetensors'));
  const runner = new JobRunner({ idleSeconds: 0 });
  const begun = performance.now();
  for (const job of jobs) await runner.run(job);
  const seconds = (performance.now() - begun) / 1000;
  const peak = await peakOf(runner.pid!);
  await runner.dispose();
  const limit = 1.25 * weights + bound;
  const mib = (bytes: number) => `${Math.round(bytes / mebibyte)} MiB`;
  process.stdout.write(
    `${what}: peak resident ${mib(peak)}; weights ${mib(weights)}, bound ${mib(bound)}, ` +
      `limit ${mib(limit)}; ${seconds.toFixed(0)} s, load ${loadavg()[0]!.toFixed(1)}\n`,
  );
  if (peak > limit) process.exitCode = 1;
}

async function texts(name: string, lines: readonly string[]): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, lines.join('\n'));
  return path;
}

try {
  const large = await checkpoint('large', { hidden: 1024, layers: 40 });
  const few = await texts('few.txt', sentences.slice(0, 48));
  const common = { cwd: folder, device: 'cpu', layers: ['embeddings', '*.resid_post'] } as const;
  const capture = { ...common, layers: [...common.layers], memoryLimit: 256 * mebibyte };
  await measure('capture, 41 layers', large, capture.memoryLimit, [
    { ...capture, kind: 'capture', input: large, probe: few, out: 'large.safetensors' },
  ]);
  await rm(large, { recursive: true });

  // 1,280 texts with every token a row: more than the bound, so the rows lie on disk.
  const small = await checkpoint('small', { hidden: 256, layers: 12 });
  const many = await texts('many.txt', Array.from({ length: 8 }, () => sentences).flat());
  const spilled = {
    ...capture,
    probe: many,
    pool: 'none' as const,
    cacheFolder: join(folder, 'activations'),
  };
  const analyze = { ...spilled, kind: 'analyze' as const, inputs: [small], params: {} };
  for (const analysis of ['spectrum', 'cka']) {
    await measure(`${analysis} of spilled rows`, small, spilled.memoryLimit, [
      { ...analyze, analysis },
    ]);
  }
} finally {
  await rm(folder, { recursive: true });
}
