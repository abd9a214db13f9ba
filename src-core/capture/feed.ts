import { extname, resolve } from 'node:path';
import { createHash } from 'node:crypto';
import type { FeedTensor } from '../engine/device-engine.ts';
import { UserError } from '../errors.ts';
import type { Model, ValueInfo } from '../models/model.ts';
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
  /** Work to be done once before the first batch, where there is any: texts become tokens. */
  prepare?(step: (fraction: number) => Promise<void>): Promise<Schedule>;
  /** Samples `[start, end)`, of the schedule's order where there is one, ready to run. */
  batch(start: number, end: number): Promise<Batch>;
}

/**
 * The probe set `spec` for `model`: the embedded texts or digits, a text file, an array file whose
 * rows are samples, or `noise[:COUNT]`. With no spec the model's inputs decide.
 *
 * @throws UserError where the probe does not fit the model's inputs.
 */
export async function openFeed(model: Model, spec: string | undefined, cwd: string): Promise<Feed> {
  const wanted = spec ?? 'default';
  if (wanted === 'noise' || wanted.startsWith('noise:')) return noise(model, wanted);
  if (wanted === 'default') {
    if (takesText(model)) return text(model, defaultTextProbe());
    return (await digits(model, wanted)) ?? noise(model, wanted);
  }
  if (wanted === 'text') return text(model, defaultTextProbe());
  if (wanted === 'digits') {
    const feed = await digits(model, wanted);
    if (feed) return feed;
    throw misfit(model, wanted, 'the model takes no images');
  }
  if (isMatrixSpec(wanted)) return array(model, wanted, cwd);
  if (['.txt', '.jsonl', '.csv'].includes(extname(wanted).toLowerCase())) {
    return text(model, await readTextProbe(resolve(cwd, wanted)), wanted);
  }
  throw new UserError(
    'usage',
    `probe '${wanted}'`,
    'neither a known probe set nor a file of a known kind',
    'use default, text, digits, noise:COUNT, or a .txt, .jsonl, .csv, .npy, .npz or .safetensors file',
  );
}

const takesText = (model: Model) =>
  model.tokenizerFolder !== undefined &&
  model.outline.inputs.some((input) => input.name === 'input_ids');

const misfit = (model: Model, probe: string, what: string) =>
  new UserError(
    'wrong-shape',
    `probe '${probe}'`,
    `${what} (${model.outline.name} takes ${model.outline.inputs.map(showInput).join(', ')})`,
    'name a probe that fits with --probe',
  );

const showInput = ({ name, shape }: ValueInfo) =>
  `${name} [${shape.map((dimension) => dimension ?? '?').join(', ')}]`;

/** Texts that become tokens between two looks at whether the user asked to stop. */
const textsPerStep = 256;

async function text(model: Model, probe: TextProbe, spec = probe.spec): Promise<Feed> {
  const folder = model.tokenizerFolder;
  if (!takesText(model) || folder === undefined) {
    throw misfit(model, spec, 'text needs a model with input_ids and a tokenizer.json');
  }
  const tokenizer = await loadTokenizer(folder);
  const names = new Set(model.outline.inputs.map((input) => input.name));
  const fixed = model.outline.inputs.find((input) => input.name === 'input_ids')?.shape[1];
  const width = typeof fixed === 'number' ? fixed : undefined;
  const options = { maxLength: Math.min(tokenizer.maxLength, width ?? Infinity) };
  /** In the order that they are run in. */
  let encoded: EncodedText[] = [];
  return {
    n: probe.texts.length,
    spec,
    description: probe.description,
    sha256: probe.sha256,
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

/** The drawn digits, where the model has exactly one input and it is an image. */
function digits(model: Model, spec: string): Promise<Feed | undefined> {
  const [input, ...others] = model.outline.inputs;
  const shape = input && others.length === 0 ? imageShapeOf(input) : undefined;
  if (!input || !shape) return Promise.resolve(undefined);
  const probe = defaultImageProbe(shape);
  return Promise.resolve({
    n: probe.n,
    spec,
    description: probe.description,
    sha256: probe.sha256,
    batch: (start, end) => {
      const { data, dims } = imageFeed(probe, start, end, input);
      return Promise.resolve({ feeds: { [input.name]: { data, dims, dtype: 'float32' } } });
    },
  });
}

function noise(model: Model, spec: string): Feed {
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
  return {
    n: probe.n,
    spec,
    description: probe.description,
    sha256: probe.sha256,
    batch: (start, end) => {
      const feeds: Record<string, FeedTensor> = {};
      for (const [name, { data, dims }] of Object.entries(
        noiseFeed(probe, start, end, model.outline.inputs),
      )) {
        feeds[name] = { data, dims, dtype: 'float32' };
      }
      return Promise.resolve({ feeds });
    },
  };
}

/** Each row of an array file is one sample, shaped as the model's only input says. */
async function array(model: Model, spec: string, cwd: string): Promise<Feed> {
  const [input, ...others] = model.outline.inputs;
  if (!input || others.length > 0)
    throw misfit(model, spec, 'an array feeds models with one input');
  const matrix = await openMatrix(spec, cwd);
  const shape = input.shape.slice(1);
  const unknown = shape.filter((dimension) => typeof dimension !== 'number');
  const size = shape.reduce<number>(
    (product, dimension) => product * (typeof dimension === 'number' ? dimension : 1),
    1,
  );
  if (unknown.length > 1 || matrix.d % size !== 0 || (unknown.length === 0 && matrix.d !== size)) {
    throw misfit(model, spec, `its rows hold ${matrix.d} values`);
  }
  const dims = shape.map((dimension) =>
    typeof dimension === 'number' ? dimension : matrix.d / size,
  );
  if (input.dtype !== 'float32') {
    throw misfit(model, spec, `arrays feed float32 inputs, and ${input.name} is ${input.dtype}`);
  }
  return {
    n: matrix.n,
    spec,
    description: `${matrix.n} rows of ${matrix.label}`,
    sha256: createHash('sha256')
      .update(await matrix.sha256())
      .update(spec)
      .digest('hex'),
    batch: async (start, end) => {
      const data = Float32Array.from(await matrix.rows(start, end));
      return {
        feeds: { [input.name]: { data, dims: [end - start, ...dims], dtype: 'float32' } },
      };
    },
  };
}
