import { defaultImageProbe } from '../digits.ts';
import { misfit, textInputs, withImageTokens, type Feed, type Target } from '../feed.ts';
import { imageFeed, imageShapeOf } from '../image.ts';
import type { ProbeKind } from '../probe-kind.ts';
import { takesText, textFeed } from '../text-feed.ts';
import { defaultTextProbe } from '../text.ts';
import { noiseFor } from './noise.ts';

/** The embedded set that fits: texts, else digits, else noise. */
export const embedded: ProbeKind = {
  forms: 'default',
  matches: (spec) => spec === 'default',
  open: (spec) =>
    Promise.resolve({
      feed: (target) =>
        takesText(target)
          ? textFeed(target, defaultTextProbe())
          : Promise.resolve(digitsFor(target, spec) ?? noiseFor(target, spec)),
    }),
};

/** The embedded texts. */
export const texts: ProbeKind = {
  forms: 'text',
  matches: (spec) => spec === 'text',
  open: () => Promise.resolve({ feed: (target) => textFeed(target, defaultTextProbe()) }),
};

/** The digits, drawn at the size that the model takes. */
export const digits: ProbeKind = {
  forms: 'digits',
  matches: (spec) => spec === 'digits',
  open: (spec) =>
    Promise.resolve({
      feed: (target) => {
        const feed = digitsFor(target, spec);
        if (feed) return Promise.resolve(feed);
        throw misfit(target, spec, 'the model takes no images');
      },
    }),
};

/**
 * The drawn digits, where the only input is an image, or the only one besides those of an encoder of
 * texts.
 */
function digitsFor({ model, inputs }: Target, spec: string): Feed | undefined {
  const [input, ...others] = inputs.filter(({ name }) => !textInputs.includes(name));
  const shape = input && others.length === 0 ? imageShapeOf(input) : undefined;
  if (!input || !shape) return undefined;
  const probe = defaultImageProbe(shape, model.pixelScaling);
  return withImageTokens(model, {
    n: probe.n,
    labels: Array.from(probe.labels, String),
    spec,
    description: probe.description,
    sha256: probe.sha256,
    inputs: [input.name],
    batch: (start, end) => {
      const { data, dims } = imageFeed(probe, start, end, input);
      return Promise.resolve({ feeds: { [input.name]: { data, dims, dtype: 'float32' } } });
    },
  });
}
