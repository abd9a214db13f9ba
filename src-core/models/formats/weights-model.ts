import { basename } from 'node:path';
import { stopIfAborted } from '../../bytes/byte-source.ts';
import { fingerprintFiles } from '../../bytes/fingerprint.ts';
import { UserError } from '../../errors.ts';
import { elementCount } from '../../tensor/convert.ts';
import { isBlockType, type Weight, type WeightFile } from '../../tensor/weight-file.ts';
import type { Finding, Model, ModelFormat, ModelOutline } from '../model.ts';

/** What a format says of its model besides the tensors. */
export interface WeightsDescription {
  format: ModelFormat;
  /** File size in bytes. */
  bytes: number;
  architecture?: string;
  name?: string;
  metadata: Record<string, string>;
  findings: Finding[];
  /** Whether a tensor counts as parameters. */
  isParameter: (tensor: Weight) => boolean;
  /** Why it cannot be run. */
  reason: string;
  remedy: string;
}

/** Elements read at once while NaN is looked for. */
const chunk = 1 << 20;
const mayBeNonFinite = new Set(['float64', 'float32', 'float16', 'bfloat16']);

/** Bytes, floats and blocks are parameters; wider integers and booleans are tables and masks. */
export const isWeight = ({ dtype }: Pick<Weight, 'dtype'>) =>
  mayBeNonFinite.has(dtype) || dtype === 'int8' || dtype === 'uint8' || isBlockType(dtype);

/** A model of which only weights are known. `open` opens its file anew, `file` is what it gave. */
export function weightsModel<F extends WeightFile>(
  path: string,
  file: F,
  description: WeightsDescription,
  open: (path: string) => Promise<F>,
): Model {
  return {
    outline: outlineOf(path, [...file.tensors.values()], description),
    fingerprint: (options) => fingerprintFiles([path], options),
    graph: () =>
      Promise.reject(
        new UserError(
          'unsupported',
          path,
          `cannot be run: ${description.reason}`,
          description.remedy,
        ),
      ),
    async nonFiniteTensors(signal) {
      const opened = await open(path);
      try {
        const found: string[] = [];
        for (const tensor of opened.tensors.values()) {
          if (await isNonFinite(tensor, signal)) found.push(tensor.name);
        }
        return found;
      } finally {
        await opened.close();
      }
    },
  };
}

async function isNonFinite(tensor: Weight, signal?: AbortSignal): Promise<boolean> {
  if (!mayBeNonFinite.has(tensor.dtype) && !isBlockType(tensor.dtype)) return false;
  const count = elementCount(tensor.shape);
  for (let start = 0; start < count; start += chunk) {
    stopIfAborted(signal);
    try {
      const values = await tensor.elements(start, Math.min(start + chunk, count), signal);
      // Any NaN or infinity makes the sum of x − x not zero.
      let sum = 0;
      for (const value of values) sum += value - value;
      if (sum !== 0) return true;
    } catch (error) {
      if (error instanceof UserError && error.code === 'unsupported') return false;
      throw error;
    }
  }
  return false;
}

function outlineOf(
  path: string,
  tensors: readonly Weight[],
  description: WeightsDescription,
): ModelOutline {
  const { format, bytes, architecture, metadata, findings, isParameter, reason } = description;
  const dtypes: ModelOutline['dtypes'] = {};
  for (const tensor of tensors.filter(isParameter)) {
    dtypes[tensor.dtype] = (dtypes[tensor.dtype] ?? 0) + elementCount(tensor.shape);
  }
  return {
    path,
    name: description.name ?? basename(path).replace(/\.[^.]+$/, ''),
    format,
    ...(architecture === undefined ? {} : { architecture }),
    bytes,
    parameters: Object.values(dtypes).reduce((total, count) => total + count, 0),
    dtypes,
    inputs: [],
    outputs: [],
    layers: [],
    tensors: tensors.map(({ name, dtype, shape, bytes: size }) => ({
      name,
      dtype,
      shape: [...shape],
      bytes: size,
    })),
    metadata,
    findings,
    runnable: false,
    notRunnableBecause: reason,
  };
}
