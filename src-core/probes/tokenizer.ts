import { join } from 'node:path';
import { UserError } from '../errors.ts';
import {
  readJsonObject,
  readOptionalJson,
  type JsonObject,
} from '../models/formats/checkpoint-files.ts';
import { withExactBert } from './bert-normalizer.ts';
import { Tokenizer } from './tokenizers-library.ts';

/** Token ids of several texts, each array batch × tokens, row-major. */
export interface EncodedTexts {
  ids: BigInt64Array;
  /** 1 for tokens of the text, 0 for padding. */
  mask: BigInt64Array;
  /** Segment of each token; 0 for single texts. */
  types: BigInt64Array;
  /** Word of its text that each token belongs to, −1 for none; where the texts were encoded by word. */
  words?: Int32Array;
  batch: number;
  /** Length of the longest text of the batch; shorter ones are padded at the end. */
  tokens: number;
}

/** One text's token ids and segments, special tokens included. */
export interface EncodedText {
  ids: Int32Array;
  types: Uint8Array;
  /** Word that each token belongs to, from 0; −1 for special tokens. */
  words?: Int32Array;
}

interface EncodeOptions {
  maxLength?: number;
}

export interface TextTokenizer {
  /** Most tokens a text may have, special ones included; longer texts lose their end. */
  readonly maxLength: number;
  encodeOne(text: string, options?: EncodeOptions): EncodedText;
  /** The tokens of each word on its own, never cut. {@link wordsOf} says what a word is. */
  encodeWords(text: string): EncodedText;
  /** Encoded texts as one batch, padded to the longest or to `width` tokens. */
  pad(encoded: readonly EncodedText[], width?: number): EncodedTexts;
  /** Encodes and pads. */
  encode(texts: readonly string[], options?: EncodeOptions): EncodedTexts;
}

/**
 * The tokenizer of a checkpoint folder (`tokenizer.json`), which gives the ids that Python's
 * `tokenizers` gives. Texts are cut at the first of `max_seq_length` (sentence_bert_config.json),
 * `model_max_length` (tokenizer_config.json) and `max_position_embeddings` (config.json; GPT-2 says
 * `n_positions`), never above the last; the truncation and padding stored in `tokenizer.json` itself
 * are not used. A text that has no tokens, nor special ones around it, becomes the end token alone.
 *
 * @throws UserError `missing`, `empty`, `not-a-model`, `unsupported`.
 */
export async function loadTokenizer(folder: string): Promise<TextTokenizer> {
  const path = join(folder, 'tokenizer.json');
  const definition = await readJsonObject(path);
  const config = (await readOptionalJson(join(folder, 'tokenizer_config.json'))) ?? {};
  const tokenizer = create(path, definition, config);
  const maxLength = await readMaxLength(folder, config);
  const padId = tokenizer.token_to_id(padToken(definition, config)) ?? 0;
  const endId = tokenizer.token_to_id(tokenName(config['eos_token']) ?? '') ?? padId;
  const special = addSpecial(tokenizer, []).tokens.length;
  const unknown = tokenizer.model?.unk_token_id ?? 0;

  const encodeOne: TextTokenizer['encodeOne'] = (text, options = {}) => {
    const limit = options.maxLength ?? maxLength;
    const content = tokenizer.tokenize(text).slice(0, Math.max(0, limit - special));
    const { tokens, types } = addSpecial(tokenizer, content);
    // Without a token there would be nothing to pool.
    if (tokens.length === 0) return { ids: Int32Array.of(endId), types: Uint8Array.of(0) };
    return {
      ids: Int32Array.from(tokens, (token) => tokenizer.token_to_id(token) ?? unknown),
      types: Uint8Array.from(types),
    };
  };
  const before = addSpecial(tokenizer, [marker]).tokens.indexOf(marker);
  const joint = wordJoint(tokenizer);
  const encodeWords: TextTokenizer['encodeWords'] = (text) => {
    const content: string[] = [];
    const owners: number[] = [];
    wordsOf(text).forEach((word, index) => {
      const tokens = tokenizer.tokenize((index === 0 ? '' : joint) + word);
      // A tokenizer without an unknown token drops what it does not know.
      const kept = tokens.length > 0 ? tokens : [marker];
      content.push(...kept);
      owners.push(...kept.map(() => index));
    });
    const { tokens, types } = addSpecial(tokenizer, content);
    const words = new Int32Array(tokens.length).fill(-1);
    words.set(owners, before);
    return {
      ids: Int32Array.from(tokens, (token) => tokenizer.token_to_id(token) ?? unknown),
      types: Uint8Array.from(types),
      words,
    };
  };
  const pad: TextTokenizer['pad'] = (encoded, width) => padTokens(encoded, padId, width);

  return {
    maxLength,
    encodeOne,
    encodeWords,
    pad,
    encode: (texts, options) => pad(texts.map((text) => encodeOne(text, options))),
  };
}

/** Encoded samples as one batch, padded at the end to the longest or to `width` tokens. */
export function padTokens(encoded: readonly EncodedText[], padId: number, width = 0): EncodedTexts {
  const batch = encoded.length;
  const tokens = encoded.reduce((most, { ids }) => Math.max(most, ids.length), width);
  const ids = new BigInt64Array(batch * tokens).fill(BigInt(padId));
  const mask = new BigInt64Array(batch * tokens);
  const types = new BigInt64Array(batch * tokens);
  const words = encoded.some((one) => one.words)
    ? new Int32Array(batch * tokens).fill(-1)
    : undefined;
  encoded.forEach((one, row) => {
    const start = row * tokens;
    one.ids.forEach((id, at) => (ids[start + at] = BigInt(id)));
    one.types.forEach((type, at) => (types[start + at] = BigInt(type)));
    mask.fill(1n, start, start + one.ids.length);
    if (one.words) words?.set(one.words, start);
  });
  return { ids, mask, types, ...(words ? { words } : {}), batch, tokens };
}

/**
 * The words of a text: what stands between white space and holds a letter, digit, mark of
 * punctuation or symbol. Punctuation belongs to the word that it is written on. They are the text's
 * own, so the same for every tokenizer.
 */
export function wordsOf(text: string): string[] {
  return text.split(/\s+/u).filter((word) => /[\p{L}\p{N}\p{P}\p{S}]/u.test(word));
}

/** The text of no token. */
const marker = '\0';

/** What to write before a word that is not the first, for the tokens that it has within a text. */
function wordJoint(tokenizer: Tokenizer): string {
  const whole = tokenizer.tokenize('a b').join('\n');
  const joints = [' ', ''];
  const apart = (joint: string) => [...tokenizer.tokenize('a'), ...tokenizer.tokenize(`${joint}b`)];
  return joints.find((joint) => apart(joint).join('\n') === whole) ?? ' ';
}

function create(path: string, definition: JsonObject, config: JsonObject): Tokenizer {
  try {
    const tokenizer = new Tokenizer(definition, config);
    tokenizer.normalizer = withExactBert(tokenizer.normalizer);
    // The library checks little when it builds; what is wrong shows with the first text.
    addSpecial(tokenizer, tokenizer.tokenize('a b'));
    return tokenizer;
  } catch (error) {
    const reason = error instanceof Error ? error.message.split('\n', 1)[0]! : String(error);
    throw new UserError(
      'unsupported',
      path,
      `describes a tokenizer that cannot be built (${reason})`,
      'download the file again, or feed arrays with --probe',
      error,
    );
  }
}

function addSpecial(
  tokenizer: Tokenizer,
  content: string[],
): { tokens: string[]; types: number[] } {
  const processed = tokenizer.post_processor?.(content, null, true);
  const tokens = processed?.tokens ?? content;
  return { tokens, types: processed?.token_type_ids ?? tokens.map(() => 0) };
}

/** A token as configs write it: by itself, or in an object with its flags. */
function tokenName(token: unknown): string | undefined {
  if (typeof token === 'string') return token;
  const content = (token as { content?: unknown } | null | undefined)?.content;
  return typeof content === 'string' ? content : undefined;
}

/** The token that fills short texts up. Many decoders have none: the mask hides whichever it is. */
function padToken(definition: JsonObject, config: JsonObject): string {
  const padding = definition['padding'] as { pad_token?: unknown } | null | undefined;
  return tokenName(padding?.pad_token) ?? tokenName(config['pad_token']) ?? '[PAD]';
}

/** Some configs write "no limit" as 1e30. */
const isLength = (value: unknown): value is number =>
  typeof value === 'number' && Number.isInteger(value) && value > 0 && value < 1e9;

async function readMaxLength(folder: string, tokenizerConfig: JsonObject): Promise<number> {
  const sentence = await readOptionalJson(join(folder, 'sentence_bert_config.json'));
  const model = await readOptionalJson(join(folder, 'config.json'));
  const positions = model === undefined ? Infinity : positionsOf(model);
  const stated = [sentence?.['max_seq_length'], tokenizerConfig['model_max_length']].find(isLength);
  const length = Math.min(stated ?? positions, positions);
  return Number.isFinite(length) ? length : 512;
}

/** Models whose positions begin after the number of the padding token. */
const afterPadding = new Set<unknown>(['roberta', 'xlm-roberta', 'camembert', 'mpnet']);

/** Tokens that the position embeddings of a `config.json` are for; infinity where it does not say. */
function positionsOf(config: JsonObject): number {
  const text = (config['text_config'] ?? config) as JsonObject;
  const places = [text['max_position_embeddings'], text['n_positions']].find(isLength) ?? Infinity;
  if (!afterPadding.has(config['model_type'])) return places;
  const padding = config['pad_token_id'];
  return Math.max(1, places - (typeof padding === 'number' ? padding : 1) - 1);
}
