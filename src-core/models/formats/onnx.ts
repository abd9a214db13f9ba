import { access, realpath } from 'node:fs/promises';
import { basename, dirname, join, relative, resolve, sep } from 'node:path';
import { openBytes, statFile, type ByteSource } from '../../bytes/byte-source.ts';
import { fingerprintFiles, type FingerprintOptions } from '../../bytes/fingerprint.ts';
import { UserError } from '../../errors.ts';
import { isForeign } from '../../onnx/domains.ts';
import type { ExternalData } from '../../onnx/graph-builder.ts';
import { inferValues } from '../../onnx/inference.ts';
import { allTensors, describeLayers, findParameters } from '../../onnx/layers.ts';
import { lightCopy, type Tap } from '../../onnx/light-copy.ts';
import type { Inferred } from '../../onnx/rule.ts';
import {
  readOutline,
  type OnnxGraph,
  type OnnxOutline,
  type OnnxTensor,
  type OnnxValue,
} from '../../onnx/outline.ts';
import { elementCount } from '../../tensor/convert.ts';
import { unknownLayer } from '../layers.ts';
import type { Finding, Model, ModelOutline, RunnableGraph, ValueInfo } from '../model.ts';
import { findNonFinite, type StoredTensor } from './non-finite.ts';

/** Smaller tensors stay in the copy: shape constants must be there for shape inference. */
const inlineLimit = 1024;

/** External data of a model, by the location that the model gives. */
type ExternalFiles = Map<string, { path: string; size: number }>;

const valueInfo = ({ name, dtype, shape }: OnnxValue): ValueInfo => ({
  name,
  dtype,
  shape: shape ?? [],
});

async function withSource<T>(path: string, use: (source: ByteSource) => Promise<T>): Promise<T> {
  const source = await openBytes(path);
  try {
    return await use(source);
  } finally {
    await source.close();
  }
}

/** Whether `path` is `folder` or below it. */
function isWithin(folder: string, path: string): boolean {
  const way = relative(folder, path);
  return way !== '..' && !way.startsWith(`..${sep}`) && resolve(folder, way) === path;
}

/** Finds the files that hold external data; what is wrong with them becomes findings. */
async function findExternalFiles(
  path: string,
  tensors: readonly OnnxTensor[],
): Promise<{ files: ExternalFiles; findings: Finding[] }> {
  const files: ExternalFiles = new Map();
  const faults = new Map<string, Finding>();
  const folder = dirname(path);
  for (const { name, data, bytes } of tensors) {
    if (data.kind !== 'external' || faults.has(data.location)) continue;
    const { location, offset } = data;
    const fault = (code: string, message: string) =>
      faults.set(location, { severity: 'error', code, message });
    const target = resolve(folder, location);
    if (target === folder || !isWithin(folder, target)) {
      fault('external-data', `weights are said to lie outside the model's folder: ${location}`);
      continue;
    }
    if (!files.has(location)) {
      const stats = await statFile(target).catch(() => undefined);
      if (!stats?.isFile()) {
        fault('external-data', `the weights file ${location} is missing beside the model`);
        continue;
      }
      files.set(location, { path: target, size: stats.size });
    }
    const end = offset + (data.length ?? bytes);
    if (end > files.get(location)!.size) {
      fault('external-data', `the weights file ${location} is cut short: ${name} ends at ${end}`);
    }
  }
  return { files, findings: [...faults.values()] };
}

function domainFindings(outline: OnnxOutline): Finding[] {
  const foreign = new Set(
    outline.graph.nodes
      .map(({ domain }) => domain)
      .filter((domain) => isForeign(domain) && !outline.functionDomains.has(domain)),
  );
  return [...foreign].map((domain) => ({
    severity: 'error',
    code: 'custom-operator',
    message: `uses operators of ${domain}, which onnxruntime does not have`,
  }));
}

/** How many values inside bodies are named. */
const shownInner = 20;

/** Names of what nodes inside If, Loop and Scan bodies compute. */
function innerValues({ nodes }: OnnxGraph): string[] {
  return nodes.flatMap(({ subgraphs }) =>
    subgraphs.flatMap((body) => [
      ...body.nodes.flatMap(({ outputs }) => outputs.filter((name) => name !== '')),
      ...innerValues(body),
    ]),
  );
}

/** Kinds of input that cannot be handed to onnxruntime from JavaScript. */
function inputFindings(outline: OnnxOutline): Finding[] {
  return outline.graph.inputs
    .filter(({ dtype }) => dtype === 'float16' || dtype === 'bfloat16')
    .map(({ name, dtype }) => ({
      severity: 'error',
      code: 'half-input',
      message: `its input ${name} is ${dtype}, which onnxruntime for Node.js does not take`,
    }));
}

async function tokenizerFolder(path: string): Promise<string | undefined> {
  const folder = dirname(path);
  // Exports for transformers.js keep the graph in a folder `onnx` below the tokenizer.
  for (const candidate of basename(folder) === 'onnx' ? [folder, dirname(folder)] : [folder]) {
    const found = await access(join(candidate, 'tokenizer.json')).then(
      () => true,
      () => false,
    );
    if (found) return candidate;
  }
  return undefined;
}

function describe(
  path: string,
  size: number,
  model: OnnxOutline,
  values: ReadonlyMap<string, Inferred>,
  files: ExternalFiles,
  externalFindings: readonly Finding[],
): ModelOutline {
  const { graph } = model;
  const parameters = findParameters(graph);
  const layers = describeLayers(graph, values, parameters);
  const dtypes: ModelOutline['dtypes'] = {};
  for (const { dtype, shape } of parameters.values()) {
    dtypes[dtype] = (dtypes[dtype] ?? 0) + elementCount(shape);
  }
  const findings = [...externalFindings, ...domainFindings(model), ...inputFindings(model)];
  const inner = innerValues(graph);
  if (inner.length > 0) {
    const names = inner.slice(0, shownInner).join(', ') + (inner.length > shownInner ? ', …' : '');
    findings.push({
      severity: 'info',
      code: 'control-flow',
      message: `${inner.length} values inside its If, Loop and Scan bodies cannot be captured: ${names}`,
    });
  }
  const fatal = findings.find(({ severity }) => severity === 'error');
  const stem = basename(path).replace(/\.onnx$/i, '');
  return {
    path,
    name: stem === 'model' ? basename(dirname(path)) || stem : stem,
    format: 'onnx',
    ...(model.producer !== '' && { architecture: model.producer }),
    bytes: [...files.values()].reduce((total, file) => total + file.size, size),
    parameters: Object.values(dtypes).reduce((total, count) => total + count, 0),
    dtypes,
    inputs: graph.inputs.map(valueInfo),
    outputs: graph.outputs.map(valueInfo),
    layers,
    tensors: graph.initializers.map(({ name, dtype, shape, bytes }) => ({
      name,
      dtype,
      shape,
      bytes,
    })),
    metadata: { ...model.metadata, opset: String(model.opset) },
    findings,
    runnable: fatal === undefined,
    ...(fatal && { notRunnableBecause: fatal.message }),
  };
}

class OnnxModel implements Model {
  readonly outline: ModelOutline;
  readonly tokenizerFolder?: string;
  readonly #model: OnnxOutline;
  readonly #values: ReadonlyMap<string, Inferred>;
  readonly #files: ExternalFiles;
  /** Modification time of the model file when its offsets were read. */
  readonly #modified: number;

  constructor(
    outline: ModelOutline,
    model: OnnxOutline,
    values: ReadonlyMap<string, Inferred>,
    files: ExternalFiles,
    modified: number,
    tokenizer: string | undefined,
  ) {
    this.outline = outline;
    this.#model = model;
    this.#values = values;
    this.#files = files;
    this.#modified = modified;
    if (tokenizer !== undefined) this.tokenizerFolder = tokenizer;
  }

  fingerprint(options?: FingerprintOptions): Promise<string> {
    const weights = [...this.#files.values()].map(({ path }) => path).sort();
    return fingerprintFiles([this.outline.path, ...weights], options);
  }

  async graph(layers: readonly string[]): Promise<RunnableGraph> {
    const { outline } = this;
    if (outline.notRunnableBecause !== undefined) {
      throw new UserError(
        'unsupported',
        outline.path,
        `cannot be run: ${outline.notRunnableBecause}`,
        'export it with standard operators, float32 inputs and all its files',
      );
    }
    const outputs = new Set(outline.outputs.map(({ name }) => name));
    const names = outline.layers.map(({ name }) => name);
    const known = new Set(names);
    for (const layer of layers) {
      if (!known.has(layer) && !outputs.has(layer)) throw unknownLayer(outline.path, layer, names);
    }
    if ((await statFile(outline.path)).mtimeMs !== this.#modified) {
      throw new UserError(
        'failed',
        outline.path,
        'was written to since it was opened',
        'run again when it is complete',
      );
    }
    // Weights are found relative to where the file really is: onnxruntime refuses links out of there.
    const real = await realpath(outline.path);
    const folder = dirname(real);
    const locations = await this.#realLocations(folder);
    const taps = new Map(layers.map((layer) => [layer, this.#tap(layer)]));
    const added = [...taps.values()].filter(({ name }) => !outputs.has(name));
    const bytes = await withSource(real, (source) =>
      lightCopy(
        source,
        this.#model,
        (tensor) => relocated(tensor, basename(real), locations),
        added,
      ),
    );
    return {
      bytes,
      externalFolder: folder,
      inputs: outline.inputs,
      outputs: layers.map((layer) => taps.get(layer)!.name),
    };
  }

  /** 16-bit floats are given out as float32, which every consumer can read. */
  #tap(layer: string): Tap {
    const dtype = this.#values.get(layer)?.dtype;
    const isHalf = dtype === 'float16' || dtype === 'bfloat16';
    return isHalf ? { name: `${layer}:float32`, from: layer } : { name: layer };
  }

  /** Where external data really lie below `folder`, by the location that the model gives. */
  async #realLocations(folder: string): Promise<Map<string, string>> {
    const locations = new Map<string, string>();
    for (const [location, file] of this.#files) {
      const target = await realpath(file.path);
      if (!isWithin(folder, target)) {
        throw new UserError(
          'unsupported',
          this.outline.path,
          `its weights file ${location} is a link to another folder`,
          'copy both files into one folder',
        );
      }
      locations.set(location, relative(folder, target).split(sep).join('/'));
    }
    return locations;
  }

  async nonFiniteTensors(signal?: AbortSignal): Promise<string[]> {
    const stored: StoredTensor[] = [];
    for (const { name, dtype, bytes, data } of allTensors(this.#model.graph)) {
      if (data.kind === 'raw') {
        stored.push({ name, dtype, path: this.outline.path, ...data });
      } else if (data.kind === 'external') {
        const path = this.#files.get(data.location)?.path;
        const length = data.length ?? bytes;
        if (path !== undefined) stored.push({ name, dtype, path, offset: data.offset, length });
      }
    }
    return findNonFinite(stored, signal);
  }
}

/** Where the copy finds a tensor's bytes; undefined where the tensor is copied as it is. */
function relocated(
  { data, bytes }: OnnxTensor,
  file: string,
  locations: ReadonlyMap<string, string>,
): ExternalData | undefined {
  if (data.kind === 'raw' && data.length > inlineLimit) {
    return { location: file, offset: data.offset, length: data.length };
  }
  if (data.kind !== 'external') return undefined;
  const location = locations.get(data.location);
  return location === undefined || location === data.location
    ? undefined
    : { location, offset: data.offset, length: data.length ?? bytes };
}

/**
 * Opens an ONNX model by byte range.
 * @throws UserError `missing`, `empty`, `truncated`, `not-a-model`.
 */
export async function openOnnx(path: string): Promise<Model<RunnableGraph>> {
  const absolute = resolve(path);
  const { mtimeMs } = await statFile(absolute);
  return withSource(absolute, async (source) => {
    const model = await readOutline(source);
    const { files, findings } = await findExternalFiles(absolute, [...allTensors(model.graph)]);
    const values = inferValues(model.graph);
    const outline = describe(absolute, source.size, model, values, files, findings);
    return new OnnxModel(outline, model, values, files, mtimeMs, await tokenizerFolder(absolute));
  });
}
