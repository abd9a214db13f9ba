import type { NamedRows, Side } from '../analyses/definition.ts';
import { UserError } from '../errors.ts';
import type { Floats } from '../tensor/matrix.ts';
import type { MatrixFile } from '../tensor/matrix-file.ts';
import { attentionOfFile } from './attention-input.ts';
import { describeRows } from './describe-rows.ts';
import type { InputEnvironment, OpenedInput } from './inputs.ts';
import { defaultMemoryLimit } from './messages.ts';

/** A matrix file as the analysis takes it; the file is closed where it does not fit. */
export async function matrixInput(
  spec: string,
  matrix: MatrixFile,
  { input, engine, options, step }: InputEnvironment,
): Promise<OpenedInput> {
  try {
    const bound = options.memoryLimit ?? defaultMemoryLimit;
    const side =
      input === 'attention'
        ? await attentionOfFile(spec, matrix, engine, bound, step)
        : sideOf(spec, matrix, input);
    const sha256 = await matrix.sha256();
    return {
      side,
      inputs: side.layers.map((layer) =>
        describeRows(spec, side.layered ? layer.label : null, layer, sha256, input),
      ),
      close: () => matrix.close(),
    };
  } catch (error) {
    await matrix.close();
    throw error;
  }
}

function sideOf(
  spec: string,
  matrix: MatrixFile,
  input: Exclude<InputEnvironment['input'], 'attention'>,
): Side {
  const name = matrix.label;
  const axes = 1 + (matrix.sample?.length ?? 1);
  const misfit = (takes: string, remedy: string) =>
    new UserError(
      'wrong-shape',
      spec,
      `has shape [${[matrix.n, ...(matrix.sample ?? [matrix.d])].join(', ')}], and this analysis takes ${takes}`,
      remedy,
    );
  switch (input) {
    case 'weights':
      throw misfit('the weights of a model', 'name a model');
    case 'tokens':
      if (axes > 3) {
        throw misfit('tokens × units, or sequences × tokens × units', 'select or flatten the rest');
      }
      return { name, layered: false, ...tokensOf(matrix) };
    case 'repeats':
      return { name, layered: false, layers: [matrix] };
    default:
      if (axes > 2) throw misfit('samples × units', 'flatten or select the other axes first');
      return { name, layered: false, layers: [matrix] };
  }
}

/** Tokens × units as one sequence; of sequences × tokens × units each token as a row. */
function tokensOf(matrix: MatrixFile): Pick<Side, 'layers' | 'sequences'> {
  const [tokens, units] = matrix.sample ?? [];
  if (tokens === undefined || units === undefined) {
    return { layers: [matrix], sequences: Uint32Array.of(0, matrix.n) };
  }
  return {
    layers: [rowsOfTokens(matrix, tokens, units)],
    sequences: Uint32Array.from({ length: matrix.n + 1 }, (_, at) => at * tokens),
  };
}

function rowsOfTokens(matrix: MatrixFile, tokens: number, units: number): NamedRows {
  return {
    label: matrix.label,
    n: matrix.n * tokens,
    d: units,
    dtype: matrix.dtype,
    async rows(start, end): Promise<Floats> {
      const first = Math.floor(start / tokens);
      const whole = await matrix.rows(first, Math.ceil(end / tokens));
      return whole.slice((start - first * tokens) * units, (end - first * tokens) * units);
    },
  };
}
