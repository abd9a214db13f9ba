/** What a file's first bytes say it is. */
export type Sniffed =
  | { kind: 'onnx' }
  | { kind: 'safetensors' }
  | { kind: 'gguf' }
  | { kind: 'hdf5' }
  /** A TensorFlow.js model, or none. */
  | { kind: 'json' }
  /** An archive; its directory, at the end of the file, says of what. */
  | { kind: 'zip' }
  /** Something else: what, and the way out. */
  | { kind: 'other'; code: 'not-a-model' | 'unsupported'; what: string; remedy: string };

const other = (what: string, remedy = 'name a model file'): Sniffed => ({
  kind: 'other',
  code: 'not-a-model',
  what,
  remedy,
});
/** A model, of a format that is not read. */
const unread = (what: string, remedy: string): Sniffed => ({
  kind: 'other',
  code: 'unsupported',
  what,
  remedy,
});
const again = 'download it again';

const signatures: readonly { at: number; bytes: string; is: Sniffed }[] = [
  { at: 0, bytes: '\x93NUMPY', is: other('is a NumPy array, not a model') },
  { at: 0, bytes: 'GGUF', is: { kind: 'gguf' } },
  { at: 0, bytes: '\x89HDF', is: { kind: 'hdf5' } },
  { at: 4, bytes: 'TFL3', is: unread('is a TensorFlow Lite model', 'convert it to ONNX') },
  { at: 4, bytes: 'ORTM', is: unread('is an onnxruntime .ort file', 'name the .onnx file') },
  { at: 0, bytes: '\x1f\x8b', is: other('is a gzip archive', 'unpack it') },
  { at: 0, bytes: '7z\xbc\xaf', is: other('is a 7-Zip archive', 'unpack it') },
  { at: 0, bytes: '%PDF', is: other('is a PDF document') },
  { at: 0, bytes: '\x89PNG', is: other('is a PNG image') },
  { at: 0, bytes: '\xff\xd8\xff', is: other('is a JPEG image') },
  { at: 0, bytes: '\x7fELF', is: other('is a program') },
  {
    at: 0,
    bytes: 'version https://git-lfs',
    is: other('is a Git LFS pointer, not the model itself', 'run git lfs pull'),
  },
];

/** First tags of a ModelProto that writers use: its known fields with their wire types. */
const modelTags = new Set([0x08, 0x12, 0x1a, 0x22, 0x28, 0x32, 0x3a, 0x42, 0x72]);

/**
 * Recognises a file by its beginning.
 * @param head the first bytes, a few hundred at least where the file has them
 * @param size of the whole file
 */
export function sniff(head: Uint8Array, size: number): Sniffed {
  const letters = Buffer.from(head).toString('latin1');
  const known = signatures.find(({ at, bytes }) => letters.startsWith(bytes, at));
  if (known) return known.is;
  if (letters.startsWith('PK\x03\x04')) return { kind: 'zip' };
  if (head.length >= 9) {
    const length = Buffer.from(head).readBigUInt64LE(0);
    if (head[8] === 0x7b && length < BigInt(Math.max(size, 2 ** 27))) {
      return { kind: 'safetensors' };
    }
  }
  if (head.every((byte) => byte === 0)) return other('holds only zero bytes', again);
  if (letters.startsWith('\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19')) {
    return unread(
      'is a PyTorch checkpoint in the format before PyTorch 1.6',
      'load and save it once with a current PyTorch, or save it as safetensors',
    );
  }
  if (/^\x80[\x02-\x05]/.test(letters)) {
    return unread('is a pickle, which Repscope never loads', 'save it as safetensors');
  }
  if (/^\s*(<!doctype html|<html)/i.test(letters)) {
    return other('is a web page, perhaps an error message saved as a model', again);
  }
  // Long enough that a tiny model, whose bytes may all be letters, is not taken for text.
  const isText = head.every((byte) => byte >= 0x20 || (byte >= 0x09 && byte <= 0x0d));
  if (isText && /^\s*[[{]/.test(letters)) return { kind: 'json' };
  if (isText && head.length >= 16) return other('is plain text');
  if (modelTags.has(head[0] ?? 0)) return { kind: 'onnx' };
  return other('is of no format that Repscope reads', again);
}
