import { readdirSync, readFileSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { temporaryFolder } from '../support/folders.ts';
import {
  createEngine,
  type Engine,
  type ModelSession,
} from '@repscope/core/engine/device-engine.ts';
import { Cancelled } from '@repscope/core/errors.ts';
import { defaultMemoryLimit, type Pool } from '@repscope/core/jobs/messages.ts';
import { JobRunner } from '@repscope/core/jobs/runner.ts';
import { openModel } from '@repscope/core/models/open.ts';
import { GraphBuilder } from '@repscope/core/onnx/graph-builder.ts';
import { defaultSentences } from '@repscope/core/probes/default-text.ts';
import { ActivationCache } from '@repscope/core/capture/activation-cache.ts';
import { captureLayers, type CaptureEnvironment } from '@repscope/core/capture/capture.ts';
import { openFeed } from '@repscope/core/capture/feed.ts';

const fixtures = new URL('../fixtures/', import.meta.url);
const tiny = fileURLToPath(new URL('minilm/tiny-f32', fixtures));
const layers = ['embeddings', 'layers.0.resid_post'];
const sentences = Object.values(defaultSentences).flat();

let engine: Engine;
beforeAll(async () => {
  engine = await createEngine('cpu');
});
afterAll(() => engine.dispose());

function probeFile(texts: readonly string[]): string {
  const path = join(temporaryFolder(), 'texts.txt');
  writeFileSync(path, texts.join('\n'));
  return path;
}

/** The engine itself, with the number of samples that each run of a model took. */
function counting(): { engine: Engine; batches: number[] } {
  const batches: number[] = [];
  const openModel = async (...args: Parameters<Engine['openModel']>): Promise<ModelSession> => {
    const session = await engine.openModel(...args);
    return {
      ...session,
      run: (feeds, outputs) => {
        batches.push(Object.values(feeds)[0]!.dims[0]!);
        return session.run(feeds, outputs);
      },
    };
  };
  return { engine: Object.assign(Object.create(engine) as Engine, { openModel }), batches };
}

interface Options extends Partial<CaptureEnvironment> {
  pool?: Pool;
  model?: string;
  layers?: string[];
}

/** All rows of each layer. */
async function capture(probe: string, options: Options = {}) {
  const model = await openModel(options.model ?? tiny);
  const captured = await captureLayers(
    {
      model,
      layers: options.layers ?? layers,
      feed: await openFeed(model, probe, '.'),
      pool: options.pool ?? 'mean',
    },
    {
      engine,
      cacheLimit: 2 ** 40,
      memoryLimit: defaultMemoryLimit,
      warn: () => undefined,
      step: () => Promise.resolve(),
      ...options,
    },
  );
  try {
    return await Promise.all(
      captured.layers.map(async (rows) => ({ n: rows.n, data: await rows.rows(0, rows.n) })),
    );
  } finally {
    await captured.close();
  }
}

const close = (a: ArrayLike<number>, b: ArrayLike<number>) => {
  expect(a).toHaveLength(b.length);
  let worst = 0;
  for (let i = 0; i < a.length; i++) worst = Math.max(worst, Math.abs(a[i]! - b[i]!));
  expect(worst).toBeLessThan(2e-6);
};

describe('batches by length', () => {
  it.each(['mean', 'none'] as const)(
    'gives rows in the order of the probe, pool %s',
    async (pool) => {
      const together = await capture(probeFile(sentences), { pool });
      const rows: number[] = [];
      for (const pair of [sentences.slice(0, 2), sentences.slice(2, 4)]) {
        rows.push(...(await capture(probeFile(pair), { pool }))[1]!.data);
      }
      close(together[1]!.data.subarray(0, rows.length), rows);
      // Control: the samples do differ.
      expect(rows.slice(0, 8)).not.toEqual(rows.slice(-8));
    },
  );

  it('runs few batches for many short texts, and every sample once', async () => {
    const { engine, batches } = counting();
    await capture(probeFile(sentences), { engine });
    expect(batches.reduce((sum, size) => sum + size, 0)).toBe(sentences.length);
    expect(batches.length).toBeLessThan(sentences.length / 4);
  });
});

describe('a model that takes batches of one size', () => {
  const rows = (batch: number | string, probe: string) => {
    const graph = new GraphBuilder('squares');
    const x = graph.input('x', 'float32', [batch, 3]);
    graph.output(graph.op('Mul', [x, x], {}, 'squares'), 'float32', [batch, 3]);
    const path = join(temporaryFolder(), 'squares.onnx');
    writeFileSync(path, graph.finish());
    return capture(probe, { model: path, layers: ['squares'] });
  };

  it('gives every sample, also where their number is no multiple of the size', async () => {
    expect((await rows(4, 'noise:10'))[0]).toEqual((await rows('n', 'noise:10'))[0]);
  });

  it('refuses fewer samples than that', async () => {
    await expect(rows(4, 'noise:3')).rejects.toMatchObject({ code: 'too-few-samples' });
  });
});

it('shows shapes that only a run tells', async () => {
  const model = await openModel(fileURLToPath(new URL('onnx-breadth/unshaped.onnx', fixtures)));
  const named = model.outline.layers.find(({ name }) => name === 'mixed');
  expect(named).not.toHaveProperty('shape');
  const runner = new JobRunner();
  const cwd = temporaryFolder();
  const job = { kind: 'capture', input: model.outline.path, layers: ['mixed'], cwd } as const;
  const probe = 'noise:20';
  const answer = await runner.run({
    ...job,
    layers: ['mixed'],
    probe,
    out: 'x.safetensors',
    device: 'cpu',
  });
  await runner.dispose();
  expect(answer.layers).toEqual([{ name: 'mixed', shape: [20, 16], value: ['batch', 16] }]);
});

describe('a bound on memory', () => {
  it('refuses before the model is loaded, with the figure', async () => {
    const { engine, batches } = counting();
    const attempt = capture(probeFile(sentences), { engine, memoryLimit: 4096 });
    await expect(attempt).rejects.toMatchObject({ code: 'memory' });
    await expect(attempt).rejects.toThrow(/need \d.* KiB and the bound is 4 KiB/);
    expect(batches).toEqual([]);
  });

  it('spills to the cache folder, with the same rows', async () => {
    const probe = probeFile(sentences);
    const spilled = await capture(probe, { memoryLimit: 4096, cacheFolder: temporaryFolder() });
    const inMemory = await capture(probe);
    close(spilled[1]!.data, inMemory[1]!.data);
  });
});

describe('kept activations', () => {
  const names = (folder: string) =>
    readdirSync(folder).filter((name) => name !== 'fingerprints.json');

  /** Samples that all unfinished files note as finished. */
  const finished = (folder: string) =>
    Math.min(
      ...names(folder)
        .filter((name) => name.endsWith('.partial'))
        .map((name) =>
          Number(
            readFileSync(join(folder, name)).readBigUInt64LE(statSync(join(folder, name)).size - 8),
          ),
        ),
    );

  it('are found again, and only missing layers are run', async () => {
    const cacheFolder = temporaryFolder();
    const probe = probeFile(sentences);
    const first = await capture(probe, { cacheFolder });
    const { engine, batches } = counting();
    const second = await capture(probe, { cacheFolder, engine });
    expect(batches).toEqual([]);
    expect(second[1]!.data).toEqual(first[1]!.data);
    await capture(probe, { cacheFolder, engine, layers: ['embeddings', 'layers.1.resid_post'] });
    expect(batches.length).toBeGreaterThan(0);
    expect(names(cacheFolder)).toHaveLength(3);
  });

  it('of a cancelled run are continued', async () => {
    const cacheFolder = temporaryFolder();
    const probe = probeFile(
      sentences.flatMap((text) => sentences.slice(0, 12).map((s) => s + text)),
    );
    const stopAt = (fraction: number) => {
      if (fraction > 0.6) throw new Cancelled();
      return Promise.resolve();
    };
    const stopped = counting();
    await expect(
      capture(probe, { cacheFolder, engine: stopped.engine, step: stopAt }),
    ).rejects.toThrow(Cancelled);
    expect(names(cacheFolder).every((name) => name.endsWith('.0.partial'))).toBe(true);
    const { engine, batches } = counting();
    const whole = await capture(probe, { cacheFolder, engine });
    const samples = (list: number[]) => list.reduce((sum, size) => sum + size, 0);
    expect(samples(stopped.batches) + samples(batches)).toBe(whole[0]!.n);
    close(whole[1]!.data, (await capture(probe))[1]!.data);
  });

  it('of a killed worker are continued', async () => {
    const cacheFolder = temporaryFolder();
    const cwd = temporaryFolder();
    const texts = sentences.flatMap((a) =>
      sentences.slice(0, 50).map((b) => `${a} ${b} ${a} ${b}`),
    );
    const probe = probeFile(texts);
    const runner = new JobRunner();
    const job = { kind: 'capture', input: tiny, probe, layers, out: 'x.safetensors' } as const;
    const killed = runner.run(
      { ...job, layers: [...layers], cwd, cacheFolder, device: 'cpu' },
      {
        onProgress: () => {
          const count = finished(cacheFolder);
          if (count > 0 && Number.isFinite(count)) process.kill(runner.pid!, 'SIGKILL');
        },
      },
    );
    await expect(killed).rejects.toMatchObject({ code: 'worker-crashed' });
    await runner.dispose();
    const before = finished(cacheFolder);
    expect(before).toBeLessThan(texts.length);
    const { engine, batches } = counting();
    const whole = await capture(probe, { cacheFolder, engine });
    expect(batches.reduce((sum, size) => sum + size, 0)).toBe(texts.length - before);
    close(whole[1]!.data, (await capture(probe))[1]!.data);
    expect(names(cacheFolder).every((name) => name.endsWith('.safetensors'))).toBe(true);
  });

  it('go when the folder is full, longest unused first, but not what a job holds', async () => {
    const cacheFolder = temporaryFolder();
    const probe = probeFile(sentences);
    const size = 4096;
    const cache = new ActivationCache(cacheFolder);
    const keys = ['a', 'b', 'c'].map((layer) => ({
      ...{ model: 'm', probe: 'p', layer },
      pool: 'mean' as const,
    }));
    keys.forEach((key, age) => {
      writeFileSync(cache.path(key), new Uint8Array(size));
      utimesSync(cache.path(key), 1000 + age, 1000 + age);
    });
    writeFileSync(join(cacheFolder, 'notes.txt'), 'not ours');
    const release = cache.hold([keys[0]!]);
    await cache.makeRoom(2 * size);
    const left = () =>
      keys.map((key) => names(cacheFolder).includes(cache.path(key).split(/[\\/]/).at(-1)!));
    expect(left()).toEqual([true, false, true]);
    release();
    // A capture makes room by itself and keeps its own rows.
    await capture(probe, { cacheFolder, cacheLimit: 0, layers: ['embeddings'] });
    expect(left()).toEqual([false, false, false]);
    expect(names(cacheFolder)).toHaveLength(2);
    expect(statSync(join(cacheFolder, 'notes.txt')).size).toBe(8);
  });
});
