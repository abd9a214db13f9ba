import { readOptionalJson } from '../models/formats/checkpoint-files.ts';
import type { FeedTensor } from '../engine/device-engine.ts';
import { UserError } from '../errors.ts';
import type { ValueInfo } from '../models/model.ts';
import { misfit, textInputs, type Feed, type Samples, type Target } from './feed.ts';
import { sideFile } from './side-file.ts';
import type { TokenProbe } from './token-ids.ts';
import { padTokens, type EncodedText, type EncodedTexts } from './tokenizer.ts';

/** What a feed is besides its values. */
export type FeedFacts = Samples & Pick<Feed, 'spec' | 'description' | 'sha256' | 'hasWords'>;

/** The input that takes ids of tokens: `input_ids`, or the only one where it holds integers. */
function idsInput({ inputs }: Target): ValueInfo | undefined {
  const [only, ...others] = inputs;
  const named = inputs.find(({ name }) => name === 'input_ids');
  if (named || others.length > 0) return named;
  const integers = only?.dtype === 'int64' || only?.dtype === 'int32';
  return integers && only.shape.length === 2 ? only : undefined;
}

export const takesTokens = (target: Target) => idsInput(target) !== undefined;

/**
 * Samples that are sequences of tokens, run longest first.
 * @param encode gives every sample's tokens, in the order of the probe
 */
export function sequenceFeed(
  target: Target,
  facts: FeedFacts,
  encode: (step: (fraction: number) => Promise<void>) => Promise<EncodedText[]>,
  pad: (encoded: readonly EncodedText[], width?: number) => EncodedTexts,
): Feed {
  const ids = idsInput(target)!;
  const types = new Map(target.inputs.map(({ name, dtype }) => [name, dtype]));
  const width = fixedWidth(ids);
  /** In the order that they are run in. */
  let encoded: EncodedText[] = [];
  return {
    ...facts,
    inputs: [ids.name, ...textInputs.filter((name) => name !== ids.name && types.has(name))],
    async prepare(step) {
      const all = await encode(step);
      const lengths = Uint32Array.from(all, (sample) => sample.ids.length);
      const order = Uint32Array.from(all.keys()).sort((a, b) => lengths[b]! - lengths[a]! || a - b);
      encoded = Array.from(order, (sample) => all[sample]!);
      if (!target.byWord) return { order, lengths };
      return { order, lengths, words: Uint32Array.from(all, (sample) => wordCount(sample)) };
    },
    batch: (start, end) => {
      const { batch, tokens, ...arrays } = pad(encoded.slice(start, end), width);
      const { mask, words } = arrays;
      const all = { [ids.name]: arrays.ids, attention_mask: mask, token_type_ids: arrays.types };
      const feeds: Record<string, FeedTensor> = {};
      for (const [name, data] of Object.entries(all)) {
        const dtype = types.get(name);
        if (dtype === undefined) continue;
        const dims = [batch, tokens];
        feeds[name] =
          dtype === 'int32'
            ? { data: Int32Array.from(data, Number), dims, dtype }
            : { data, dims, dtype: 'int64' };
      }
      return Promise.resolve({ feeds, tokens: { mask, tokens, ...(words ? { words } : {}) } });
    },
  };
}

/** Tokens that the model's samples must have, where it says so. */
export function fixedWidth(input: ValueInfo): number | undefined {
  const width = input.shape[1];
  return typeof width === 'number' ? width : undefined;
}

const wordCount = ({ words }: EncodedText) =>
  (words?.reduce((a, b) => Math.max(a, b), -1) ?? -1) + 1;

/**
 * Feeds lists of token ids as they are.
 * @throws UserError `wrong-shape` where the model takes none, none so long, or none of that value.
 */
export async function tokenFeed(
  target: Target,
  probe: TokenProbe & { spec: string },
): Promise<Feed> {
  const { tokens: samples, spec, ...facts } = probe;
  const input = idsInput(target);
  if (!input) throw misfit(target, spec, 'token ids need a model with input_ids');
  await checkIds(target, samples, spec);
  const longest = samples.reduce((most, ids) => Math.max(most, ids.length), 0);
  const width = fixedWidth(input) ?? longest;
  const ragged = samples.findIndex((ids) => ids.length !== width);
  const wrong = (what: string, remedy: string) =>
    new UserError('wrong-shape', `probe '${spec}'`, what, remedy);
  if (longest > width) {
    const at = samples.findIndex((ids) => ids.length === longest);
    throw wrong(
      `sample ${at + 1} has ${longest} tokens, and ${target.model.outline.name} takes ${width}`,
      'cut the samples to that',
    );
  }
  if (ragged >= 0 && !target.inputs.some(({ name }) => name === 'attention_mask')) {
    throw wrong(
      `sample ${ragged + 1} has ${samples[ragged]!.length} tokens and others ${width}, and ${target.model.outline.name} takes no attention_mask`,
      'give samples of one length',
    );
  }
  const encoded = samples.map((ids) => ({ ids, types: new Uint8Array(ids.length) }));
  return sequenceFeed(
    target,
    { ...facts, spec },
    () => Promise.resolve(encoded),
    (part, fixed) => padTokens(part, 0, fixed),
  );
}

async function checkIds(
  { model }: Target,
  samples: readonly Int32Array[],
  spec: string,
): Promise<void> {
  const path = await sideFile(model, 'config.json');
  const config = path === undefined ? undefined : await readOptionalJson(path);
  const text = config?.['text_config'] as { vocab_size?: unknown } | null | undefined;
  const size = config?.['vocab_size'] ?? text?.vocab_size;
  const limit = typeof size === 'number' && size > 0 ? size : Infinity;
  samples.forEach((ids, sample) => {
    const bad = ids.find((id) => id >= limit);
    if (bad === undefined) return;
    throw new UserError(
      'wrong-shape',
      `probe '${spec}'`,
      `sample ${sample + 1} holds the token id ${bad}, and the vocabulary of ${model.outline.name} ends at ${limit - 1}`,
      "make the ids with the model's own tokenizer",
    );
  });
}
