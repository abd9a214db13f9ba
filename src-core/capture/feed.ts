import { extname, resolve } from 'node:path';
import { createHash } from 'node:crypto';
import type { FeedTensor } from '../engine/device-engine.ts';
import { UserError } from '../errors.ts';
import type { LayerInfo, Model, ValueInfo } from '../models/model.ts';
import { defaultImageProbe } from '../probes/digits.ts';
import { imageFeed, imageShapeOf } from '../probes/image.ts';
import { noiseFeed, noiseProbe } from '../probes/noise.ts';
import { defaultTextProbe, readTextProbe, type TextProbe } from '../probes/text.ts';
import { loadTokenizer, type EncodedText } from '../probes/tokenizer.ts';
import { isMatrixSpec, openMatrix } from '../tensor/matrix-file.ts';
import type { TokenMask } from './pooling.ts';

export interface Batch {
  feeds: Record<string, FeedTensor>;
  tokens?: TokenMask;
}

/** Samples of different lengths, in the order that wastes least on padding. */
export interface Schedule {
  /** Samples in the order of {@link Feed.batch}, longest first. */
  order: Uint32Array;
  /** Tokens of each sample. */
  lengths: Uint32Array;
}

/** A probe set in the form that one model takes. */
export interface Feed {
  readonly n: number;
  /** As the user wrote it, `default` where nothing was said. */
  readonly spec: string;
  readonly description: string;
  /** Decides, with the model, what the activations are. */
  readonly sha256: string;
  /** The model inputs that it fills. */
  readonly inputs: readonly string[];
  /** Work to be done once before the first batch, where there is any: texts become tokens. */
  prepare?(step: (fraction: number) => Promise<void>): Promise<Schedule>;
  /** Samples `[start, end)`, of the schedule's order where there is one, ready to run. */
  batch(start: number, end: number): Promise<Batch>;
}

/** A model, and those of its inputs that the wanted layers need. */
interface Target {
  model: Model;
  inputs: readonly ValueInfo[];
}

/**
 * The probe set `spec` for `model`: the embedded texts or digits, a text file, an array file whose
 * rows are samples, or `noise[:COUNT]`. With no spec the inputs decide: all of the model's, or those
 * that `layers` need.
 *
 * @throws UserError where the probe does not fit the inputs.
 */
export async function openFeed(
  model: Model,
  spec: string | undefined,
  cwd: string,
  layers: readonly LayerInfo[] = [],
): Promise<Feed> {
  const wanted = spec ?? 'default';
  const target = { model, inputs: neededInputs(model, layers) };
  if (wanted === 'noise' || wanted.startsWith('noise:')) return noise(target, wanted);
  if (wanted === 'default') {
    if (takesText(target)) return text(target, defaultTextProbe());
    return digits(target, wanted) ?? noise(target, wanted);
  }
  if (wanted === 'text') return text(target, defaultTextProbe());
  if (wanted === 'digits') {
    const feed = digits(target, wanted);
    if (feed) return feed;
    throw misfit(target, wanted, 'the model takes no images');
  }
  if (isMatrixSpec(wanted)) return array(target, wanted, cwd);
  if (['.txt', '.jsonl', '.csv'].includes(extname(wanted).toLowerCase())) {
    return text(target, await readTextProbe(resolve(cwd, wanted)), wanted);
  }
  throw new UserError(
    'usage',
    `probe '${wanted}'`,
    'neither a known probe set nor a file of a known kind',
    'use default, text, digits, noise:COUNT, or a .txt, .jsonl, .csv, .npy, .npz or .safetensors file',
  );
}

function neededInputs({ outline }: Model, layers: readonly LayerInfo[]): readonly ValueInfo[] {
  const all = outline.inputs;
  if (layers.length === 0 || layers.some((layer) => layer.inputs === undefined)) return all;
  const needed = new Set(layers.flatMap((layer) => layer.inputs ?? []));
  return all.filter(({ name }) => needed.has(name));
}

/**
 * Those of `layers` that the probe reaches: a model of several encoders has layers that need other
 * inputs than it fills.
 * @throws UserError `wrong-shape` where `named` (the user chose them) and one is not reached.
 */
export function fedLayers(
  layers: readonly LayerInfo[],
  feed: Feed,
  named: boolean,
): readonly LayerInfo[] {
  const missing = ({ inputs = [] }: LayerInfo) =>
    inputs.find((input) => !feed.inputs.includes(input));
  const unfed = named ? layers.find(missing) : undefined;
  if (unfed === undefined) return layers.filter((layer) => missing(layer) === undefined);
  throw new UserError(
    'wrong-shape',
    `layer '${unfed.name}'`,
    `needs ${missing(unfed)!}, which the probe '${feed.spec}' does not give`,
    'name layers of one encoder at a time, or a probe that fits with --probe',
  );
}

const takesText = ({ model, inputs }: Target) =>
  model.tokenizerFolder !== undefined && inputs.some((input) => input.name === 'input_ids');

const misfit = ({ model, inputs }: Target, probe: string, what: string) =>
  new UserError(
    'wrong-shape',
    `probe '${probe}'`,
    `${what} (${model.outline.name} takes ${inputs.map(showInput).join(', ')})`,
    'name a probe that fits with --probe',
  );

const showInput = ({ name, shape }: ValueInfo) =>
  `${name} [${shape.map((dimension) => dimension ?? '?').join(', ')}]`;

/** Texts that become tokens between two looks at whether the user asked to stop. */
const textsPerStep = 256;

const textInputs = ['input_ids', 'attention_mask', 'token_type_ids'];

async function text(target: Target, probe: TextProbe, spec = probe.spec): Promise<Feed> {
  const { model, inputs } = target;
  const folder = model.tokenizerFolder;
  if (!takesText(target) || folder === undefined) {
    throw misfit(target, spec, 'text needs a model with input_ids and a tokenizer.json');
  }
  const tokenizer = await loadTokenizer(folder);
  const names = new Set(inputs.map((input) => input.name));
  const fixed = inputs.find((input) => input.name === 'input_ids')?.shape[1];
  const width = typeof fixed === 'number' ? fixed : undefined;
  const options = { maxLength: Math.min(tokenizer.maxLength, width ?? Infinity) };
  /** In the order that they are run in. */
  let encoded: EncodedText[] = [];
  return {
    n: probe.texts.length,
    spec,
    description: probe.description,
    sha256: probe.sha256,
    inputs: textInputs.filter((name) => names.has(name)),
    async prepare(step) {
      const all: EncodedText[] = [];
      for (const text of probe.texts) {
        all.push(tokenizer.encodeOne(text, options));
        if (all.length % textsPerStep === 0) await step(all.length / probe.texts.length);
      }
      const lengths = Uint32Array.from(all, ({ ids }) => ids.length);
      const order = Uint32Array.from(all.keys()).sort((a, b) => lengths[b]! - lengths[a]! || a - b);
      encoded = Array.from(order, (sample) => all[sample]!);
      return { order, lengths };
    },
    batch: (start, end) => {
      const { ids, mask, types, batch, tokens } = tokenizer.pad(encoded.slice(start, end), width);
      const dims = [batch, tokens];
      const all = { input_ids: ids, attention_mask: mask, token_type_ids: types };
      const feeds: Record<string, FeedTensor> = {};
      for (const [name, data] of Object.entries(all)) {
        if (names.has(name)) feeds[name] = { data, dims, dtype: 'int64' };
      }
      return Promise.resolve({ feeds, tokens: { mask, tokens } });
    },
  };
}

/**
 * The drawn digits, where the only input is an image, or the only one besides those of an encoder of
 * texts.
 */
function digits({ model, inputs }: Target, spec: string): Feed | undefined {
  const [input, ...others] = inputs.filter(({ name }) => !textInputs.includes(name));
  const shape = input && others.length === 0 ? imageShapeOf(input) : undefined;
  if (!input || !shape) return undefined;
  const probe = defaultImageProbe(shape, model.pixelScaling);
  return withImageTokens(model, {
    n: probe.n,
    spec,
    description: probe.description,
    sha256: probe.sha256,
    inputs: [input.name],
    batch: (start, end) => {
      const { data, dims } = imageFeed(probe, start, end, input);
      return Promise.resolve({ feeds: { [input.name]: { data, dims, dtype: 'float32' } } });
    },
  });
}

/** Models that cut an image into tokens give each image as many, and all of them are real. */
function withImageTokens({ outline }: Model, feed: Feed): Feed {
  const count = outline.layers
    .filter(({ axes, inputs = feed.inputs }) => axes === 'tokens' && sameNames(inputs, feed.inputs))
    .map(({ shape }) => shape?.[1])
    .find((size) => typeof size === 'number');
  if (count === undefined) return feed;
  return {
    ...feed,
    prepare: () =>
      Promise.resolve({
        order: Uint32Array.from({ length: feed.n }, (_, sample) => sample),
        lengths: new Uint32Array(feed.n).fill(count),
      }),
    batch: async (start, end) => {
      const mask = new BigInt64Array((end - start) * count).fill(1n);
      return { ...(await feed.batch(start, end)), tokens: { mask, tokens: count } };
    },
  };
}

const sameNames = (a: readonly string[], b: readonly string[]) =>
  a.length === b.length && a.every((name) => b.includes(name));

function noise({ model, inputs }: Target, spec: string): Feed {
  const count = spec.includes(':') ? Number(spec.slice(spec.indexOf(':') + 1)) : undefined;
  if (count !== undefined && !(Number.isInteger(count) && count > 0)) {
    throw new UserError(
      'usage',
      `probe '${spec}'`,
      'the count is not a whole number',
      'use noise:500',
    );
  }
  const probe = noiseProbe(count === undefined ? {} : { n: count });
  return withImageTokens(model, {
    n: probe.n,
    spec,
    description: probe.description,
    sha256: probe.sha256,
    inputs: inputs.map(({ name }) => name),
    batch: (start, end) => {
      const feeds: Record<string, FeedTensor> = {};
      for (const [name, { data, dims }] of Object.entries(noiseFeed(probe, start, end, inputs))) {
        feeds[name] = { data, dims, dtype: 'float32' };
      }
      return Promise.resolve({ feeds });
    },
  });
}

/** Each row of an array file is one sample, shaped as the model's only input says. */
async function array(target: Target, spec: string, cwd: string): Promise<Feed> {
  const [input, ...others] = target.inputs;
  if (!input || others.length > 0)
    throw misfit(target, spec, 'an array feeds models with one input');
  const matrix = await openMatrix(spec, cwd);
  const shape = input.shape.slice(1);
  const unknown = shape.filter((dimension) => typeof dimension !== 'number');
  const size = shape.reduce<number>(
    (product, dimension) => product * (typeof dimension === 'number' ? dimension : 1),
    1,
  );
  if (unknown.length > 1 || matrix.d % size !== 0 || (unknown.length === 0 && matrix.d !== size)) {
    throw misfit(target, spec, `its rows hold ${matrix.d} values`);
  }
  const dims = shape.map((dimension) =>
    typeof dimension === 'number' ? dimension : matrix.d / size,
  );
  if (input.dtype !== 'float32') {
    throw misfit(target, spec, `arrays feed float32 inputs, and ${input.name} is ${input.dtype}`);
  }
  return withImageTokens(target.model, {
    n: matrix.n,
    spec,
    description: `${matrix.n} rows of ${matrix.label}`,
    sha256: createHash('sha256')
      .update(await matrix.sha256())
      .update(spec)
      .digest('hex'),
    inputs: [input.name],
    batch: async (start, end) => {
      const data = Float32Array.from(await matrix.rows(start, end));
      return {
        feeds: { [input.name]: { data, dims: [end - start, ...dims], dtype: 'float32' } },
      };
    },
  });
}
