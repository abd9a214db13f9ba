import { resolve } from 'node:path';
import type { InputKind, Side } from '../analyses/definition.ts';
import type { Reduction } from '../capture/reduction.ts';
import type { ObservedShape } from '../capture/row-shapes.ts';
import type { Engine } from '../engine/device-engine.ts';
import { UserError } from '../errors.ts';
import { locateModel } from '../models/locate.ts';
import { openModel } from '../models/open.ts';
import type { Result } from '../results/schema.ts';
import { isMatrixSpec, openLabels, openMatrix } from '../tensor/matrix-file.ts';
import { isTfjs } from '../tensor/tfjs.ts';
import { openFactors } from './factors.ts';
import { matrixInput } from './matrix-input.ts';
import type { CaptureOptions } from './messages.ts';
import { modelInput } from './model-input.ts';
import { spreadOver } from './sequences.ts';

export interface OpenedInput {
  side: Side;
  /** As results describe them, one entry a layer. */
  inputs: Result['inputs'];
  probe?: NonNullable<Result['probe']>;
  /** Shapes of the values that were run, by layer. */
  observed?: ReadonlyMap<string, ObservedShape>;
  /** What ran the model where that was not the engine's own device. */
  runtime?: string;
  close(): Promise<void>;
}

export interface InputEnvironment {
  cwd: string;
  options: CaptureOptions;
  /** What the rows are to be. */
  input: InputKind;
  /** What the tokens of a sample become within the graph of a model that takes that. */
  reduction?: Reduction;
  /** File of labels, in place of the probe's own. */
  labels?: string;
  /** Whether that file is a table of features. */
  factors?: boolean;
  engine: Engine;
  warn: (message: string) => void;
  step: (fraction: number, message: string) => Promise<void>;
}

/** A matrix file as one unlayered side, or a model captured over the probe as a layered one. */
export async function openInput(spec: string, environment: InputEnvironment): Promise<OpenedInput> {
  const { cwd, labels } = environment;
  const opened = await openSide(spec, environment);
  if (labels === undefined) return opened;
  try {
    const { input } = environment;
    if (!environment.factors)
      return withLabels(opened, input, labels, await openLabels(labels, cwd));
    const factors = new Map<string, readonly string[]>();
    for (const [name, values] of await openFactors(labels, cwd)) {
      factors.set(name, withLabels(opened, input, labels, values).side.labels!);
    }
    return { ...opened, side: { ...opened.side, factors } };
  } catch (error) {
    await opened.close();
    throw error;
  }
}

async function openSide(spec: string, environment: InputEnvironment): Promise<OpenedInput> {
  const { cwd } = environment;
  // Both a matrix and a model of TensorFlow.js may be called `model.json`.
  if (isMatrixSpec(spec) && !(spec.endsWith('.json') && (await isTfjs(resolve(cwd, spec))))) {
    return matrixInput(spec, await openMatrix(spec, cwd), environment);
  }
  return modelInput(spec, await openModel(await locateModel(spec, [cwd])), environment);
}

function withLabels(
  opened: OpenedInput,
  input: InputKind,
  file: string,
  labels: string[],
): OpenedInput {
  const { side, inputs } = opened;
  const { sequences } = side;
  const rows = inputs[0]?.shape[0] ?? labels.length;
  const samples = sequences ? sequences.length - 1 : rows;
  if (labels.length === samples) {
    const perRow = sequences && input !== 'tokens' ? spreadOver(sequences, labels) : labels;
    return { ...opened, side: { ...side, labels: perRow } };
  }
  if (labels.length === rows && input !== 'tokens') return { ...opened, side: { ...side, labels } };
  throw new UserError(
    'wrong-shape',
    file,
    `has ${labels.length} labels for ${samples} samples`,
    `give one label for each sample, in their order${labels.length === samples + 1 ? ', without a heading' : ''}`,
  );
}
