import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { reduceValues } from '../../capture/reduction.ts';
import { attentionLayers, attentionOfFile } from '../../jobs/attention-input.ts';
import { openInput } from '../../jobs/inputs.ts';
import { openModel } from '../../models/open.ts';
import type { ResultValue } from '../../results/schema.ts';
import { Matrix } from '../../tensor/matrix.ts';
import { cpuEngine, matrixOf, run, shuffled, type Ran, type Rows } from '../test-support.ts';
import { expected, near, onModel, synthetic, type AttentionValues } from '../token-test-support.ts';
import { attention } from './attention.ts';
import { attentionReduction } from './attention-statistics.ts';

const fixtures = fileURLToPath(new URL('../../../test/fixtures', import.meta.url));

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'repscope-'));
});
afterAll(() => rm(folder, { recursive: true }));

const measures = ['entropy', 'normalizedEntropy', 'sink', 'strongest', 'rank'] as const;

/** The analysis on maps in a file. */
async function ofFile(maps: unknown, params: Record<string, unknown> = {}): Promise<Ran> {
  const path = join(folder, 'maps.json');
  await writeFile(path, JSON.stringify(maps));
  const opened = await openInput(path, {
    cwd: folder,
    options: {},
    input: 'attention',
    engine: await cpuEngine(),
    warn: () => undefined,
    step: () => Promise.resolve(),
  });
  try {
    return await run(attention, [opened.side], params);
  } finally {
    await opened.close();
  }
}

function holds({ values }: Ran, layers: readonly AttentionValues[], tolerance: number): void {
  for (const key of measures) {
    near(
      values[key],
      layers.map((layer) => layer[key]),
      tolerance,
    );
  }
}

const uniformCausal = (tokens: number) =>
  matrixOf(tokens, tokens, (i, j) => (j <= i ? 1 / (i + 1) : 0));

describe('maps in files', () => {
  // JSON numbers are float64 to the reader.
  test('heads, layers and samples: NumPy’s values', async () => {
    const { full, causal, fullAttention, causalAttention } = synthetic;
    holds(await ofFile(full), [fullAttention], 1e-9);
    holds(await ofFile([full, causal]), [fullAttention, causalAttention], 1e-9);
    const one = await ofFile(full[0]);
    near(one.values['entropy'], [[fullAttention['entropy']![0]]], 1e-9);
    const both = await ofFile([[full, full.toReversed()]]);
    const mean = fullAttention['rank']!.map((rank, at, ranks) => (rank + ranks[2 - at]!) / 2);
    near(both.values['rank'], [mean], 1e-9);
  });

  test.each([
    [8, 1.32558],
    [128, 3.87817],
  ])('uniform causal attention over %i tokens', async (tokens, entropy) => {
    const { values } = await ofFile([uniformCausal(tokens)]);
    near(values['entropy'], [[entropy]], 1e-5);
    near(values['normalizedEntropy'], [[1]], 1e-9);
    near(values['meanEntropy'], [1], 1e-9);
    expect(values['causal']).toEqual([true]);
  });

  test('identity, uniform and one-token maps', async () => {
    const identity = matrixOf(6, 6, (i, j) => (i === j ? 1 : 0));
    const uniform = matrixOf(6, 6, () => 1 / 6);
    const first = matrixOf(6, 6, (_, j) => (j === 0 ? 1 : 0));
    const { values } = await ofFile([identity, uniform, first]);
    near(values['entropy'], [[0, Math.log(6), 0]], 1e-9);
    near(values['rank'], [[6, 1, 1]], 1e-9);
    near(values['sink'], [[0, 1 / 6, 1]], 1e-9);
    near(values['strongest'], [[1 / 6, 1 / 6, 1]], 1e-9);
    expect(values['dormant']).toEqual([{ layer: 'maps.json', head: 2, sink: 1 }]);
    // One map looks ahead, so the layer is not causal, and its identity no collapse of others.
    expect(values['causal']).toEqual([false]);
    near(values['bands'], [2 / 3, 0, 0, 1 / 3], 1e-9);
  });

  // Zhai et al.: no row of logits of norm s has less than the centred one-hot one.
  test.each([
    [8, 3],
    [64, 10],
    [64, 0],
  ])('one-hot logits over %i tokens of norm %i reach the lower bound', async (tokens, s) => {
    const b = s * Math.sqrt(tokens / (tokens - 1));
    const rest = (tokens - 1) * Math.exp(-b);
    const map = matrixOf(tokens, tokens, (_, j) => (j === 0 ? 1 : Math.exp(-b)) / (1 + rest));
    const { values } = await ofFile([map]);
    near(values['entropy'], [[Math.log1p(rest) + (rest * b) / (1 + rest)]], 1e-9);
  });

  test('the order of tokens after the first changes nothing', async () => {
    const order = [0, ...shuffled([1, 2, 3, 4, 5, 6, 7, 8], 3)];
    const moved = synthetic.full.map((map) => order.map((i) => order.map((j) => map[i]![j]!)));
    holds(await ofFile(moved), [synthetic.fullAttention], 1e-9);
  });

  test('a head that gives w to the first token has sink w, dormant above the threshold', async () => {
    const planted = (w: number): Rows =>
      matrixOf(10, 10, (i, j) => (i === 0 ? Number(j === 0) : j === 0 ? w : j === i ? 1 - w : 0));
    const heads = [planted(0.2), planted(0.6)];
    const { values } = await ofFile(heads);
    near(values['sink'], [[0.2, 0.6]], 1e-12);
    expect((values['dormant'] as { head: number }[]).map(({ head }) => head)).toEqual([1]);
    const strict = await ofFile(heads, { threshold: 0.7 });
    expect(strict.values['dormant']).toEqual([]);
  });

  test('samples of one token are left out', async () => {
    const outcome = await ofFile([[[[1]]]]);
    expect(outcome.values['entropy']).toEqual([[null]]);
    expect(outcome.warnings.join()).toMatch(/1 of 1 samples have one token/);
  });

  test('more maps than go to the engine at once', async () => {
    const [tokens, samples] = [96, 700];
    const engine = await cpuEngine();
    // Sample i gives the first token i/samples and itself the rest.
    const data = new Float32Array(samples * tokens ** 2);
    data.forEach((_, at) => {
      const [sample, row, column] = [
        Math.floor(at / tokens ** 2),
        Math.floor(at / tokens) % tokens,
        at % tokens,
      ];
      const w = sample / samples;
      data[at] = row === 0 ? Number(column === 0) : column === 0 ? w : column === row ? 1 - w : 0;
    });
    const matrix = Object.assign(new Matrix(1, data.length, data), {
      label: 'maps',
      sample: [samples, 1, tokens, tokens],
      sha256: () => Promise.resolve(''),
      close: () => Promise.resolve(),
    });
    const parts: number[] = [];
    const step = (fraction: number) => Promise.resolve(void parts.push(fraction));
    const side = await attentionOfFile('maps', matrix, engine, 2 ** 30, step);
    expect(parts.length).toBeGreaterThan(1);
    const rows = await side.layers[0]!.rows(0, samples);
    const sinks = Array.from({ length: samples }, (_, at) => rows[at * 8 + 3]!);
    near(
      sinks,
      sinks.map((_, at) => at / samples),
      1e-5,
    );
    await expect(attentionOfFile('maps', matrix, engine, 1e6, step)).rejects.toMatchObject({
      code: 'memory',
    });
  });

  test.each<[string, unknown, RegExp]>([
    ['a query that adds up to less', [matrixOf(3, 3, () => 0.2)], /add up to 0\.6.*after softmax/],
    [
      'a negative entry',
      [
        [
          [1.5, -0.5],
          [0.5, 0.5],
        ],
      ],
      /query 0 of map 0.*holds -0\.5/,
    ],
    ['maps that are not square', [matrixOf(2, 3, () => 1 / 3)], /takes heads × tokens × tokens/],
    ['six axes', [[[[[[1]]]]]], /takes heads × tokens × tokens/],
  ])('%s is refused', async (_, maps, message) => {
    await expect(ofFile(maps)).rejects.toThrow(message);
  });
});

describe('maps of a model', () => {
  const maps = ['layers.*.attn.probs'];

  // Samples of different lengths run side by side, so padding must have no part in them.
  test.each(Object.keys(expected.models))('%s against transformers', async (name) => {
    const outcome = await onModel(attention, 'attention', name, maps);
    holds(outcome, expected.models[name]!.attention, 1e-4);
    const causal = name.startsWith('decoders');
    expect(outcome.values['causal']).toEqual([causal, causal]);
    expect(outcome.views[0]).toMatchObject({ kind: 'heatmap', title: 'Entropy of attention' });
  });

  test('all of them where none is named, from the cache as from the model', async () => {
    const options = { cacheFolder: join(folder, 'cache') };
    const first = await onModel(attention, 'attention', 'decoders/gpt2', [], {}, options);
    const again = await onModel(attention, 'attention', 'decoders/gpt2', [], {}, options);
    expect(first.values['entropy']).toHaveLength(2);
    expect(again.values).toEqual(first.values);
  });

  test('a layer that is none is refused, with those there are', async () => {
    const work = onModel(attention, 'attention', 'decoders/gpt2', ['layers.0.resid_post']);
    await expect(work).rejects.toThrow(
      /none of the layers asked for is an attention map; choose among layers\.0\.attn\.probs/,
    );
  });

  test('an ONNX model of old operators is refused', async () => {
    const { outline } = await openModel(join(fixtures, 'onnx/bert-torch.onnx'));
    const old = { ...outline, metadata: { ...outline.metadata, opset: '10' } };
    expect(() => attentionLayers(old)).toThrow(/opset before 11/);
  });

  test('classes are told apart', async () => {
    const opened = await openedWithClasses();
    const { values, views } = await run(attention, [opened]);
    const sinks = values['sinkByClass'] as Record<string, number[][]>;
    expect(Object.keys(sinks)).toEqual(['long', 'short']);
    const both = values['sink'] as ResultValue[][];
    // Three samples of each class, so the mean of classes is the mean of all.
    near(
      both,
      sinks['long']!.map((layer, l) => layer.map((v, h) => (v + sinks['short']![l]![h]!) / 2)),
      1e-6,
    );
    expect(views.map(({ title }) => title)).toContain(
      'Attention to the first token, between classes',
    );
  });
});

/** A probe of token ids of different lengths. */
async function idsFile(sequences: readonly number[][], labels?: readonly string[]) {
  const probe = join(folder, 'ids.jsonl');
  const lines = sequences.map((ids, i) =>
    JSON.stringify({ ids, ...(labels && { label: labels[i] }) }),
  );
  await writeFile(probe, lines.join('\n'));
  return probe;
}

async function openMaps(name: string, probe: string) {
  const opened = await openInput(join(fixtures, name), {
    cwd: folder,
    options: { probe },
    input: 'attention',
    engine: await cpuEngine(),
    warn: () => undefined,
    step: () => Promise.resolve(),
  });
  await opened.close();
  return opened.side;
}

function openedWithClasses() {
  const { sequences } = expected.models['encoders/roberta']!;
  const labels = sequences.map(({ length }) => (length > 5 ? 'long' : 'short'));
  return idsFile(sequences, labels).then((probe) => openMaps('encoders/roberta', probe));
}

// The exporter names softmax outputs as it likes; the maps themselves are run one text at a time.
test.each(['onnx/bert-torch.onnx', 'onnx/gpt2-torch.onnx'])(
  '%s: statistics within the graph are those of the maps it gives out',
  async (name) => {
    const sequences = expected.models['decoders/gpt2']!.sequences.map((ids) =>
      ids.map((id) => id % 16),
    );
    const side = await openMaps(name, await idsFile(sequences));
    const model = await openModel(join(fixtures, name));
    const names = attentionLayers(model.outline).map((layer) => layer.name);
    expect(side.layers.map(({ label }) => label)).toEqual(names);
    const engine = await cpuEngine();
    const graph = await model.graph(names);
    const session = await engine.openModel(graph);
    for (const [sample, ids] of sequences.entries()) {
      const dims = [1, ids.length];
      const int64 = (data: BigInt64Array) => ({ dtype: 'int64', dims, data }) as const;
      const values = await session.run({
        input_ids: int64(BigInt64Array.from(ids, BigInt)),
        attention_mask: int64(new BigInt64Array(ids.length).fill(1n)),
      });
      for (const [index, layer] of side.layers.entries()) {
        const { data, dims: shape } = values[graph.outputs[index]!]!;
        const wanted = await reduceValues(engine, attentionReduction, data, shape, ids.length);
        near(Array.from(await layer.rows(sample, sample + 1)), Array.from(wanted), 1e-4);
      }
    }
    await session.release();
  },
);
