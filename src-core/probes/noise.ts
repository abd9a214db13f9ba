import { createHash } from 'node:crypto';
import { Random } from '../analyses/random.ts';
import { UserError } from '../errors.ts';
import type { ValueInfo } from '../models/model.ts';
import { fitsBatch, shapeText, wrongShape, type Feed } from './image.ts';

/** A standard normal number, by Marsaglia's polar method. */
export function normal(chance: Random): number {
  for (;;) {
    const u = 2 * chance.uniform() - 1;
    const v = 2 * chance.uniform() - 1;
    const s = u * u + v * v;
    if (s > 0 && s < 1) return u * Math.sqrt((-2 * Math.log(s)) / s);
  }
}

/** Random inputs, for models that take neither text nor an image. */
export interface NoiseProbe {
  spec: 'noise';
  description: string;
  n: number;
  seed: number;
  /** Hex digest of what decides the numbers. */
  sha256: string;
}

export function noiseProbe({ n = 500, seed = 0 } = {}): NoiseProbe {
  return {
    spec: 'noise',
    description: `${n} samples of seeded standard normal noise (seed ${seed}), not real data`,
    n,
    seed,
    sha256: createHash('sha256').update(`normal noise n=${n} seed=${seed}`).digest('hex'),
  };
}

/**
 * Samples `[start, end)` for every input, by name. The first axis is the batch; sample i is the same
 * whatever batch it comes in.
 * @throws UserError `wrong-shape` where a dimension but the first is unknown, `unsupported` where an
 * input is not float32.
 */
export function noiseFeed(
  probe: NoiseProbe,
  start: number,
  end: number,
  inputs: readonly ValueInfo[],
): Record<string, Feed> {
  const feeds = inputs.map((input, index): [string, Feed] => {
    const dims = [end - start, ...sampleShape(input)];
    if (!fitsBatch(input, end - start)) {
      throw wrongShape(input, dims, 'give as many samples at once as the model takes');
    }
    const size = dims.slice(1).reduce((product, dimension) => product * dimension, 1);
    const data = new Float32Array((end - start) * size);
    for (let i = start; i < end; i++) {
      const chance = new Random((probe.seed * 256 + index) * 2 ** 32 + i);
      for (let k = 0; k < size; k++) data[(i - start) * size + k] = normal(chance);
    }
    return [input.name, { data, dims }];
  });
  return Object.fromEntries(feeds);
}

function sampleShape(input: ValueInfo): number[] {
  const where = `input ${input.name}`;
  const remedy = 'give a probe that fits, with --probe FILE';
  if (input.dtype !== 'float32') {
    throw new UserError('unsupported', where, `takes ${input.dtype}, noise is float32`, remedy);
  }
  return input.shape.slice(1).map((dimension) => {
    if (typeof dimension === 'number') return dimension;
    const what = `its shape ${shapeText(input.shape)} is not fixed, so no noise fits it`;
    throw new UserError('wrong-shape', where, what, remedy);
  });
}
