import { BertNormalizer, SequenceNormalizer, type Normalizer } from './tokenizers-library.ts';

/** Ideographs beyond the basic plane, in the ranges of the Rust library. */
const astralIdeographs =
  /[\u{20000}-\u{2A6DF}\u{2A700}-\u{2B81F}\u{2B920}-\u{2CEAF}\u{2F800}-\u{2FA1F}]/gu;

/**
 * The BERT normaliser as the Rust library behind Python's `tokenizers` does it. The JavaScript one
 * differs in two ways that are mended here: it reads ideographs beyond the basic plane as surrogate
 * halves, so does not set them apart; and it writes a final capital sigma as ς, where Rust lowers
 * character by character and gives σ.
 *
 * What stays different: marks and punctuation of scripts that Unicode took in after version 8 follow
 * this runtime's tables, which are newer than Rust's.
 */
class ExactBertNormalizer extends BertNormalizer {
  override normalize(text: string): string {
    let prepared = text;
    if (this.config.handle_chinese_chars) prepared = prepared.replace(astralIdeographs, ' $& ');
    if (this.config.lowercase) prepared = prepared.replaceAll('Σ', 'σ');
    return super.normalize(prepared);
  }
}

/** The same normaliser with every BERT step in it replaced by the exact one. */
export function withExactBert(normalizer: Normalizer | null): Normalizer | null {
  if (normalizer instanceof BertNormalizer) return new ExactBertNormalizer(normalizer.config);
  if (normalizer instanceof SequenceNormalizer) {
    normalizer.normalizers = normalizer.normalizers.map(withExactBert);
  }
  return normalizer;
}
