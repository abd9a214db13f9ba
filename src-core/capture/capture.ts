import type { NamedRows } from '../analyses/definition.ts';
import type { Engine, ModelSession } from '../engine/device-engine.ts';
import { UserError } from '../errors.ts';
import type { Pool } from '../jobs/messages.ts';
import type { Model } from '../models/model.ts';
import { ActivationCache } from './activation-cache.ts';
import type { Feed } from './feed.ts';
import { poolRows, type PooledRows } from './pooling.ts';
import { FileSink, MemorySink, type RowSink } from './row-sink.ts';

export interface CaptureRequest {
  model: Model;
  layers: readonly string[];
  feed: Feed;
  pool: Pool;
}

export interface CaptureEnvironment {
  engine: Engine;
  /** Where rows are kept between runs; they are not kept where absent. */
  cacheFolder?: string;
  /** Bytes that rows may take in memory. */
  memoryLimit: number;
  warn: (message: string) => void;
  step: (fraction: number, message: string) => Promise<void>;
}

/** A batch should take about this long, so that a cancel is answered soon. */
const batchMs = 80;
const largestBatch = 256;

/**
 * The rows of each layer over the whole probe set, in the order asked. Layers found in the cache
 * are not run again. Rows over the memory bound go to the cache folder's disk as they come.
 *
 * @throws UserError `memory` where the rows pass the bound and there is no folder to spill to,
 * `non-finite` where the model yields NaN or infinity.
 */
export async function captureLayers(
  request: CaptureRequest,
  environment: CaptureEnvironment,
): Promise<NamedRows[]> {
  const { model, layers, feed, pool } = request;
  const cache =
    environment.cacheFolder === undefined
      ? undefined
      : new ActivationCache(environment.cacheFolder);
  await environment.step(0, `Reading ${model.outline.name}`);
  const fingerprint = cache ? await model.fingerprint() : '';
  const keyOf = (layer: string) => ({ model: fingerprint, probe: feed.sha256, layer, pool });

  const found = new Map<string, NamedRows>();
  for (const layer of layers) {
    const rows = await cache?.find(keyOf(layer));
    if (rows) found.set(layer, named(layer, rows));
  }
  const missing = layers.filter((layer) => !found.has(layer));
  if (missing.length > 0) {
    const sinks = await runModel(missing, request, environment, cache, keyOf);
    for (const [layer, sink] of sinks) found.set(layer, named(layer, await sink.finish()));
  }
  return layers.map((layer) => found.get(layer)!);
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

async function runModel(
  layers: readonly string[],
  request: CaptureRequest,
  environment: CaptureEnvironment,
  cache: ActivationCache | undefined,
  keyOf: (layer: string) => Parameters<ActivationCache['path']>[0],
): Promise<Map<string, RowSink>> {
  const { model, feed, pool } = request;
  const graph = await model.graph(layers);
  await environment.step(0, `Loading ${model.outline.name}`);
  const session = await environment.engine.openModel(graph);
  const sinks = new Map<string, RowSink>();
  try {
    await forEachBatch(session, request, environment, async (outputs, batch, tokens, fraction) => {
      const pooled = new Map<string, PooledRows>();
      layers.forEach((layer, index) => {
        pooled.set(layer, poolRows(layer, outputs[graph.outputs[index]!]!, batch, pool, tokens));
      });
      if (sinks.size === 0) {
        const total = await countRows(feed, pool);
        await openSinks(sinks, pooled, total, request, environment, cache, keyOf);
      }
      for (const [layer, rows] of pooled) {
        await assertFinite(layer, rows, request);
        await sinks.get(layer)!.write(rows.data);
      }
      await environment.step(fraction, `Capturing ${model.outline.name}`);
    });
  } catch (error) {
    for (const sink of sinks.values()) await sink.abort();
    throw error;
  } finally {
    await session.release();
  }
  return sinks;
}

/** Feed the probe in batches that grow until one takes about {@link batchMs}. */
async function forEachBatch(
  session: ModelSession,
  { model, feed }: CaptureRequest,
  environment: CaptureEnvironment,
  use: (
    outputs: Awaited<ReturnType<ModelSession['run']>>,
    batch: number,
    tokens: Awaited<ReturnType<Feed['batch']>>['tokens'],
    fraction: number,
  ) => Promise<void>,
): Promise<void> {
  const fixed = model.outline.inputs[0]?.shape[0];
  const fixedBatch = typeof fixed === 'number' && fixed > 0 ? fixed : undefined;
  let usable = feed.n;
  if (fixedBatch !== undefined && feed.n % fixedBatch !== 0) {
    usable -= feed.n % fixedBatch;
    environment.warn(
      `${model.outline.name} takes batches of exactly ${fixedBatch}: the last ${feed.n - usable} of ${feed.n} samples are left out`,
    );
  }
  let size = fixedBatch ?? 4;
  for (let start = 0; start < usable;) {
    const end = Math.min(start + size, usable);
    const { feeds, tokens } = await feed.batch(start, end);
    const begun = performance.now();
    const outputs = await session.run(feeds);
    const elapsed = performance.now() - begun;
    await use(outputs, end - start, tokens, end / usable);
    start = end;
    if (fixedBatch === undefined) {
      const fitting = Math.round((size * batchMs) / Math.max(elapsed, 1));
      size = Math.min(Math.max(fitting, 1), size * 2, largestBatch);
    }
  }
}

/** Rows that the whole probe gives: with `none` each real token is one. */
async function countRows(feed: Feed, pool: Pool): Promise<number> {
  if (pool !== 'none') return feed.n;
  let total = 0;
  for (let start = 0; start < feed.n; start += largestBatch) {
    const end = Math.min(start + largestBatch, feed.n);
    const { tokens } = await feed.batch(start, end);
    if (!tokens) return feed.n;
    for (const real of tokens.mask) total += Number(real);
  }
  return total;
}

async function openSinks(
  sinks: Map<string, RowSink>,
  pooled: ReadonlyMap<string, PooledRows>,
  n: number,
  { model }: CaptureRequest,
  { memoryLimit, warn }: CaptureEnvironment,
  cache: ActivationCache | undefined,
  keyOf: (layer: string) => Parameters<ActivationCache['path']>[0],
): Promise<void> {
  const bytes = [...pooled.values()].reduce((sum, { d }) => sum + n * d * 4, 0);
  const inMemory = bytes <= memoryLimit;
  if (!inMemory && !cache) {
    throw new UserError(
      'memory',
      model.outline.name,
      `its activations need ${megabytes(bytes)} and the bound is ${megabytes(memoryLimit)}`,
      'name fewer layers or raise the memory limit',
    );
  }
  for (const [layer, { d }] of pooled) {
    const path = cache?.path(keyOf(layer));
    const sink = inMemory ? new MemorySink(n, d, path, warn) : await FileSink.open(n, d, path!);
    sinks.set(layer, sink);
  }
}

const megabytes = (bytes: number) => `${Math.ceil(bytes / 2 ** 20)} MiB`;

async function assertFinite(
  layer: string,
  { data, d }: PooledRows,
  { model }: CaptureRequest,
): Promise<void> {
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
