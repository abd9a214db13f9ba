import { createHash } from 'node:crypto';
import { isMatrixSpec, openMatrix, type MatrixFile } from '../../tensor/matrix-file.ts';
import { misfit, withImageTokens, type Feed, type Target } from '../feed.ts';
import type { ProbeKind } from '../probe-kind.ts';
import { takesTokens, tokenFeed } from '../token-feed.ts';
import { idsOfMatrix } from '../token-ids.ts';

/** Files whose rows are samples: values of the model's only input, or ids of tokens. */
export const arrays: ProbeKind = {
  forms: 'a .npy, .npz or .safetensors file',
  matches: (spec) => isMatrixSpec(spec),
  async open(spec, cwd) {
    const matrix = await openMatrix(spec, cwd);
    const sha256 = createHash('sha256')
      .update(await matrix.sha256())
      .update(spec)
      .digest('hex');
    return {
      feed: async (target) =>
        takesTokens(target)
          ? tokenFeed(target, {
              spec,
              description: `${matrix.n} rows of token ids of ${matrix.label}`,
              sha256,
              n: matrix.n,
              tokens: await idsOfMatrix(matrix),
            })
          : rowFeed(target, matrix, spec, sha256),
    };
  },
};

/** Each row is one sample, shaped as the model's only input says. */
function rowFeed(target: Target, matrix: MatrixFile, spec: string, sha256: string): Feed {
  const [input, ...others] = target.inputs;
  if (!input || others.length > 0)
    throw misfit(target, spec, 'an array feeds models with one input');
  const shape = input.shape.slice(1);
  const unknown = shape.filter((dimension) => typeof dimension !== 'number');
  const size = shape.reduce<number>(
    (product, dimension) => product * (typeof dimension === 'number' ? dimension : 1),
    1,
  );
  if (unknown.length > 1 || matrix.d % size !== 0 || (unknown.length === 0 && matrix.d !== size)) {
    throw misfit(target, spec, `its rows hold ${matrix.d} values`);
  }
  const dims = shape.map((dimension) =>
    typeof dimension === 'number' ? dimension : matrix.d / size,
  );
  if (input.dtype !== 'float32') {
    throw misfit(target, spec, `arrays feed float32 inputs, and ${input.name} is ${input.dtype}`);
  }
  return withImageTokens(target.model, {
    n: matrix.n,
    spec,
    description: `${matrix.n} rows of ${matrix.label}`,
    sha256,
    inputs: [input.name],
    batch: async (start, end) => {
      const data = Float32Array.from(await matrix.rows(start, end));
      return {
        feeds: { [input.name]: { data, dims: [end - start, ...dims], dtype: 'float32' } },
      };
    },
  });
}
