import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { InputKind } from '../analyses/definition.ts';
import { findAnalysis } from '../analyses/registry.ts';
import { createEngine, type Engine } from '../engine/device-engine.ts';
import { analyze } from './analyze.ts';
import { openInput, type InputEnvironment } from './inputs.ts';
import type { CaptureOptions } from './messages.ts';

const fixtures = fileURLToPath(new URL('../../test/fixtures', import.meta.url));
const tiny = join(fixtures, 'minilm', 'tiny-f32');
const layers = ['layers.0.resid_post'];
const texts = ['Unbelievable!', 'the cats were sitting, asleep', 'a b'];

let engine: Engine;
let folder: string;
let probe: string;
beforeAll(async () => {
  engine = await createEngine('cpu');
  folder = await mkdtemp(join(tmpdir(), 'repscope-'));
  probe = await file('texts.txt', texts.join('\n'));
});
afterAll(async () => {
  await engine.dispose();
  await rm(folder, { recursive: true });
});

async function file(name: string, content: string): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, content);
  return path;
}

const json = (name: string, value: unknown) => file(name, JSON.stringify(value));

/** What an analysis would see, with the rows of every layer. */
async function open(
  spec: string,
  input: InputKind,
  options: CaptureOptions = {},
  more: Partial<InputEnvironment> = {},
) {
  const warnings: string[] = [];
  const opened = await openInput(spec, {
    cwd: folder,
    options,
    input,
    engine,
    warn: (message) => void warnings.push(message),
    step: () => Promise.resolve(),
    ...more,
  });
  try {
    const rows = await Promise.all(
      opened.side.layers.map(async (layer) => Array.from(await layer.rows(0, layer.n))),
    );
    return { ...opened, rows, warnings };
  } finally {
    await opened.close();
  }
}

describe('tokens of a matrix file', () => {
  it('are one sequence where it has two axes', async () => {
    const path = await json('two.json', [
      [1, 2],
      [3, 4],
      [5, 6],
    ]);
    const { side, rows } = await open(path, 'tokens');
    expect(Array.from(side.sequences!)).toEqual([0, 3]);
    expect(rows).toEqual([[1, 2, 3, 4, 5, 6]]);
  });

  it('are several where it has three, read by any range of tokens', async () => {
    const values = Array.from({ length: 4 }, (_, i) =>
      Array.from({ length: 3 }, (_, t) => [6 * i + 2 * t, 6 * i + 2 * t + 1]),
    );
    const path = await json('three.json', values);
    const opened = await openInput(path, {
      cwd: folder,
      options: {},
      input: 'tokens',
      engine,
      warn: () => undefined,
      step: () => Promise.resolve(),
    });
    const { side, inputs } = opened;
    expect(Array.from(side.sequences!)).toEqual([0, 3, 6, 9, 12]);
    expect(inputs[0]!.shape).toEqual([12, 2]);
    const [layer] = side.layers;
    expect(Array.from(await layer!.rows(2, 7))).toEqual([4, 5, 6, 7, 8, 9, 10, 11, 12, 13]);
    expect(Array.from(await layer!.rows(0, 12))).toEqual(values.flat(2));
    await opened.close();
  });

  it('are none where it has four', async () => {
    const path = await json('four.json', [[[[1, 2]]]]);
    await expect(open(path, 'tokens')).rejects.toThrow(/has shape \[1, 1, 1, 2\].*takes tokens/);
    await expect(open(path, 'samples')).rejects.toThrow(/takes samples × units/);
  });
});

describe('tokens of a model', () => {
  it('are told apart by sequence in the order of the probe, from the cache too', async () => {
    const cacheFolder = join(folder, 'cache');
    const options = { probe, layers, pool: 'mean', cacheFolder } as const;
    const first = await open(tiny, 'tokens', options);
    const again = await open(tiny, 'tokens', options);
    expect(again.observed!.size).toBe(0);
    expect(again.side.sequences).toEqual(first.side.sequences);
    expect(again.rows).toEqual(first.rows);
    expect(first.probe!.pool).toBe('none');
    // Each text alone, which needs no padding, has the same tokens.
    const d = first.side.layers[0]!.d;
    const sequences = Array.from(first.side.sequences!);
    expect(sequences.at(-1)).toBe(first.side.layers[0]!.n);
    for (const [index, text] of texts.entries()) {
      const alone = await open(tiny, 'tokens', {
        layers,
        probe: await file(`${index}.txt`, `${text}\n${text}`),
      });
      const mine = first.rows[0]!.slice(sequences[index]! * d, sequences[index + 1]! * d);
      // A probe has two texts at least: this one twice.
      expect(alone.rows[0]).toHaveLength(2 * mine.length);
      mine.forEach((value, at) => expect(value).toBeCloseTo(alone.rows[0]![at]!, 4));
    }
  });

  it('are the rows of --pool none as well, each with the label and group of its text', async () => {
    const labelled = await file(
      'labelled.csv',
      ['text,label', ...texts.map((text, i) => `"${text}",${'xyx'[i]!}`)].join('\n'),
    );
    const { side } = await open(tiny, 'samples', { probe: labelled, layers, pool: 'none' });
    const { sequences, labels, groups } = side;
    expect(labels).toHaveLength(side.layers[0]!.n);
    for (const at of [0, 1, 2]) {
      expect(new Set(labels!.slice(sequences![at], sequences![at + 1]))).toEqual(
        new Set(['xyx'[at]]),
      );
    }
    expect(new Set(groups).size).toBe(3);
    const apart = await open(tiny, 'tokens', { probe: labelled, layers });
    expect(apart.side.labels).toEqual(['x', 'y', 'x']);
  });

  it('take labels from a file: one a text', async () => {
    const labels = await file('labels.txt', 'p\nq\nq\n');
    const options = { probe, layers, pool: 'none' } as const;
    const tokens = await open(tiny, 'tokens', options, { labels });
    expect(tokens.side.labels).toEqual(['p', 'q', 'q']);
    const rows = await open(tiny, 'samples', options, { labels });
    expect(rows.side.labels).toHaveLength(rows.side.layers[0]!.n);
    const few = await file('few.txt', 'p\nq\n');
    await expect(open(tiny, 'tokens', options, { labels: few })).rejects.toThrow(
      /has 2 labels for 3 samples/,
    );
  });

  it('are asked of no layer that has none', async () => {
    const options = { probe, layers: ['layers.1.resid_post', 'pooler'] };
    await expect(open(tiny, 'tokens', options)).rejects.toThrow(/no row for each token in pooler/);
  });
});

describe('weights', () => {
  it('run nothing', async () => {
    const { side, inputs, rows, probe: fed } = await open(tiny, 'weights');
    expect(rows).toEqual([]);
    expect(fed).toBeUndefined();
    expect(side.model!.outline.tensors.length).toBe(inputs[0]!.shape[0]);
    expect(inputs[0]).toMatchObject({ layer: null, dtype: 'float32' });
  });

  it('are those of a model', async () => {
    const path = await json('matrix.json', [[1, 2]]);
    await expect(open(path, 'weights')).rejects.toThrow(/takes the weights of a model/);
  });
});

describe('two views of the samples', () => {
  const views = async () => [
    await file('first.txt', 'a cat\na dog\nrain again\nbirds sing\n'),
    await file('second.txt', 'the cat\nthe dog\nrain\nbirds sang\n'),
  ];
  const both = async (id: string, each?: { probe: string }[]) => {
    const hooks = { step: () => Promise.resolve(), signal: new AbortController().signal };
    const job = { params: {}, cwd: folder, layers, ...(each ? { each } : {}) };
    return analyze(findAnalysis(id), [tiny, tiny], job, engine, hooks);
  };

  it('are two probes of one model for an analysis of views', async () => {
    const [a, b] = await views();
    const { values } = await both('invariance', [{ probe: a! }, { probe: b! }]);
    expect(values['limit']).toEqual([Math.log(4)]);
    const same = await both('invariance', [{ probe: a! }, { probe: a! }]);
    expect((same.values['infonce'] as number[])[0]).toBeGreaterThan(
      (values['infonce'] as number[])[0]!,
    );
  });

  it('are other samples for an analysis that pairs them', async () => {
    const [a, b] = await views();
    await expect(both('cka', [{ probe: a! }, { probe: b! }])).rejects.toThrow(/other samples/);
  });
});
