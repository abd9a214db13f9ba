import { resolve } from 'node:path';
import { statFile } from '../../bytes/byte-source.ts';
import type { KerasFile } from '../../tensor/keras.ts';
import type { Finding, Model } from '../model.ts';
import { isWeight, weightsModel } from './weights-model.ts';

/** Groups in which Keras keeps the state of the optimizer: tensors, but no parameters. */
const optimizerState = /^optimizer(_weights)?\//;

const lambda: Finding = {
  severity: 'warning',
  code: 'unsafe-lambda',
  message:
    'its configuration holds Python code (a Lambda layer), which loading it in Keras may run',
};

/**
 * Opens weights that Keras saved, as a `.keras` archive or an HDF5 file: tensors, but no graph to
 * run.
 * @param open reads the file as what it is
 * @throws UserError `missing`, `empty`, `truncated`, `not-a-model`, `unsupported`.
 */
export async function openKerasModel(
  path: string,
  open: (path: string) => Promise<KerasFile>,
): Promise<Model> {
  const absolute = resolve(path);
  const { size } = await statFile(absolute);
  const file = await open(absolute);
  await file.close();
  const { className, kerasVersion, code = false } = file.config ?? {};
  return weightsModel(
    absolute,
    file,
    {
      format: 'keras',
      bytes: size,
      ...(className === undefined ? {} : { architecture: className }),
      metadata: kerasVersion === undefined ? {} : { keras_version: kerasVersion },
      findings: code ? [lambda] : [],
      isParameter: (tensor) => isWeight(tensor) && !optimizerState.test(tensor.name),
      reason: 'Keras files are read for their weights only',
      remedy:
        'export the model to ONNX (in Keras: model.export(path, format="onnx")), or analyse single tensors as FILE#TENSOR',
    },
    open,
  );
}
