import { basename } from 'node:path';
import { attentionReduction } from '../analyses/collapse/attention-statistics.ts';
import type { NamedRows, Side } from '../analyses/definition.ts';
import { captureLayers, type Captured } from '../capture/capture.ts';
import { fedLayers, openFeed } from '../capture/feed.ts';
import { canReduce } from '../capture/reduction.ts';
import { UserError } from '../errors.ts';
import { selectLayers } from '../models/layers.ts';
import type { LayerInfo, Model, ModelOutline } from '../models/model.ts';
import type { Feed } from '../probes/feed.ts';
import { defaultCacheLimit } from '../results/locations.ts';
import { attentionLayers, ofHeads } from './attention-input.ts';
import { describeRows } from './describe-rows.ts';
import type { InputEnvironment, OpenedInput } from './inputs.ts';
import { defaultMemoryLimit, type Pool } from './messages.ts';
import { spreadOver } from './sequences.ts';

/** A model as the analysis takes it: its layers over the probe, or its weights alone. */
export function modelInput(
  spec: string,
  model: Model,
  environment: InputEnvironment,
): Promise<OpenedInput> {
  return environment.input === 'weights'
    ? weightsInput(spec, model, environment)
    : capturedInput(spec, model, environment);
}

/** Nothing is run: the model need not be one that can be. */
async function weightsInput(
  spec: string,
  model: Model,
  { options, cwd }: InputEnvironment,
): Promise<OpenedInput> {
  const { outline } = model;
  const dtype = Object.entries(outline.dtypes).sort(([, a], [, b]) => b - a)[0]?.[0] ?? 'none';
  return {
    side: {
      name: sideName(outline),
      layered: true,
      layers: [],
      model,
      feed: () => openFeed(model, options.probe, cwd),
    },
    inputs: [
      {
        uri: spec,
        layer: null,
        shape: [outline.tensors.length, outline.parameters],
        dtype,
        sha256: await model.fingerprint(),
      },
    ],
    close: () => Promise.resolve(),
  };
}

async function capturedInput(
  spec: string,
  model: Model,
  environment: InputEnvironment,
): Promise<OpenedInput> {
  const { options, cwd, engine, input, warn, step } = environment;
  const { outline } = model;
  if (!outline.runnable) {
    throw new UserError(
      'unsupported',
      spec,
      `cannot be run: ${outline.notRunnableBecause ?? 'it has no graph'}`,
      'name a model with a graph, or a matrix as FILE#KEY',
    );
  }
  const whole = input === 'tokens' || input === 'attention';
  const pool: Pool = whole ? 'none' : (options.pool ?? 'mean');
  const named = (options.layers?.length ?? 0) > 0;
  const maps = input === 'attention';
  const reduction = maps ? attentionReduction : tokenReduction(outline, environment);
  const selected = selectedLayers(spec, outline, environment);
  const feed = await openFeed(model, options.probe, cwd, selected, pool);
  const layers = fedLayers(selected, feed, named);
  const captured = await captureLayers(
    {
      model,
      layers: layers.map(({ name }) => name),
      feed,
      pool,
      ...(reduction ? { reduction } : {}),
    },
    {
      engine,
      ...(options.cacheFolder === undefined ? {} : { cacheFolder: options.cacheFolder }),
      cacheLimit: options.cacheLimit ?? defaultCacheLimit(),
      memoryLimit: options.memoryLimit ?? defaultMemoryLimit,
      warn,
      step,
    },
  );
  try {
    const { rows, sequences } = reduction
      ? { rows: maps ? captured.layers.map(ofHeads) : captured.layers }
      : rowsOfParts(spec, captured, { named, input, warn });
    const sha256 = await model.fingerprint();
    if (feed.caution !== undefined) warn(feed.caution);
    return {
      side: {
        name: sideName(outline),
        layered: true,
        layers: rows,
        ...samplesOf(feed, sequences, input),
        model,
      },
      inputs: rows.map((layer) => {
        const info = layers.find(({ name }) => name === layer.label);
        return describeRows(
          spec,
          layer.label,
          reduction ? ofUnits(layer, info) : layer,
          sha256,
          input,
        );
      }),
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
  } catch (error) {
    await captured.close();
    throw error;
  }
}

/** What becomes of tokens within the model's graph, where the analysis needs no more than that. */
const tokenReduction = (outline: ModelOutline, { input, reduction }: InputEnvironment) =>
  input === 'tokens' && canReduce(outline) ? reduction : undefined;

function selectedLayers(
  spec: string,
  outline: ModelOutline,
  environment: InputEnvironment,
): LayerInfo[] {
  const { layers } = environment.options;
  if (environment.input === 'attention') return attentionLayers(outline, layers);
  return tokenReduction(outline, environment)
    ? tokenLayers(spec, outline, environment)
    : selectLayers(outline, layers);
}

/** The layers that have a row for each token. @throws UserError where the user named others. */
function tokenLayers(
  spec: string,
  outline: ModelOutline,
  { options, warn }: InputEnvironment,
): LayerInfo[] {
  const selected = selectLayers(outline, options.layers);
  const fitting = selected.filter(({ axes }) => axes === 'tokens');
  if (fitting.length === selected.length) return fitting;
  const others = selected.filter((layer) => !fitting.includes(layer)).map(({ name }) => name);
  const named = (options.layers?.length ?? 0) > 0;
  if (named || fitting.length === 0) throw noTokens(spec, others);
  warn(leftOut(others));
  return fitting;
}

const noTokens = (spec: string, layers: readonly string[]) =>
  new UserError(
    'wrong-shape',
    spec,
    `has no row for each token in ${layers.slice(0, 3).join(', ')}${layers.length > 3 ? ', …' : ''}`,
    'name layers of shape [samples, tokens, units] with --layers',
  );

const leftOut = (layers: readonly string[]) =>
  `left out, since they have one row a sample: ${layers.join(', ')}`;

/**
 * Where each token or word is a row, layers that have one row a sample cannot stand beside those:
 * they are left out where the user did not name them.
 */
function rowsOfParts(
  spec: string,
  { layers, sequences }: Captured,
  { named, input, warn }: Pick<InputEnvironment, 'input' | 'warn'> & { named: boolean },
): { rows: NamedRows[]; sequences?: Uint32Array } {
  const parts = sequences?.at(-1);
  const fitting = layers.filter(({ n }) => n === parts);
  if (sequences && fitting.length === layers.length) return { rows: layers, sequences };
  const others = layers.filter(({ n }) => n !== parts).map(({ label }) => label);
  if (input === 'tokens' && (named || fitting.length === 0)) throw noTokens(spec, others);
  if (!sequences || named || fitting.length === 0) return { rows: layers };
  warn(leftOut(others));
  return { rows: fitting, sequences };
}

/** Labels and groups of the rows, or of the sequences where the analysis tells these apart. */
function samplesOf(
  { n, labels, groups }: Feed,
  sequences: Uint32Array | undefined,
  input: InputEnvironment['input'],
): Pick<Side, 'labels' | 'groups' | 'sequences'> {
  const spread = (values: readonly string[]) =>
    sequences === undefined || input === 'tokens' ? values : spreadOver(sequences, values);
  // Tokens of one sample belong together even where the probe has no groups.
  const together = sequences ? Array.from({ length: n }, (_, sample) => String(sample)) : undefined;
  const grouped = groups ?? together;
  return {
    ...(labels ? { labels: spread(labels) } : {}),
    ...(grouped ? { groups: spread(grouped) } : {}),
    ...(sequences ? { sequences } : {}),
  };
}

/** A layer under the units that its rows were made of, where the model says how many. */
function ofUnits(layer: NamedRows, info: LayerInfo | undefined): NamedRows {
  const units = info?.axes === 'tokens' ? info.shape?.at(-1) : undefined;
  return typeof units === 'number' ? { ...layer, d: units } : layer;
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
