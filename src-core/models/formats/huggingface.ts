import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { openBytes, statFile } from '../../bytes/byte-source.ts';
import { fingerprintFiles } from '../../bytes/fingerprint.ts';
import { UserError } from '../../errors.ts';
import { elementCount } from '../../tensor/convert.ts';
import type { DType } from '../../tensor/dtype.ts';
import { readSafetensorsHeader, type SafetensorsEntry } from '../../tensor/safetensors.ts';
import {
  isFloat,
  Unsupported,
  type ArchitecturePlan,
  type Weights,
} from '../architectures/architecture.ts';
import { architectures } from '../architectures/index.ts';
import type { Finding, Model, ModelOutline, RunnableGraph } from '../model.ts';
import {
  checkpointName,
  readJsonObject,
  readOptionalJson,
  realPlace,
  weightFiles,
  type JsonObject,
} from './checkpoint-files.ts';
import { findNonFinite } from './non-finite.ts';

/** A safetensors file of the checkpoint with its tensors. */
interface WeightFile {
  path: string;
  bytes: number;
  tensors: SafetensorsEntry[];
  /** The folder and name of the file itself, links followed. */
  place: { folder: string; name: string };
}

/** Files besides config and weights that decide what the model makes of a text. */
const textFiles = ['tokenizer.json', 'tokenizer_config.json', 'sentence_bert_config.json'];

/**
 * Opens a Hugging Face checkpoint: a folder with `config.json` and safetensors weights. Only headers
 * are read. Where the architecture is known the model runs as a generated graph over the weights
 * where they lie; otherwise the outline says why it does not.
 *
 * @throws UserError `missing`, `empty`, `truncated`, `not-a-model`, `unsupported`.
 */
export async function openHuggingFace(path: string): Promise<Model> {
  const folder = resolve(path);
  const stats = await statFile(folder);
  if (!stats.isDirectory()) {
    throw new UserError('not-a-model', folder, 'is not a folder', 'name the folder of config.json');
  }
  const config = await readJsonObject(join(folder, 'config.json'));
  const files = await Promise.all((await weightFiles(folder)).map(openWeightFile));
  const plan = planOf(config, files);
  const extras = textFiles.map((name) => join(folder, name)).filter((file) => existsSync(file));
  const outline = await outlineOf(folder, config, files, extras, plan);
  const hasTokenizer = existsSync(join(folder, 'tokenizer.json'));
  return {
    outline,
    ...(hasTokenizer ? { tokenizerFolder: folder } : {}),
    fingerprint: (signal) =>
      fingerprintFiles(
        [join(folder, 'config.json'), ...files.map((file) => file.path), ...extras],
        signal,
      ),
    graph: (layers) => Promise.resolve().then(() => graphOf(folder, plan, files, layers)),
    nonFiniteTensors: (signal) =>
      findNonFinite(
        files.flatMap((file) => file.tensors.map((tensor) => ({ ...tensor, path: file.path }))),
        signal,
      ),
  };
}

async function openWeightFile(path: string): Promise<WeightFile> {
  const source = await openBytes(path);
  try {
    const { tensors } = await readSafetensorsHeader(source);
    return {
      path,
      bytes: source.size,
      tensors: [...tensors.values()],
      place: await realPlace(path),
    };
  } finally {
    await source.close();
  }
}

/** The forward pass, or the reason why there is none. */
function planOf(config: JsonObject, files: WeightFile[]): ArchitecturePlan | string {
  const type = config['model_type'];
  const known = Object.keys(architectures).join(', ');
  if (typeof type !== 'string') return `config.json has no model_type (known: ${known})`;
  const architecture = Object.hasOwn(architectures, type) ? architectures[type] : undefined;
  if (architecture === undefined) {
    return `config.json has model_type = "${type}", which is not supported (known: ${known})`;
  }
  if (new Set(files.map((file) => file.place.folder)).size > 1) {
    return 'its weight files lie in different folders';
  }
  const weights: Weights = new Map(
    files.flatMap(({ tensors, place }) =>
      tensors.map(({ name, dtype, shape, offset, length }) => [
        name,
        { dtype, shape, data: { location: place.name, offset, length } },
      ]),
    ),
  );
  const quantization = config['quantization_config'] as
    { quant_method?: unknown } | null | undefined;
  if (quantization) {
    const method = JSON.stringify(quantization.quant_method);
    return `config.json has quantization_config.quant_method = ${method}, which is not supported`;
  }
  try {
    return architecture(config, weights);
  } catch (error) {
    if (error instanceof Unsupported) return error.message;
    throw error;
  }
}

/** Index tables and counters are stored as 64-bit integers and masks as booleans: no parameters. */
const isParameter = ({ dtype }: SafetensorsEntry) =>
  isFloat(dtype) || dtype === 'int8' || dtype === 'uint8';

async function outlineOf(
  folder: string,
  config: JsonObject,
  files: WeightFile[],
  extras: string[],
  plan: ArchitecturePlan | string,
): Promise<ModelOutline> {
  const tensors = files.flatMap((file) => file.tensors);
  const dtypes: Partial<Record<DType, number>> = {};
  for (const tensor of tensors.filter(isParameter)) {
    dtypes[tensor.dtype] = (dtypes[tensor.dtype] ?? 0) + elementCount(tensor.shape);
  }
  const small = await Promise.all([join(folder, 'config.json'), ...extras].map(statFile));
  const architecture = architectureName(config);
  const findings: Finding[] = [];
  const runnable = typeof plan !== 'string';
  return {
    path: folder,
    name: checkpointName(folder),
    format: 'huggingface',
    ...(architecture === undefined ? {} : { architecture }),
    bytes: [...files.map((file) => file.bytes), ...small.map((file) => file.size)].reduce(
      (sum, size) => sum + size,
      0,
    ),
    parameters: Object.values(dtypes).reduce((sum, count) => sum + count, 0),
    dtypes,
    inputs: runnable ? plan.inputs : [],
    outputs: runnable ? plan.outputs : [],
    layers: runnable ? plan.layers : [],
    tensors: tensors.map(({ name, dtype, shape, length }) => ({
      name,
      dtype,
      shape,
      bytes: length,
    })),
    metadata: { ...configFacts(config), ...(await sentenceFacts(folder, findings)) },
    findings,
    runnable,
    ...(runnable ? {} : { notRunnableBecause: plan }),
  };
}

function architectureName(config: JsonObject): string | undefined {
  const { architectures: names, model_type: type } = config;
  const first: unknown = Array.isArray(names) ? names[0] : undefined;
  return [first, type].find((name): name is string => typeof name === 'string');
}

const shownFields = [
  'model_type',
  'hidden_size',
  'num_hidden_layers',
  'num_attention_heads',
  'intermediate_size',
  'hidden_act',
  'vocab_size',
  'max_position_embeddings',
  'transformers_version',
];

function configFacts(config: JsonObject): Record<string, string> {
  const facts: Record<string, string> = {};
  for (const field of shownFields) {
    const value = config[field];
    if (typeof value === 'string' || typeof value === 'number') facts[field] = String(value);
  }
  return facts;
}

/** How the sentence-transformers library would pool and truncate, where its files say so. */
async function sentenceFacts(folder: string, findings: Finding[]): Promise<Record<string, string>> {
  const read = async (name: string): Promise<JsonObject | undefined> => {
    try {
      return await readOptionalJson(join(folder, name));
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      findings.push({ severity: 'warning', code: 'bad-side-file', message: error.message });
      return undefined;
    }
  };
  const pooling = await read('1_Pooling/config.json');
  const sentence = await read('sentence_bert_config.json');
  const modes = Object.entries(pooling ?? {})
    .filter(([key, value]) => key.startsWith('pooling_mode_') && value === true)
    .map(([key]) => key.replace(/^pooling_mode_/, '').replace(/_tokens?$/, ''));
  const length = sentence?.['max_seq_length'];
  return {
    ...(modes.length > 0 ? { pooling: modes.join(' + ') } : {}),
    ...(typeof length === 'number' ? { max_seq_length: String(length) } : {}),
  };
}

function graphOf(
  folder: string,
  plan: ArchitecturePlan | string,
  files: WeightFile[],
  layers: readonly string[],
): RunnableGraph {
  if (typeof plan === 'string') {
    throw new UserError(
      'unsupported',
      folder,
      `cannot be run: ${plan}`,
      'export the model to ONNX and use that file',
    );
  }
  for (const name of layers) {
    if (!plan.layers.some((layer) => layer.name === name)) {
      throw new UserError('unknown-layer', folder, `has no layer ${name}`, 'see repscope inspect');
    }
  }
  return {
    bytes: plan.graph(layers),
    externalFolder: files[0]!.place.folder,
    inputs: plan.inputs,
    outputs: [...layers],
  };
}
