import type { DeviceChoice } from '@repscope/core/engine/engine.ts';
import {
  pools,
  type CaptureOptions,
  type InputOptions,
  type Pool,
} from '@repscope/core/jobs/messages.ts';
import type {
  AnalyzeParams,
  CompareParams,
  DownloadParams,
  RunRecipeParams,
} from '@repscope/core/protocol/language-server.ts';
import { usage } from './errors.ts';

// Requests come from any client: their shape is checked before anything runs.

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const isStrings = (value: unknown): value is string[] =>
  Array.isArray(value) && value.every((item) => typeof item === 'string' && item !== '');

const knownPools: readonly unknown[] = pools;
const devices: readonly unknown[] = ['auto', 'cpu', 'webgpu', 'cuda'];

function check(holds: boolean, method: string, what: string, remedy: string): asserts holds {
  if (!holds) throw usage(method, what, remedy);
}

function inputOptions(sent: Record<string, unknown>, method: string): InputOptions {
  const { probe, layers, pool } = sent;
  const options: InputOptions = {};
  if (probe !== undefined) {
    check(typeof probe === 'string', method, 'probe is not a string', 'send a probe spec, or none');
    options.probe = probe;
  }
  if (layers !== undefined) {
    check(isStrings(layers), method, 'layers is not a list of strings', 'send globs, or none');
    options.layers = layers;
  }
  if (pool !== undefined) {
    check(knownPools.includes(pool), method, 'unknown pool', `send one of ${pools.join(', ')}`);
    options.pool = pool as Pool;
  }
  return options;
}

function captureOptions(sent: Record<string, unknown>, method: string): CaptureOptions {
  const { device, memoryLimit } = sent;
  const options: CaptureOptions = inputOptions(sent, method);
  if (device !== undefined) {
    check(devices.includes(device), method, 'unknown device', 'send auto, cpu, webgpu or cuda');
    options.device = device as DeviceChoice;
  }
  if (memoryLimit !== undefined) {
    const isSize = typeof memoryLimit === 'number' && memoryLimit > 0;
    check(isSize, method, 'memoryLimit is not a size', 'send a number of bytes');
    options.memoryLimit = memoryLimit;
  }
  return options;
}

function shared(
  sent: Record<string, unknown>,
  method: string,
): CaptureOptions & Pick<AnalyzeParams, 'params' | 'workDoneToken'> {
  const { params } = sent;
  const given = params === undefined || isRecord(params);
  check(given, method, 'params is not an object', 'send parameters by name');
  return {
    ...captureOptions(sent, method),
    ...(params === undefined ? {} : { params }),
    ...progressToken(sent, method),
  };
}

function progressToken(
  { workDoneToken: token }: Record<string, unknown>,
  method: string,
): Pick<AnalyzeParams, 'workDoneToken'> {
  const tokened = token === undefined || typeof token === 'string' || typeof token === 'number';
  check(tokened, method, 'workDoneToken is not a token', 'send a string or a number');
  return token === undefined ? {} : { workDoneToken: token };
}

/** @throws UserError `usage` */
export function parseAnalyze(sent: unknown, method: string): AnalyzeParams {
  check(isRecord(sent), method, 'no parameters', 'send { analysis, inputs }');
  const { analysis, inputs, each, labels } = sent;
  check(typeof analysis === 'string', method, 'no analysis named', 'send the id of an analysis');
  const named = isStrings(inputs) && inputs.length > 0;
  check(named, method, 'no inputs named', 'send a list of model paths');
  const several = each === undefined || (Array.isArray(each) && each.every(isRecord));
  check(several, method, 'each is not a list of options', 'send options for each input, or none');
  const labelled = labels === undefined || typeof labels === 'string';
  check(labelled, method, 'labels is not a string', 'send a file of labels, or none');
  return {
    ...shared(sent, method),
    analysis,
    inputs,
    ...(each ? { each: each.map((options) => inputOptions(options, method)) } : {}),
    ...(labels === undefined ? {} : { labels }),
  };
}

/** @throws UserError `usage` */
export function parseCompare(sent: unknown, method: string): CompareParams {
  check(isRecord(sent), method, 'no parameters', 'send { inputs: [model, model] }');
  const { inputs } = sent;
  const pair = isStrings(inputs) && inputs.length === 2;
  check(pair, method, 'two inputs are needed', 'send a pair of model paths');
  return { ...shared(sent, method), inputs: [inputs[0]!, inputs[1]!] };
}

/** @throws UserError `usage` */
export function parseRunRecipe(sent: unknown, method: string): RunRecipeParams {
  check(isRecord(sent), method, 'no parameters', 'send { path }');
  return { path: parseText(sent, 'path', method), ...progressToken(sent, method) };
}

/** @throws UserError `usage` */
export function parseDownload(sent: unknown, method: string): DownloadParams {
  check(isRecord(sent), method, 'no parameters', 'send { id }');
  const { revision } = sent;
  const named = revision === undefined || typeof revision === 'string';
  check(named, method, 'revision is not a string', 'send a branch, tag or commit, or none');
  return {
    id: parseText(sent, 'id', method),
    ...(revision === undefined ? {} : { revision }),
    ...progressToken(sent, method),
  };
}

/** A required string of a request. @throws UserError `usage` */
export function parseText(sent: unknown, key: string, method: string): string {
  const text = isRecord(sent) ? sent[key] : undefined;
  check(typeof text === 'string' && text !== '', method, `no ${key}`, `send a ${key}`);
  return text;
}
