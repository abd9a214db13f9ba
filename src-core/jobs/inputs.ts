import { basename, resolve } from 'node:path';
import type { InputKind, NamedRows, Side } from '../analyses/definition.ts';
import { captureLayers, type ObservedShape } from '../capture/capture.ts';
import { fedLayers, openFeed } from '../capture/feed.ts';
import type { Engine } from '../engine/device-engine.ts';
import { UserError } from '../errors.ts';
import { selectLayers } from '../models/layers.ts';
import type { Model, ModelOutline } from '../models/model.ts';
import { openModel } from '../models/open.ts';
import type { Feed } from '../probes/feed.ts';
import { locateModel } from '../models/locate.ts';
import { resolveModel } from '../models/resolve.ts';
import { defaultCacheLimit } from '../results/locations.ts';
import type { Result } from '../results/schema.ts';
import { isTfjs } from '../tensor/tfjs.ts';
import { isMatrixSpec, openLabels, openMatrix, type MatrixFile } from '../tensor/matrix-file.ts';
import { defaultMemoryLimit, type CaptureOptions, type Pool } from './messages.ts';

export interface OpenedInput {
  side: Side;
  /** As results describe them, one entry a layer. */
  inputs: Result['inputs'];
  probe?: NonNullable<Result['probe']>;
  /** Shapes of the values that were run, by layer. */
  observed?: ReadonlyMap<string, ObservedShape>;
  /** What ran the model where that was not the engine's own device. */
  runtime?: string;
  close(): Promise<void>;
}

export interface InputEnvironment {
  cwd: string;
  options: CaptureOptions;
  /** What the rows are to be. */
  input: InputKind;
  /** File of labels, in place of the probe's own. */
  labels?: string;
  engine: Engine;
  warn: (message: string) => void;
  step: (fraction: number, message: string) => Promise<void>;
}

/** A matrix file as one unlayered side, or a model captured over the probe as a layered one. */
export async function openInput(spec: string, environment: InputEnvironment): Promise<OpenedInput> {
  const { cwd, labels } = environment;
  const opened = await openRows(spec, environment);
  if (labels === undefined) return opened;
  try {
    return withLabels(opened, labels, await openLabels(labels, cwd));
  } catch (error) {
    await opened.close();
    throw error;
  }
}

function withLabels(opened: OpenedInput, file: string, labels: string[]): OpenedInput {
  const n = opened.inputs[0]?.shape[0] ?? labels.length;
  if (labels.length !== n) {
    throw new UserError(
      'wrong-shape',
      file,
      `has ${labels.length} labels for ${n} samples`,
      'give one label for each sample, in their order',
    );
  }
  return { ...opened, side: { ...opened.side, labels } };
}

async function openRows(spec: string, environment: InputEnvironment): Promise<OpenedInput> {
  const { cwd } = environment;
  // A model wins over a matrix where both would do: `model.safetensors` beside a config.json.
  if (isMatrixSpec(spec) && !(await isCheckpoint(spec, cwd))) {
    return matrixInput(spec, await openMatrix(spec, cwd), environment.input);
  }
  return modelInput(spec, await openModel(await locateModel(spec, [cwd])), environment);
}

async function isCheckpoint(spec: string, cwd: string): Promise<boolean> {
  if (spec.endsWith('.json')) return isTfjs(resolve(cwd, spec));
  if (!spec.endsWith('.safetensors')) return false;
  const path = await resolveModel(spec, [cwd]);
  return path !== undefined && (await openModel(path)).outline.runnable;
}

async function matrixInput(
  spec: string,
  matrix: MatrixFile,
  input: InputKind,
): Promise<OpenedInput> {
  if (matrix.sample !== undefined && input === 'samples') {
    await matrix.close();
    throw new UserError(
      'wrong-shape',
      spec,
      `has shape [${[matrix.n, ...matrix.sample].join(', ')}], and this analysis takes samples × units`,
      'flatten or select the other axes first',
    );
  }
  return {
    side: { name: matrix.label, layered: false, layers: [matrix] },
    inputs: [describe(spec, null, matrix, await matrix.sha256())],
    close: () => matrix.close(),
  };
}

async function modelInput(
  spec: string,
  model: Model,
  environment: InputEnvironment,
): Promise<OpenedInput> {
  const { options, cwd, engine, warn, step } = environment;
  const { outline } = model;
  if (!outline.runnable) {
    throw new UserError(
      'unsupported',
      spec,
      `cannot be run: ${outline.notRunnableBecause ?? 'it has no graph'}`,
      'name a model with a graph, or a matrix as FILE#KEY',
    );
  }
  const pool: Pool = options.pool ?? 'mean';
  const selected = selectLayers(outline, options.layers);
  const feed = await openFeed(model, options.probe, cwd, selected, pool);
  const named = (options.layers?.length ?? 0) > 0;
  const layers = fedLayers(selected, feed, named).map((layer) => layer.name);
  const captured = await captureLayers(
    { model, layers, feed, pool },
    {
      engine,
      ...(options.cacheFolder === undefined ? {} : { cacheFolder: options.cacheFolder }),
      cacheLimit: options.cacheLimit ?? defaultCacheLimit(),
      memoryLimit: options.memoryLimit ?? defaultMemoryLimit,
      warn,
      step,
    },
  );
  const rows = captured.layers;
  const sha256 = await model.fingerprint();
  if (feed.caution !== undefined) warn(feed.caution);
  return {
    side: {
      name: sideName(outline),
      layered: true,
      layers: rows,
      ...(feed.labels ? { labels: feed.labels } : {}),
      ...(feed.groups ? { groups: feed.groups } : {}),
      model,
    },
    inputs: rows.map((layer) => describe(spec, layer.label, layer, sha256)),
    probe: {
      spec: feed.spec,
      description: feed.description,
      sha256: feed.sha256,
      pool,
      ...labelCounts(feed),
    },
    ...(captured.runtime === undefined ? {} : { runtime: captured.runtime }),
    observed: captured.observed,
    close: () => captured.close(),
  };
}

/** Results name no more labels than a person reads. */
const mostLabels = 200;

function labelCounts({ labels, groups }: Feed): {
  labels?: Record<string, number>;
  groups?: number;
} {
  const counts = new Map<string, number>();
  for (const label of labels ?? []) counts.set(label, (counts.get(label) ?? 0) + 1);
  return {
    ...(labels && counts.size <= mostLabels ? { labels: Object.fromEntries(counts) } : {}),
    ...(groups ? { groups: new Set(groups).size } : {}),
  };
}

/** TensorFlow.js models are all called `model.json`: their folder tells them apart. */
const sideName = ({ format, name, path }: ModelOutline) =>
  format === 'tfjs' ? name : basename(path);

function describe(
  uri: string,
  layer: string | null,
  rows: Pick<NamedRows, 'n' | 'd' | 'dtype'>,
  sha256: string,
): Result['inputs'][number] {
  return { uri, layer, shape: [rows.n, rows.d], dtype: rows.dtype, sha256 };
}
