import { UserError } from '../errors.ts';
import { misfit, type Feed, type Target } from './feed.ts';
import type { TextProbe } from './text.ts';
import { fixedWidth, sequenceFeed } from './token-feed.ts';
import { loadTokenizer, type EncodedText } from './tokenizer.ts';

/** Whether the model reads texts: it has a tokenizer and takes its ids. */
export const takesText = ({ model, inputs }: Target) =>
  model.tokenizerFolder !== undefined && inputs.some((input) => input.name === 'input_ids');

/** Texts that become tokens between two looks at whether the user asked to stop. */
const textsPerStep = 256;

/**
 * Texts as the tokens of the model's own tokenizer.
 * @throws UserError `wrong-shape` where the model reads no texts, or, by word, where a text has more
 * words than the model takes.
 */
export async function textFeed(target: Target, probe: TextProbe, spec = probe.spec): Promise<Feed> {
  const folder = target.model.tokenizerFolder;
  const input = target.inputs.find(({ name }) => name === 'input_ids');
  if (!takesText(target) || folder === undefined || input === undefined) {
    throw misfit(target, spec, 'text needs a model with input_ids and a tokenizer.json');
  }
  const tokenizer = await loadTokenizer(folder);
  const maxLength = Math.min(tokenizer.maxLength, fixedWidth(input) ?? Infinity);
  const { texts, labels, groups, description, sha256 } = probe;

  const encodeWords = (text: string, sample: number): EncodedText => {
    const encoded = tokenizer.encodeWords(text);
    const { length } = encoded.ids;
    const why =
      length > maxLength
        ? `has ${length} tokens and ${target.model.outline.name} takes ${maxLength}, so its last words have no row`
        : 'has no words';
    if (length <= maxLength && encoded.words?.some((word) => word >= 0)) return encoded;
    const where = `probe '${spec}'`;
    throw new UserError(
      'wrong-shape',
      where,
      `text ${sample + 1} ${why}`,
      'change it, or pool by mean',
    );
  };
  const encode = async (step: (fraction: number) => Promise<void>) => {
    const all: EncodedText[] = [];
    for (const [sample, text] of texts.entries()) {
      all.push(
        target.byWord ? encodeWords(text, sample) : tokenizer.encodeOne(text, { maxLength }),
      );
      if (all.length % textsPerStep === 0) await step(all.length / texts.length);
    }
    return all;
  };
  const facts = {
    hasWords: target.byWord,
    n: texts.length,
    spec,
    description,
    sha256,
    ...(labels ? { labels } : {}),
    ...(groups ? { groups } : {}),
  };
  return sequenceFeed(target, facts, encode, (part, width) => tokenizer.pad(part, width));
}
