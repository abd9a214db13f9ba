import { basename, resolve } from 'node:path';
import { openBytes } from '../../bytes/byte-source.ts';
import { fingerprintFiles } from '../../bytes/fingerprint.ts';
import { UserError } from '../../errors.ts';
import { elementCount } from '../../tensor/convert.ts';
import { readSafetensorsHeader } from '../../tensor/safetensors.ts';
import type { Model, ModelOutline } from '../model.ts';
import { findNonFinite } from './non-finite.ts';

/**
 * Opens a lone safetensors file: tensors and metadata, but no graph to run.
 * @throws UserError `missing`, `empty`, `truncated`, `not-a-model`.
 */
export async function openSafetensorsModel(path: string): Promise<Model> {
  const absolute = resolve(path);
  const source = await openBytes(absolute);
  const header = await readSafetensorsHeader(source).finally(() => source.close());
  const stored = [...header.tensors.values()];
  const dtypes: ModelOutline['dtypes'] = {};
  for (const { dtype, shape } of stored) {
    dtypes[dtype] = (dtypes[dtype] ?? 0) + elementCount(shape);
  }
  const reason = 'a safetensors file holds weights only, and no config.json lies beside it';
  return {
    outline: {
      path: absolute,
      name: basename(absolute).replace(/\.safetensors$/i, ''),
      format: 'safetensors',
      bytes: source.size,
      parameters: Object.values(dtypes).reduce((total, count) => total + count, 0),
      dtypes,
      inputs: [],
      outputs: [],
      layers: [],
      tensors: stored.map(({ name, dtype, shape, length }) => ({
        name,
        dtype,
        shape,
        bytes: length,
      })),
      metadata: header.metadata,
      findings: [],
      runnable: false,
      notRunnableBecause: reason,
    },
    fingerprint: (options) => fingerprintFiles([absolute], options),
    graph: () =>
      Promise.reject(
        new UserError(
          'unsupported',
          absolute,
          `cannot be run: ${reason}`,
          'put the model’s config.json beside it, or export it to ONNX',
        ),
      ),
    nonFiniteTensors: (signal) =>
      findNonFinite(
        stored.map((tensor) => ({ ...tensor, path: absolute })),
        signal,
      ),
  };
}
