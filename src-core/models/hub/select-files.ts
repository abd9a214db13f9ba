/** A file of a repository on the hub. */
export interface HubFile {
  /** Below the repository, with `/`. */
  path: string;
  size: number;
  /** Hex: SHA-256 of the content for large files, git's SHA-1 of the blob for others. */
  hash: string;
}

/** What describes a model and its inputs; all of it data. */
const described =
  /^((config|tokenizer|tokenizer_config|special_tokens_map|added_tokens|vocab|(pre)?processor_config|modules|config_sentence_transformers|sentence_[a-z-]+_config)\.json|(vocab|merges)\.txt|(tokenizer|spiece|sentencepiece\.bpe)\.model)$/;
/** Pooling, dense and normalising modules of sentence-transformers. */
const sentenceModule = /^\d+_\w+\/(config\.json|model\.safetensors)$/;
const shard = /^model-\d+-of-\d+\.safetensors$/;
const shardIndex = 'model.safetensors.index.json';
const onnxModels = ['model.onnx', 'onnx/model.onnx'];
const externalData = /^(_data|\.data)(_\d+)?$/;

/**
 * The files that Repscope reads a model from: its descriptions, and safetensors weights or, where
 * there are none, an ONNX model with its external data. Never pickles, never code.
 * @returns undefined where the repository holds no such weights
 */
export function selectFiles(files: readonly HubFile[]): HubFile[] | undefined {
  const weights = weightFiles(files);
  if (weights.length === 0) return undefined;
  const wanted = files.filter(({ path }) => described.test(path) || sentenceModule.test(path));
  // Weights last: what is small and may be refused comes first.
  return [...wanted, ...weights];
}

function weightFiles(files: readonly HubFile[]): HubFile[] {
  const named = (path: string) => files.filter((file) => file.path === path);
  const single = named('model.safetensors');
  if (single.length > 0) return single;
  const index = named(shardIndex);
  if (index.length > 0) return [...index, ...files.filter(({ path }) => shard.test(path))];
  for (const onnx of onnxModels) {
    if (named(onnx).length === 0) continue;
    return files.filter(
      ({ path }) =>
        path === onnx || (path.startsWith(onnx) && externalData.test(path.slice(onnx.length))),
    );
  }
  const others = files.filter(({ path }) => /^[^/]+\.safetensors$/.test(path));
  const isCheckpoint = named('config.json').length > 0;
  return !isCheckpoint && others.length === 1 ? others : [];
}
