import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { statFile } from '../../bytes/byte-source.ts';
import { fingerprintFiles } from '../../bytes/fingerprint.ts';
import { UserError } from '../../errors.ts';
import { elementCount } from '../../tensor/convert.ts';
import { pixelScalingOf, type PixelScaling } from '../../probes/pixel-scaling.ts';
import type { DType } from '../../tensor/dtype.ts';
import type { SafetensorsEntry } from '../../tensor/safetensors.ts';
import {
  isFloat,
  Unsupported,
  type ArchitecturePlan,
  type Weights,
} from '../architectures/architecture.ts';
import { architectures } from '../architectures/index.ts';
import { withSentenceEmbedding } from '../architectures/sentence.ts';
import type { Finding, Model, ModelOutline, RunnableGraph } from '../model.ts';
import {
  checkpointName,
  readJsonObject,
  readOptionalJson,
  weightFiles,
  type JsonObject,
} from './checkpoint-files.ts';
import { findNonFinite } from './non-finite.ts';
import { poolingOf, trySentenceHead, type SentenceHead } from './sentence-modules.ts';
import { openWeightFile, type WeightFile } from './weight-file.ts';

/** Files besides config and weights that decide what the model makes of a text. */
const textFiles = ['tokenizer.json', 'tokenizer_config.json', 'sentence_bert_config.json'];

/**
 * Opens a Hugging Face checkpoint: a folder with `config.json` and safetensors weights. Only headers
 * are read. Where the architecture is known the model runs as a generated graph over the weights
 * where they lie; otherwise the outline says why it does not.
 *
 * @throws UserError `missing`, `empty`, `truncated`, `not-a-model`, `unsupported`.
 */
export async function openHuggingFace(path: string): Promise<Model<RunnableGraph>> {
  const folder = resolve(path);
  const stats = await statFile(folder);
  if (!stats.isDirectory()) {
    throw new UserError('not-a-model', folder, 'is not a folder', 'name the folder of config.json');
  }
  const config = await readJsonObject(join(folder, 'config.json'));
  const files = await Promise.all((await weightFiles(folder)).map(openWeightFile));
  const bare = planOf(config, files);
  const root = files[0]!.place.folder;
  const { plan, head, findings } =
    typeof bare === 'string'
      ? { plan: bare, head: undefined, findings: [] }
      : await withHead(folder, bare, root);
  const all = [...files, ...(head?.weights ?? [])];
  const extras = [
    ...textFiles.map((name) => join(folder, name)).filter((file) => existsSync(file)),
    ...(head?.configs ?? []),
  ];
  const scaling =
    typeof plan !== 'string' && plan.inputs.some(({ name }) => name === 'pixel_values')
      ? await readScaling(folder, findings)
      : undefined;
  const outline = await outlineOf(folder, config, all, extras, plan, findings);
  const hasTokenizer = existsSync(join(folder, 'tokenizer.json'));
  return {
    outline,
    ...(hasTokenizer ? { tokenizerFolder: folder } : {}),
    ...(scaling === undefined ? {} : { pixelScaling: scaling }),
    fingerprint: (options) =>
      fingerprintFiles(
        [join(folder, 'config.json'), ...all.map((file) => file.path), ...extras],
        options,
      ),
    graph: (layers) => Promise.resolve().then(() => graphOf(folder, plan, root, layers)),
    nonFiniteTensors: (signal) =>
      findNonFinite(
        all.flatMap((file) => file.tensors.map((tensor) => ({ ...tensor, path: file.path }))),
        signal,
      ),
  };
}

/**
 * The plan with the sentence embedding that the folder's other modules make of it; where they cannot,
 * the plan as it is and a finding.
 */
async function withHead(
  folder: string,
  plan: ArchitecturePlan,
  root: string,
): Promise<{ plan: ArchitecturePlan; head?: SentenceHead; findings: Finding[] }> {
  const refuse = (reason: string) => {
    const message = `no sentence_embedding: ${reason}`;
    return {
      plan,
      findings: [{ severity: 'info', code: 'no-embedding', message } satisfies Finding],
    };
  };
  const head = await trySentenceHead(folder, root);
  if (head === undefined) return { plan, findings: [] };
  if (typeof head === 'string') return refuse(head);
  try {
    return { plan: withSentenceEmbedding(plan, head.steps), head, findings: [] };
  } catch (error) {
    if (error instanceof Unsupported) return refuse(error.message);
    throw error;
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

/** Causal masks and rotary frequencies, which older decoders keep beside their weights. */
const isBuffer = ({ name, shape }: SafetensorsEntry) =>
  name.endsWith('.rotary_emb.inv_freq') ||
  (/\.(attn|attention)\.(masked_)?bias$/.test(name) && shape.length !== 1);

/** Index tables and counters are stored as 64-bit integers and masks as booleans: no parameters. */
const isParameter = (tensor: SafetensorsEntry) =>
  (isFloat(tensor.dtype) || tensor.dtype === 'int8' || tensor.dtype === 'uint8') &&
  !isBuffer(tensor);

async function outlineOf(
  folder: string,
  config: JsonObject,
  files: WeightFile[],
  extras: string[],
  plan: ArchitecturePlan | string,
  findings: Finding[],
): Promise<ModelOutline> {
  const tensors = files.flatMap((file) => file.tensors);
  const dtypes: Partial<Record<DType, number>> = {};
  for (const tensor of tensors.filter(isParameter)) {
    dtypes[tensor.dtype] = (dtypes[tensor.dtype] ?? 0) + elementCount(tensor.shape);
  }
  const small = await Promise.all([join(folder, 'config.json'), ...extras].map(statFile));
  const architecture = architectureName(config);
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
  'num_key_value_heads',
  'intermediate_size',
  'hidden_act',
  'vocab_size',
  'max_position_embeddings',
  'n_embd',
  'n_layer',
  'n_layers',
  'num_layers',
  'n_head',
  'n_positions',
  'sliding_window',
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

/** A JSON file beside the checkpoint that it can do without; a damaged one is a finding. */
async function readSideFile(path: string, findings: Finding[]): Promise<JsonObject | undefined> {
  try {
    return await readOptionalJson(path);
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    findings.push({ severity: 'warning', code: 'bad-side-file', message: error.message });
    return undefined;
  }
}

/** How the model's own preprocessor scales pixels, where its file says so. */
async function readScaling(folder: string, findings: Finding[]): Promise<PixelScaling | undefined> {
  const name = 'preprocessor_config.json';
  const config = await readSideFile(join(folder, name), findings);
  if (config === undefined) return undefined;
  const scaling = pixelScalingOf(config);
  if (typeof scaling !== 'string') return scaling;
  const message = `${name} has ${scaling}: pixels are scaled to 0–1`;
  findings.push({ severity: 'warning', code: 'bad-side-file', message });
  return undefined;
}

/** How the sentence-transformers library would pool and truncate, where its files say so. */
async function sentenceFacts(folder: string, findings: Finding[]): Promise<Record<string, string>> {
  const read = (name: string) => readSideFile(join(folder, name), findings);
  const pooling = await read('1_Pooling/config.json');
  const sentence = await read('sentence_bert_config.json');
  const modes = poolingOf(pooling ?? {});
  const length = sentence?.['max_seq_length'];
  return {
    ...(modes.length > 0 ? { pooling: modes.join(' + ') } : {}),
    ...(typeof length === 'number' ? { max_seq_length: String(length) } : {}),
  };
}

function graphOf(
  folder: string,
  plan: ArchitecturePlan | string,
  root: string,
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
    externalFolder: root,
    inputs: plan.inputs,
    outputs: [...layers],
  };
}
