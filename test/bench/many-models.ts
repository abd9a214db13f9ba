// Memory of the worker while twenty models of thirteen layers are compared, each layer with each.
// Prints the largest resident set; ends with status 1 where it passes the bound by more than what
// the process takes by itself. Linux only: it reads /proc.
// Run: node test/bench/many-models.ts [samples] [units] [models]
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { Random } from '../../src-core/analyses/random.ts';
import { JobRunner } from '../../src-core/jobs/runner.ts';
import { GraphBuilder } from '../../src-core/onnx/graph-builder.ts';
import { gaussians, writeNpy } from './peers/harness.ts';

const [samples = 10_000, units = 256, models = 20] = process.argv.slice(2).map(Number);
const layers = 13;
const mebibyte = 2 ** 20;
const bound = 1024 * mebibyte;
/** onnxruntime, its threads and JavaScript itself. */
const own = 400 * mebibyte;
const folder = await mkdtemp(join(tmpdir(), 'repscope-bench-'));

/** A chain of random linear maps with ReLU, each a layer. */
function chain(seed: number): Uint8Array {
  const random = new Random(seed);
  const graph = new GraphBuilder(`chain${seed}`);
  let value = graph.input('x', 'float32', ['batch', units]);
  for (let layer = 0; layer < layers; layer++) {
    const scale = Math.sqrt(2 / units);
    const weights = Float32Array.from({ length: units ** 2 }, () => scale * random.gaussian());
    const product = graph.op('MatMul', [value, graph.constant(weights, [units, units])]);
    value = graph.op('Relu', [product], {}, `layer${layer}`);
  }
  graph.output(value, 'float32', ['batch', units]);
  return graph.finish();
}

try {
  const inputs: string[] = [];
  for (let model = 0; model < models; model++) {
    const path = join(folder, `model${model}.onnx`);
    await writeFile(path, chain(model));
    inputs.push(path);
  }
  const data = gaussians(samples * units, 0);
  const probe = await writeNpy(folder, 'probe', [samples, units], data);
  const cacheFolder = join(folder, 'activations');
  await mkdir(cacheFolder);
  const runner = new JobRunner({ idleSeconds: 0 });
  const begun = performance.now();
  const { values } = await runner.run(
    {
      kind: 'analyze',
      analysis: 'cka',
      inputs,
      params: {},
      layers: ['layer*'],
      probe,
      cwd: folder,
      device: 'cpu',
      cacheFolder,
      cacheLimit: 64 * 2 ** 30,
      memoryLimit: bound,
    },
    process.stderr.isTTY
      ? {
          onProgress: ({ fraction, message }) =>
            process.stderr.write(`\r${(100 * fraction).toFixed(1)}% ${message}\u001b[K`),
        }
      : {},
  );
  const seconds = (performance.now() - begun) / 1000;
  const status = await readFile(`/proc/${runner.pid!}/status`, 'utf8');
  const peak = Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1]) * 1024;
  await runner.dispose();
  const all = (values['perLayer'] as number[][]).length;
  const mib = (bytes: number) => `${Math.round(bytes / mebibyte)} MiB`;
  process.stdout.write(
    `${models} models × ${layers} layers × ${samples} samples × ${units} units, ${(all * (all + 1)) / 2} pairs: ` +
      `peak resident ${mib(peak)}, bound ${mib(bound)}; rows ${mib(4 * all * samples * units)}; ` +
      `${seconds.toFixed(0)} s, load ${loadavg()[0]!.toFixed(1)}\n`,
  );
  if (peak > bound + own) process.exitCode = 1;
} finally {
  await rm(folder, { recursive: true });
}
