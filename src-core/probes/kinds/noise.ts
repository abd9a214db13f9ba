import type { FeedTensor } from '../../engine/device-engine.ts';
import { UserError } from '../../errors.ts';
import { withImageTokens, type Feed, type Target } from '../feed.ts';
import { noiseFeed, noiseProbe } from '../noise.ts';
import type { ProbeKind } from '../probe-kind.ts';

/** Seeded noise shaped by the model's inputs: `noise`, `noise:COUNT`. */
export const noise: ProbeKind = {
  forms: 'noise:COUNT',
  matches: (spec) => spec === 'noise' || spec.startsWith('noise:'),
  open(spec) {
    const count = spec.includes(':') ? Number(spec.slice(spec.indexOf(':') + 1)) : undefined;
    if (count !== undefined && !(Number.isInteger(count) && count > 0)) {
      throw new UserError(
        'usage',
        `probe '${spec}'`,
        'the count is not a whole number',
        'use noise:500',
      );
    }
    return Promise.resolve({ feed: (target) => Promise.resolve(noiseFor(target, spec, count)) });
  },
};

/** Noise in every input of the target; with a caution where nobody asked for noise. */
export function noiseFor({ model, inputs }: Target, spec: string, count?: number): Feed {
  const probe = noiseProbe(count === undefined ? {} : { n: count });
  return withImageTokens(model, {
    n: probe.n,
    spec,
    description: probe.description,
    ...(spec.startsWith('noise')
      ? {}
      : {
          caution: `${model.outline.name} was fed ${probe.description}: its inputs are neither text nor an image, and no probe was given`,
        }),
    sha256: probe.sha256,
    inputs: inputs.map(({ name }) => name),
    batch: (start, end) => {
      const feeds: Record<string, FeedTensor> = {};
      for (const [name, { data, dims }] of Object.entries(noiseFeed(probe, start, end, inputs))) {
        feeds[name] = { data, dims, dtype: 'float32' };
      }
      return Promise.resolve({ feeds });
    },
  });
}
