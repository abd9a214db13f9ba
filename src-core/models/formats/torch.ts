import { resolve } from 'node:path';
import { statFile } from '../../bytes/byte-source.ts';
import { openTorch, type TorchFile } from '../../tensor/torch.ts';
import type { Finding, Model } from '../model.ts';
import { isWeight, weightsModel } from './weights-model.ts';

/** Refused globals that are told one by one. */
const maxTold = 10;
/** Keys under which training code keeps the state of its optimizer: tensors, but no parameters. */
const optimizerState = /^optim(izer)?(s|_states?|_state_dict)?\./;

/**
 * Opens a PyTorch checkpoint: the tensors of its state dict, but no graph to run. Code that its
 * pickle asks for is not run and becomes a finding `unsafe-pickle`.
 * @throws UserError `missing`, `empty`, `truncated`, `not-a-model`, `unsupported`.
 */
export async function openTorchModel(path: string): Promise<Model> {
  const absolute = resolve(path);
  const { size } = await statFile(absolute);
  const file = await openTorch(absolute);
  await file.close();
  return weightsModel(
    absolute,
    file,
    {
      format: 'torch',
      bytes: size,
      metadata: {},
      findings: findingsOf(file),
      isParameter: (tensor) =>
        isWeight(tensor) && !optimizerState.test(tensor.name) && !file.repeated.has(tensor.name),
      reason: 'a PyTorch checkpoint holds weights, and the model’s code is not in it',
      remedy: 'export the model to ONNX, or analyse single tensors as FILE.pt#TENSOR',
    },
    openTorch,
  );
}

function findingsOf({ refused, unlisted }: TorchFile): Finding[] {
  const told = [...refused].slice(0, maxTold).map(([name, how]): Finding => ({
    severity: 'error',
    code: 'unsafe-pickle',
    message:
      how === 'run'
        ? `its pickle asks to run ${name}; it was not run`
        : `its pickle asks to import ${name}; it was not imported`,
  }));
  if (refused.size > maxTold) {
    told.push({
      severity: 'error',
      code: 'unsafe-pickle',
      message: `its pickle asks for ${refused.size - maxTold} more; none was run`,
    });
  }
  if (unlisted > 0) {
    told.push({
      severity: 'info',
      code: 'unlisted-tensor',
      message: `${unlisted} sparse or quantised tensors are not listed`,
    });
  }
  return told;
}
