import type { NamedRows } from '../analyses/definition.ts';
import type { Engine, ModelOutput, ModelSession } from '../engine/device-engine.ts';
import { Cancelled, UserError } from '../errors.ts';
import type { Pool } from '../jobs/messages.ts';
import type { Model } from '../models/model.ts';
import { formatBytes } from '../results/format.ts';
import type { MatrixFile } from '../tensor/matrix-file.ts';
import { ActivationCache, type ActivationKey } from './activation-cache.ts';
import { BatchSize } from './batch-size.ts';
import type { Feed } from '../probes/feed.ts';
import { LayerRows, notKept, RowLayout } from './layer-rows.ts';
import { poolRows, type PooledRows } from './pooling.ts';
import { prepareOnce, startsOfSamples } from './prepare.ts';
import { reduced, reductionFeeds, type Reduction } from './reduction.ts';
import { RowFile } from './row-file.ts';
import {
  bytesOfRows,
  observedShape,
  rowsShape,
  shapesOf,
  type ObservedShape,
  type RowShapes,
} from './row-shapes.ts';

export interface CaptureRequest {
  model: Model;
  layers: readonly string[];
  feed: Feed;
  pool: Pool;
  /** Stands for the pooling where it is given: each sample has one row, made on the device. */
  reduction?: Reduction;
}

export interface CaptureEnvironment {
  engine: Engine;
  /** Where rows are kept between runs; they are not kept where absent. */
  cacheFolder?: string;
  /** Bytes that the cache folder may grow to. */
  cacheLimit: number;
  /** Bytes that rows and batches may take in memory. */
  memoryLimit: number;
  warn: (message: string) => void;
  step: (fraction: number, message: string) => Promise<void>;
}

export interface Captured {
  /** In the order asked. */
  layers: NamedRows[];
  /**
   * Where tokens or words are rows: sample i has the rows from `sequences[i]` up to
   * `sequences[i + 1]` of every layer that has a row for each.
   */
  sequences?: Uint32Array;
  /** Of the layers that were run and not found in the cache. */
  observed: ReadonlyMap<string, ObservedShape>;
  /** What ran the model where that was not the engine's own device. */
  runtime?: string;
  /** Lets go of the files that hold the rows. */
  close(): Promise<void>;
}

/** Share of the memory bound that is left to the layers of one batch. */
const batchShare = 1 / 8;
/** Shares of the progress that making tokens and loading take. */
const prepareShare = 0.05;
/** Finished rows are noted on the disk at this interval, or more rarely where noting is slow. */
const checkpointMs = 200;
const checkpointShare = 20;

/**
 * The rows of each layer over the whole probe set. Layers found in the cache are not run again, and
 * what a killed or cancelled run finished is not either. Rows over the memory bound go to the cache
 * folder's disk as they come.
 *
 * @throws UserError `memory` where the rows pass the bound and there is no folder to spill to,
 * `non-finite` where the model yields NaN or infinity, `too-few-samples` where the model takes a
 * fixed number of samples and the probe has fewer.
 */
export async function captureLayers(
  request: CaptureRequest,
  environment: CaptureEnvironment,
): Promise<Captured> {
  const { model, layers, pool, reduction } = request;
  const { cacheFolder } = environment;
  const feed = prepareOnce(request.feed);
  const cache = cacheFolder === undefined ? undefined : new ActivationCache(cacheFolder);
  await environment.step(0, `Reading ${model.outline.name}`);
  const fingerprint = cache ? await readFingerprint(model, environment, cache) : '';
  const probe = feed.sha256 + (feed.preparation ?? '');
  const keyOf = (layer: string) => ({
    model: fingerprint,
    probe,
    layer: reduction ? `${layer}#${reduction.id}` : layer,
    pool,
  });
  const release = cache?.hold(layers.map(keyOf));

  const files: MatrixFile[] = [];
  const close = async () => {
    release?.();
    await Promise.all(files.splice(0).map((file) => file.close()));
  };
  try {
    const found = new Map<string, NamedRows>();
    let runtime: string | undefined;
    let observed: ReadonlyMap<string, ObservedShape> = new Map();
    const find = async (layer: string) => {
      const file = await cache?.find(keyOf(layer));
      if (!file) return;
      files.push(file);
      found.set(layer, named(layer, file));
    };
    for (const layer of layers) await find(layer);
    const missing = layers.filter((layer) => !found.has(layer));
    if (missing.length > 0) {
      const asked = { ...request, feed, layers: missing };
      const run = new CaptureRun(asked, environment, cache, keyOf);
      const finished = await run.finish();
      runtime = run.runtime;
      observed = run.observed;
      for (const [layer, rows] of finished) {
        const inMemory = await rows.finish();
        if (inMemory) found.set(layer, named(layer, inMemory));
        else await find(layer);
        if (!found.has(layer)) {
          throw new UserError(
            'failed',
            `layer '${layer}'`,
            'its rows are gone from the cache folder',
            'run again, and let nothing else clean that folder meanwhile',
          );
        }
      }
      await cache?.makeRoom(environment.cacheLimit);
    }
    const perPart = !reduction && (pool === 'none' || pool === 'word');
    const sequences = perPart
      ? await startsOfSamples(feed, () => environment.step(0, 'Counting tokens'))
      : undefined;
    return {
      layers: layers.map((layer) => found.get(layer)!),
      ...(sequences ? { sequences } : {}),
      observed,
      ...(runtime === undefined ? {} : { runtime }),
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

function readFingerprint(
  model: Model,
  { step }: CaptureEnvironment,
  cache: ActivationCache,
): Promise<string> {
  const { name } = model.outline;
  const progress = (part: number) => step(0, `Reading ${name}: ${Math.round(100 * part)}%`);
  return model.fingerprint({ memory: cache.fingerprints, progress });
}

/** A view of `rows` under the layer's name (the reader's own label is the cache file). */
function named(label: string, rows: Omit<NamedRows, 'label'>): NamedRows {
  return {
    label,
    n: rows.n,
    d: rows.d,
    dtype: rows.dtype,
    rows: (start, end) => rows.rows(start, end),
  };
}

/** One pass of the model over the probe set. */
class CaptureRun {
  readonly #request: CaptureRequest;
  readonly #environment: CaptureEnvironment;
  readonly #cache: ActivationCache | undefined;
  readonly #keyOf: (layer: string) => ActivationKey;
  /** By layer, in the order of the request; empty until their widths are known. */
  readonly #rows = new Map<string, LayerRows>();
  /** Files that an earlier run left, by layer. */
  readonly #claimed = new Map<string, RowFile>();
  /** Samples whose rows are written. */
  #done = 0;
  readonly observed = new Map<string, ObservedShape>();
  /** Set once the model is loaded, where it runs elsewhere than on the engine's device. */
  runtime: string | undefined;
  #lastCheckpoint = { at: performance.now(), cost: 0 };

  constructor(
    request: CaptureRequest,
    environment: CaptureEnvironment,
    cache: ActivationCache | undefined,
    keyOf: (layer: string) => ActivationKey,
  ) {
    this.#request = request;
    this.#environment = environment;
    this.#cache = cache;
    this.#keyOf = keyOf;
  }

  /** Runs the model; the rows are all written but not yet finished. */
  async finish(): Promise<ReadonlyMap<string, LayerRows>> {
    const { model, layers, feed, reduction } = this.#request;
    const { engine, step } = this.#environment;
    const { name } = model.outline;
    let session: ModelSession | undefined;
    try {
      const schedule = await feed.prepare?.((part) =>
        step(part * prepareShare, `Tokens for ${name}`),
      );
      const layout = new RowLayout(feed.n, schedule);
      const done = await this.#claim(layout);
      const shapes = this.#knownShapes(layout);
      if (shapes) this.#fitsMemory(shapes);
      const whole = await model.graph(layers);
      const graph = reduction ? reduced(whole, name, reduction) : whole;
      await step(prepareShare, `Loading ${name}`);
      session = await engine.openModel(graph, name);
      this.runtime = session.runtime;
      await this.#runBatches(session, graph.outputs, layout, done);
      return this.#rows;
    } catch (error) {
      for (const rows of this.#rows.values()) {
        await (error instanceof Cancelled ? rows.leave(this.#done) : rows.discard());
      }
      for (const file of this.#claimed.values()) await file.leave();
      throw error;
    } finally {
      await session?.release();
    }
  }

  /** Takes over what an earlier run left; gives how many samples all layers have finished. */
  async #claim({ samples, parts }: RowLayout): Promise<number> {
    const { layers } = this.#request;
    for (const layer of this.#cache ? layers : []) {
      const path = this.#cache!.path(this.#keyOf(layer));
      const file = await RowFile.claim(path, [samples, parts]);
      if (file) this.#claimed.set(layer, file);
    }
    const finished = Math.min(...layers.map((layer) => this.#claimed.get(layer)?.finished ?? 0));
    // The last batch runs in any case: it opens the rows that it ends.
    return Math.min(finished, samples - 1);
  }

  /** Rows and units of every layer, where the model says them before it runs. */
  #knownShapes(layout: RowLayout): RowShapes | undefined {
    const { model, layers, pool, reduction } = this.#request;
    if (reduction) return undefined;
    const infos = new Map(model.outline.layers.map((layer) => [layer.name, layer]));
    const known: RowShapes = new Map();
    for (const layer of layers) {
      const shape = rowsShape(infos.get(layer), layout, pool);
      if (!shape) return undefined;
      known.set(layer, shape);
    }
    return known;
  }

  /** Whether rows of these shapes fit in memory beside a batch; refused where nothing else will do. */
  #fitsMemory(shapes: RowShapes): boolean {
    const { memoryLimit } = this.#environment;
    const needed = bytesOfRows(shapes) + batchShare * memoryLimit;
    if (needed > memoryLimit && !this.#cache) {
      throw new UserError(
        'memory',
        this.#request.model.outline.name,
        `its activations need ${formatBytes(needed)} and the bound is ${formatBytes(memoryLimit)}`,
        'name fewer layers or raise the memory limit',
      );
    }
    return needed <= memoryLimit;
  }

  /** Makes room for all rows: in memory where the bound allows it, and on disk where there is one. */
  async #open(layout: RowLayout, shapes: RowShapes): Promise<void> {
    const { cacheLimit, warn } = this.#environment;
    // What an earlier run finished is in files alone.
    const inMemory = this.#fitsMemory(shapes) && this.#claimed.size === 0;
    await this.#cache?.makeRoom(cacheLimit, bytesOfRows(shapes));
    let keeps = this.#cache !== undefined;
    for (const [layer, [n, d]] of shapes) {
      let file = this.#claimed.get(layer);
      this.#claimed.delete(layer);
      if (!file && keeps) {
        try {
          file = await RowFile.create(this.#cache!.path(this.#keyOf(layer)), n, d);
        } catch (error) {
          if (!inMemory) throw error;
          keeps = false;
          warn(notKept(error));
        }
      }
      this.#rows.set(layer, new LayerRows(layout, [n, d], { inMemory, file }, warn));
    }
  }

  async #runBatches(
    session: ModelSession,
    outputs: readonly string[],
    layout: RowLayout,
    finished: number,
  ): Promise<void> {
    const { model, layers, feed, pool, reduction } = this.#request;
    const { memoryLimit, step } = this.#environment;
    const { name } = model.outline;
    const size = new BatchSize(layout, this.#fixedBatch(), batchShare * memoryLimit);
    let fraction = prepareShare;
    const share = (1 - prepareShare) / Math.max(1, layout.tokens);
    for (let position = 0; position < finished; position++) {
      fraction += share * layout.width(position);
    }
    if (finished > 0) await step(fraction, `Continuing ${name} after ${finished} of ${feed.n}`);
    for (let done = finished; done < feed.n;) {
      const [start, end] = size.next(done);
      const { feeds, tokens } = await feed.batch(start, end);
      const begun = performance.now();
      const more = reduction ? reductionFeeds(tokens, name) : {};
      const values = await session.run({ ...feeds, ...more }).catch((error: unknown) => {
        throw reduction && error instanceof UserError ? unfit(error) : error;
      });
      const elapsed = performance.now() - begun;
      const pooled = new Map(
        layers.map((layer, index) => [
          layer,
          poolRows(layer, values[outputs[index]!]!, end - start, pool, tokens),
        ]),
      );
      const bytes = reduction ? this.#bytesWithin(end - start, tokens!.tokens) : bytesOf(values);
      size.learn([start, end], elapsed, bytes);
      if (this.#rows.size === 0) {
        await this.#open(layout, shapesOf(pooled, layout));
        if (!reduction) this.#observe(values, outputs, tokens?.tokens);
      }
      for (const [layer, rows] of pooled) {
        this.#check(layer, rows);
        await assertFinite(layer, rows, model);
        await this.#rows.get(layer)!.write(rows, start, end);
      }
      for (; done < end; done++) fraction += share * layout.width(done);
      this.#done = done;
      await this.#checkpoint();
      await step(fraction, `Capturing ${name}`);
    }
  }

  #observe(
    values: Readonly<Record<string, ModelOutput>>,
    outputs: readonly string[],
    tokens: number | undefined,
  ): void {
    this.#request.layers.forEach((layer, index) => {
      this.observed.set(layer, observedShape(values[outputs[index]!]!.dims, tokens));
    });
  }

  /** What the layers themselves take on the device where they are reduced there. */
  #bytesWithin(batch: number, tokens: number): number {
    const { model, layers } = this.#request;
    const shapes = new Map(model.outline.layers.map(({ name, shape }) => [name, shape]));
    return layers.reduce((sum, layer) => {
      const [, ...sizes] = shapes.get(layer) ?? [null, null, null];
      const units = sizes.reduce<number>(
        (product, size) => product * (typeof size === 'number' ? size : tokens),
        1,
      );
      return sum + batch * units * Float32Array.BYTES_PER_ELEMENT;
    }, 0);
  }

  /** The one batch size that the model takes, where its input says so. */
  #fixedBatch(): number | undefined {
    const { model, feed } = this.#request;
    const fixed = model.outline.inputs[0]?.shape[0];
    if (typeof fixed !== 'number' || fixed <= 0) return undefined;
    if (fixed <= feed.n) return fixed;
    throw new UserError(
      'too-few-samples',
      model.outline.name,
      `takes batches of exactly ${fixed} samples and the probe has ${feed.n}`,
      'give more samples with --probe, or export the model with a free batch size',
    );
  }

  #check(layer: string, { d }: PooledRows): void {
    const expected = this.#rows.get(layer)!.d;
    if (d === expected) return;
    throw new UserError(
      'wrong-shape',
      `layer '${layer}'`,
      `gives ${d} units for some samples and ${expected} for others`,
      'name layers whose width does not depend on the sample',
    );
  }

  async #checkpoint(): Promise<void> {
    const { at, cost } = this.#lastCheckpoint;
    const begun = performance.now();
    if (begun - at < Math.max(checkpointMs, checkpointShare * cost)) return;
    for (const rows of this.#rows.values()) await rows.checkpoint(this.#done);
    const now = performance.now();
    this.#lastCheckpoint = { at: now, cost: now - begun };
  }
}

const bytesOf = (values: Readonly<Record<string, ModelOutput>>) =>
  Object.values(values).reduce((sum, { data }) => sum + data.byteLength, 0);

/** Reductions fail in the middle of a run where a value is not what its layer is said to be. */
const unfit = ({ where, what }: UserError) =>
  new UserError(
    'wrong-shape',
    where,
    what,
    'name layers of shape [samples, tokens, units], or attention maps, with --layers',
  );

async function assertFinite(layer: string, { data, d }: PooledRows, model: Model): Promise<void> {
  const at = data.findIndex((value) => !Number.isFinite(value));
  if (at < 0) return;
  const tensors = await model.nonFiniteTensors();
  const cause =
    tensors.length > 0
      ? `weights ${tensors.slice(0, 3).join(', ')}${tensors.length > 3 ? ', …' : ''} hold NaN or infinite values`
      : `the weights are finite, so unit ${at % d} overflows`;
  throw new UserError(
    'non-finite',
    model.outline.path,
    `layer '${layer}' yields ${String(data[at])}: ${cause}`,
    'export the model again, or name layers before it',
  );
}
