// What an analysis takes within the model's own graph, and what it takes where the model gives its
// values out; by turns in one process.
// - attention: statistics of every head, against a graph of their own on the maps;
// - curvature: turns of every text's path through each layer, against rows of all tokens.
// Run: node test/bench/fusing.ts MODEL_FOLDER [texts] [rounds]
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  attentionReduction,
  attentionStatistics,
} from '../../src-core/analyses/collapse/attention-statistics.ts';
import { turnsReduction } from '../../src-core/analyses/geometry/curvature-turns.ts';
import { Random } from '../../src-core/analyses/random.ts';
import { reducedTokens } from '../../src-core/analyses/reduced-tokens.ts';
import { captureLayers } from '../../src-core/capture/capture.ts';
import { openFeed } from '../../src-core/capture/feed.ts';
import type { Reduction } from '../../src-core/capture/reduction.ts';
import { createEngine } from '../../src-core/engine/device-engine.ts';
import { attentionLayers } from '../../src-core/jobs/attention-input.ts';
import { selectLayers } from '../../src-core/models/layers.ts';
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
const maps = attentionLayers(model.outline).map(({ name }) => name);
const states = selectLayers(model.outline).filter(({ axes }) => axes === 'tokens');
const hidden = states.map(({ name }) => name);
const step = () => Promise.resolve();
const environment = { engine, cacheLimit: 0, memoryLimit: 2 ** 31, warn: () => undefined, step };

type Rows = Map<string, ArrayLike<number>>;
/** Rows by layer, and the bytes of outputs that left the runtime for them. */
interface Made {
  rows: Rows;
  bytes: number;
}

async function captured(layers: readonly string[], reduction?: Reduction) {
  const feed = await openFeed(model, probe, home);
  const request = {
    model,
    layers,
    feed,
    pool: 'none',
    ...(reduction ? { reduction } : {}),
  } as const;
  return captureLayers(request, environment);
}

async function within(layers: readonly string[], reduction: Reduction): Promise<Made> {
  const made = await captured(layers, reduction);
  const rows: Rows = new Map();
  let bytes = 0;
  for (const layer of made.layers) {
    rows.set(layer.label, await layer.rows(0, layer.n));
    bytes += layer.n * layer.d * 4;
  }
  await made.close();
  return { rows, bytes };
}

async function ofTokenRows(): Promise<Made> {
  const made = await captured(hidden);
  const { layers } = made;
  const side = { name: '', layered: true, layers, sequences: made.sequences! };
  const rows: Rows = new Map();
  let bytes = 0;
  for (const layer of layers) {
    const { data } = await reducedTokens(side, layer, turnsReduction, { engine }, step);
    rows.set(layer.label, data);
    bytes += layer.n * layer.d * 4;
  }
  await made.close();
  return { rows, bytes };
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

async function ofMaps(): Promise<Made> {
  const feed = await openFeed(model, probe, home);
  const { order } = await feed.prepare!(step);
  const graph = await model.graph(maps);
  const session = await engine.openModel(graph);
  const own = apartGraph();
  const rows = new Map<string, Float32Array>();
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
    for (const [index, layer] of maps.entries()) {
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

const ways: Record<string, () => Promise<Made>> = {
  'attention within': () => within(maps, attentionReduction),
  'attention of maps': ofMaps,
  'curvature within': () => within(hidden, turnsReduction),
  'curvature of rows': ofTokenRows,
};
const median = (values: readonly number[]) =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]!;
const taken = new Map(
  Object.keys(ways).map((name) => [name, { seconds: [] as number[], busy: [] as number[] }]),
);
const last = new Map<string, Made>();
// The first round warms up.
for (let round = 0; round <= Number(rounds); round++) {
  for (const [name, way] of Object.entries(ways)) {
    const [begun, cpu] = [performance.now(), process.cpuUsage()];
    last.set(name, await way());
    const used = process.cpuUsage(cpu);
    if (round === 0) continue;
    taken.get(name)!.seconds.push((performance.now() - begun) / 1000);
    taken.get(name)!.busy.push((used.user + used.system) / 1e6);
  }
}
for (const [name, { seconds, busy }] of taken) {
  const mib = last.get(name)!.bytes / 2 ** 20;
  process.stdout.write(
    `${name}: ${median(seconds).toFixed(2)} s, processor ${median(busy).toFixed(2)} s, ${mib.toFixed(2)} MiB out of the runtime\n`,
  );
}
for (const [a, b] of [
  ['attention within', 'attention of maps'],
  ['curvature within', 'curvature of rows'],
] as const) {
  let worst = 0;
  for (const [layer, values] of last.get(a)!.rows) {
    const others = last.get(b)!.rows.get(layer)!;
    for (let at = 0; at < values.length; at++) {
      const error = Math.abs(values[at]! - others[at]!) / Math.max(1, Math.abs(others[at]!));
      worst = Math.max(worst, error);
    }
  }
  process.stdout.write(`${a}: differs by ${worst.toExponential(1)} at most\n`);
}
process.stdout.write(`load ${loadavg()[0]!.toFixed(1)}\n`);
await engine.dispose();
await rm(home, { recursive: true });
