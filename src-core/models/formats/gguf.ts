import { resolve } from 'node:path';
import { statFile } from '../../bytes/byte-source.ts';
import { openGguf } from '../../tensor/gguf.ts';
import type { Model } from '../model.ts';
import { isWeight, weightsModel } from './weights-model.ts';

/**
 * Opens a GGUF model: tensors and metadata, but no graph to run.
 * @throws UserError `missing`, `empty`, `truncated`, `not-a-model`, `unsupported`.
 */
export async function openGgufModel(path: string): Promise<Model> {
  const absolute = resolve(path);
  const { size } = await statFile(absolute);
  const file = await openGguf(absolute);
  await file.close();
  const { metadata } = file;
  const architecture = metadata['general.architecture'];
  const name = metadata['general.name'];
  const blocks = metadata[`${architecture}.block_count`];
  return weightsModel(
    absolute,
    file,
    {
      format: 'gguf',
      bytes: size,
      ...(architecture === undefined ? {} : { architecture }),
      ...(name === undefined || name.trim() === '' ? {} : { name: name.trim() }),
      metadata: {
        ...metadata,
        'GGUF version': String(file.version),
        ...(blocks === undefined ? {} : { num_hidden_layers: blocks }),
      },
      findings: [],
      isParameter: isWeight,
      reason: 'a GGUF file holds weights for llama.cpp, and no graph',
      remedy:
        'analyse single tensors as FILE.gguf#TENSOR, or use the model’s safetensors or ONNX form',
    },
    openGguf,
  );
}
