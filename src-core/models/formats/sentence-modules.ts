import { existsSync } from 'node:fs';
import { basename, isAbsolute, join, relative, sep } from 'node:path';
import { z } from 'zod';
import { UserError } from '../../errors.ts';
import {
  Unsupported,
  WeightTable,
  type Weight,
  type Weights,
} from '../architectures/architecture.ts';
import { poolingModes, type PoolingMode, type SentenceStep } from '../architectures/sentence.ts';
import {
  readJson,
  readJsonObject,
  readOptionalJson,
  realPlace,
  type JsonObject,
} from './checkpoint-files.ts';
import { openWeightFile, type WeightFile } from './weight-file.ts';

/** What a sentence-transformers folder puts behind its transformer. */
export interface SentenceHead {
  steps: SentenceStep[];
  /** Configs that decide what it computes. */
  configs: string[];
  /** Weights of its dense layers. */
  weights: WeightFile[];
}

const modulesFile = 'modules.json';

const moduleList = z
  .array(z.object({ idx: z.int(), path: z.string(), type: z.string() }))
  .nonempty();

/** The last part of a class name says what a module is; libraries have moved the classes about. */
const className = (type: string): string => type.split('.').at(-1) ?? type;

/**
 * The modules that `modules.json` lists after the transformer, or undefined where there is no such
 * file. `root` is the folder that the weights of the graph are looked for in.
 * @throws Unsupported where a module is not computed here, UserError where a file cannot be read.
 */
export async function readSentenceHead(
  folder: string,
  root: string,
): Promise<SentenceHead | undefined> {
  const path = join(folder, modulesFile);
  if (!existsSync(path)) return undefined;
  const listed = moduleList.safeParse(await readJson(path));
  if (!listed.success) throw new Unsupported(`${modulesFile} is not a list of modules`);
  const [first, ...rest] = listed.data.sort((a, b) => a.idx - b.idx);
  if (className(first!.type) !== 'Transformer' || first!.path !== '') {
    const given = JSON.stringify(first!.type);
    throw new Unsupported(`${modulesFile} begins with ${given}, not with this transformer`);
  }
  const head: SentenceHead = { steps: [], configs: [path], weights: [] };
  for (const { path: place, type } of rest) {
    if (place === '' || place.startsWith('.') || basename(place) !== place) {
      throw new Unsupported(
        `${modulesFile} names ${JSON.stringify(place)}, not a folder beside it`,
      );
    }
    await addStep(head, join(folder, place), className(type), root);
  }
  if (head.steps[0]?.kind !== 'pooling') {
    throw new Unsupported(`${modulesFile} does not pool what the transformer gives`);
  }
  return head;
}

async function addStep(
  head: SentenceHead,
  folder: string,
  kind: string,
  root: string,
): Promise<void> {
  const path = join(folder, 'config.json');
  const label = `${basename(folder)}/config.json`;
  if (kind === 'Pooling') {
    const config = await readJsonObject(path);
    const modes = poolingOf(config).map((mode) => {
      const known = poolingModes.find((one) => one === mode);
      if (known === undefined)
        throw new Unsupported(`${label} has pooling_mode = ${JSON.stringify(mode)}`);
      return known;
    });
    if (modes.length === 0) throw new Unsupported(`${label} has no pooling mode`);
    if (head.steps.length > 0) throw new Unsupported(`${modulesFile} pools twice`);
    head.steps.push({ kind: 'pooling', modes });
    head.configs.push(path);
  } else if (kind === 'Dense') {
    const config = await readJsonObject(path);
    assertPlain(config, label);
    const weights = join(folder, 'model.safetensors');
    const location = await placeWithin(root, weights);
    const file = await openWeightFile(weights);
    head.steps.push(denseStep(config, label, file, location));
    head.configs.push(path);
    const prefix = `${basename(folder)}.`;
    head.weights.push({
      ...file,
      tensors: file.tensors.map((tensor) => ({ ...tensor, name: prefix + tensor.name })),
    });
  } else if (kind === 'Normalize') {
    const config = await readOptionalJson(path);
    if (config !== undefined) {
      assertPlain(config, label);
      head.configs.push(path);
    }
    head.steps.push({ kind: 'normalize' });
  } else {
    throw new Unsupported(`${modulesFile} has a module ${JSON.stringify(kind)}`);
  }
}

/** Modes that `1_Pooling/config.json` asks for, as old versions (a flag each) and new ones say it. */
export function poolingOf(config: JsonObject): string[] {
  const { pooling_mode: mode } = config;
  if (typeof mode === 'string') return [mode];
  if (Array.isArray(mode)) return mode.map(String);
  // In the order in which the library puts several together.
  return flags.filter(([flag]) => config[flag] === true).map(([, name]) => name);
}

const flags: readonly (readonly [flag: string, mode: PoolingMode])[] = [
  ['pooling_mode_cls_token', 'cls'],
  ['pooling_mode_max_tokens', 'max'],
  ['pooling_mode_mean_tokens', 'mean'],
  ['pooling_mode_mean_sqrt_len_tokens', 'mean_sqrt_len_tokens'],
  ['pooling_mode_weightedmean_tokens', 'weightedmean'],
  ['pooling_mode_lasttoken', 'lasttoken'],
];

/** A module must read what the one before it wrote, and add nothing to it. */
function assertPlain(config: JsonObject, label: string): void {
  for (const field of ['module_input_name', 'module_output_name']) {
    const value = config[field] ?? 'sentence_embedding';
    if (value !== 'sentence_embedding') {
      throw new Unsupported(`${label} has ${field} = ${JSON.stringify(value)}`);
    }
  }
  if (config['use_residual'] === true) throw new Unsupported(`${label} has use_residual = true`);
}

/** PyTorch's classes, by the last part of their name. */
const activations = {
  Identity: 'Identity',
  Tanh: 'Tanh',
  ReLU: 'Relu',
  GELU: 'Gelu',
  Sigmoid: 'Sigmoid',
} as const;

function denseStep(
  config: JsonObject,
  label: string,
  file: WeightFile,
  location: string,
): SentenceStep {
  const { in_features: input, out_features: out, activation_function: given } = config;
  if (typeof input !== 'number' || typeof out !== 'number') {
    throw new Unsupported(`${label} has no in_features and out_features`);
  }
  const name = className(typeof given === 'string' ? given : 'Tanh');
  if (!Object.hasOwn(activations, name)) {
    throw new Unsupported(`${label} has activation_function = ${JSON.stringify(given)}`);
  }
  const table = new WeightTable(weightsOf(file, location));
  const find = (tensor: string, shape: number[]): Weight => table.find([tensor], shape).weight;
  return {
    kind: 'dense',
    weight: find('linear.weight', [out, input]),
    ...(config['bias'] === false ? {} : { bias: find('linear.bias', [out]) }),
    activation: activations[name as keyof typeof activations],
  };
}

/** Where a file really lies, from `root`: a graph reads no weights from outside it. */
async function placeWithin(root: string, path: string): Promise<string> {
  if (!existsSync(path)) throw new Unsupported(`${path} is not there`);
  const { folder, name } = await realPlace(path);
  const location = relative(root, join(folder, name)).split(sep).join('/');
  if (!location.startsWith('../') && !isAbsolute(location)) return location;
  throw new Unsupported(`${path} lies outside the folder of the model's other weights`);
}

const weightsOf = ({ tensors }: WeightFile, location: string): Weights =>
  new Map(
    tensors.map(({ name, dtype, shape, offset, length }) => [
      name,
      { dtype, shape, data: { location, offset, length } },
    ]),
  );

/** As {@link readSentenceHead}, or the reason on one line why there is none. */
export async function trySentenceHead(
  folder: string,
  root: string,
): Promise<SentenceHead | string | undefined> {
  try {
    return await readSentenceHead(folder, root);
  } catch (error) {
    if (error instanceof Unsupported || error instanceof UserError) return error.message;
    throw error;
  }
}
