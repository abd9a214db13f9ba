// Statistics of every attention head over a set of texts: within the model's own graph, and by a
// graph of their own on the maps that the model gives out; by turns in one process.
// Run: node test/bench/fusing.ts MODEL_FOLDER [texts] [rounds]
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  attentionReduction,
  attentionStatistics,
} from '../../src-core/analyses/collapse/attention-statistics.ts';
import { Random } from '../../src-core/analyses/random.ts';
import { captureLayers } from '../../src-core/capture/capture.ts';
import { openFeed } from '../../src-core/capture/feed.ts';
import { createEngine } from '../../src-core/engine/device-engine.ts';
import { attentionLayers } from '../../src-core/jobs/attention-input.ts';
import { openModel } from '../../src-core/models/open.ts';
import { GraphBuilder } from '../../src-core/onnx/graph-builder.ts';
import { defaultSentences } from '../../src-core/probes/default-text.ts';

const [folder, count = '400', rounds = '3'] = process.argv.slice(2);
if (folder === undefined) throw new Error('usage: fusing.ts MODEL_FOLDER [texts] [rounds]');
const batchSize = 8;

const chance = new Random(0);
const sentences = Object.values(defaultSentences).flat();
const pick = <T>(list: readonly T[]) => list[Math.floor(chance.uniform() * list.length)]!;
const texts = Array.from({ length: Number(count) }, () =>
  Array.from({ length: pick([1, 1, 1, 2, 2, 3, 4, 6]) }, () => pick(sentences)).join(' '),
);
const home = await mkdtemp(join(tmpdir(), 'repscope-bench-'));
const probe = join(home, 'texts.txt');
await writeFile(probe, texts.join('\n'));

const engine = await createEngine('cpu');
const model = await openModel(folder);
const layers = attentionLayers(model.outline).map(({ name }) => name);
const step = () => Promise.resolve();

type Rows = Map<string, Float32Array>;

/** Rows by layer, and the bytes of outputs that left the runtime for them. */
async function within(): Promise<{ rows: Rows; bytes: number }> {
  const captured = await captureLayers(
    {
      model,
      layers,
      feed: await openFeed(model, probe, home),
      pool: 'none',
      reduction: attentionReduction,
    },
    { engine, cacheLimit: 0, memoryLimit: 2 ** 31, warn: () => undefined, step },
  );
  const rows: Rows = new Map();
  for (const layer of captured.layers) {
    rows.set(layer.label, (await layer.rows(0, layer.n)) as Float32Array);
  }
  await captured.close();
  return { rows, bytes: [...rows.values()].reduce((sum, data) => sum + data.byteLength, 0) };
}

function apartGraph(): Uint8Array {
  const graph = new GraphBuilder('apart');
  const maps = graph.input('maps', 'float32', ['n', 'heads', 'tokens', 'tokens']);
  const mask = graph.input('mask', 'float32', ['n', 'tokens']);
  const y = graph.op(
    'Identity',
    [attentionReduction.append(graph, maps, mask, 'float32')],
    {},
    'y',
  );
  graph.output(y, 'float32', ['n', 'units']);
  return graph.finish();
}

async function apart(): Promise<{ rows: Rows; bytes: number }> {
  const feed = await openFeed(model, probe, home);
  const { order } = await feed.prepare!(step);
  const graph = await model.graph(layers);
  const session = await engine.openModel(graph);
  const own = apartGraph();
  const rows: Rows = new Map();
  let bytes = 0;
  for (let start = 0; start < feed.n; start += batchSize) {
    const end = Math.min(start + batchSize, feed.n);
    const { feeds, tokens } = await feed.batch(start, end);
    const values = await session.run(feeds);
    const mask = {
      dtype: 'float32',
      dims: [end - start, tokens!.tokens],
      data: Float32Array.from(tokens!.mask, Number),
    } as const;
    for (const [index, layer] of layers.entries()) {
      const { data, dims } = values[graph.outputs[index]!]!;
      bytes += data.byteLength;
      const { y } = await engine.run(own, { maps: { dtype: 'float32', dims, data }, mask });
      const width = dims[1]! * attentionStatistics.length;
      if (!rows.has(layer)) rows.set(layer, new Float32Array(feed.n * width));
      for (let position = start; position < end; position++) {
        const from = (position - start) * width;
        rows
          .get(layer)!
          .set((y!.data as Float32Array).subarray(from, from + width), order[position]! * width);
      }
    }
  }
  await session.release();
  return { rows, bytes };
}

const ways = { within, apart };
const taken: Record<string, { seconds: number[]; busy: number[] }> = {};
const last: Partial<Record<keyof typeof ways, { rows: Rows; bytes: number }>> = {};
// The first round warms up.
for (let round = 0; round <= Number(rounds); round++) {
  for (const [name, way] of Object.entries(ways)) {
    const [begun, cpu] = [performance.now(), process.cpuUsage()];
    last[name as keyof typeof ways] = await way();
    const used = process.cpuUsage(cpu);
    if (round === 0) continue;
    const entry = (taken[name] ??= { seconds: [], busy: [] });
    entry.seconds.push((performance.now() - begun) / 1000);
    entry.busy.push((used.user + used.system) / 1e6);
  }
}
const median = (values: readonly number[]) =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]!;
let worst = 0;
for (const layer of layers) {
  const [a, b] = [last.within!.rows.get(layer)!, last.apart!.rows.get(layer)!];
  a.forEach(
    (value, at) =>
      (worst = Math.max(worst, Math.abs(value - b[at]!) / Math.max(1, Math.abs(value)))),
  );
}
for (const [name, { seconds, busy }] of Object.entries(taken)) {
  const mib = last[name as keyof typeof ways]!.bytes / 2 ** 20;
  process.stdout.write(
    `${name}: ${median(seconds).toFixed(2)} s, processor ${median(busy).toFixed(2)} s, ${mib.toFixed(1)} MiB out of the runtime\n`,
  );
}
process.stdout.write(
  `largest difference ${worst.toExponential(1)}; load ${loadavg()[0]!.toFixed(1)}\n`,
);
await engine.dispose();
await rm(home, { recursive: true });
