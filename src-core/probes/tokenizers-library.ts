import * as library from '@huggingface/tokenizers';

// The package's declarations import one another without file extensions, which Node's module
// resolution does not follow: everything in them would be `any`. These are the parts used here.

/** Callable: `normalizer(text)` is `normalizer.normalize(text)`. */
export interface Normalizer {
  (text: string): string;
  normalize(text: string): string;
}

interface BertNormalizer extends Normalizer {
  config: { handle_chinese_chars?: boolean; lowercase?: boolean };
}

interface SequenceNormalizer extends Normalizer {
  normalizers: (Normalizer | null)[];
}

export interface Tokenizer {
  normalizer: Normalizer | null;
  model: { unk_token_id?: number } | null;
  /** Adds the special tokens around those of a text. */
  post_processor:
    | ((
        tokens: string[],
        pair: null,
        addSpecialTokens: boolean,
      ) => { tokens: string[]; token_type_ids?: number[] })
    | null;
  /** The tokens of a text, without special ones around them. */
  tokenize(text: string): string[];
  token_to_id(token: string): number | undefined;
}

export const { Tokenizer, BertNormalizer, SequenceNormalizer } = library as unknown as {
  /** From the contents of tokenizer.json and tokenizer_config.json. */
  Tokenizer: new (definition: object, config: object) => Tokenizer;
  BertNormalizer: new (config: BertNormalizer['config']) => BertNormalizer;
  SequenceNormalizer: new (config: object) => SequenceNormalizer;
};
