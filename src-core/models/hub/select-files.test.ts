import { expect, test } from 'vitest';
import { selectFiles } from './select-files.ts';

const select = (...paths: string[]): string[] | undefined =>
  selectFiles(paths.map((path) => ({ path, size: 1, hash: '0'.repeat(40) })))?.map(
    ({ path }) => path,
  );

test('shards with their index, and no other copy of the weights', () => {
  const shards = [
    'model.safetensors.index.json',
    'model-00001-of-00002.safetensors',
    'model-00002-of-00002.safetensors',
  ];
  const others = [
    'pytorch_model-00001-of-00002.bin',
    'tf_model.h5',
    'flax_model.msgpack',
    'onnx/model.onnx',
    'onnx/model_quantized.onnx',
    'original/consolidated.00.pth',
    'model.gguf',
  ];
  expect(select('config.json', ...shards, ...others)).toEqual(['config.json', ...shards]);
  // As in transformers, one whole file comes before shards.
  expect(select('model.safetensors', ...shards)).toEqual(['model.safetensors']);
});

test('ONNX with its external data where there are no safetensors', () => {
  const onnx = ['onnx/model.onnx', 'onnx/model.onnx_data', 'onnx/model.onnx_data_1'];
  expect(select('config.json', 'vocab.txt', ...onnx, 'onnx/model_fp16.onnx')).toEqual([
    'config.json',
    'vocab.txt',
    ...onnx,
  ]);
  expect(select('model.onnx', 'onnx/model.onnx')).toEqual(['model.onnx']);
});

test('descriptions, tokenizers and sentence modules; never code or pickles', () => {
  const wanted = [
    'config.json',
    'tokenizer.json',
    'tokenizer_config.json',
    'special_tokens_map.json',
    'vocab.json',
    'merges.txt',
    'spiece.model',
    'sentencepiece.bpe.model',
    'preprocessor_config.json',
    'modules.json',
    'sentence_bert_config.json',
    'config_sentence_transformers.json',
    '1_Pooling/config.json',
    '2_Dense/config.json',
    '2_Dense/model.safetensors',
  ];
  const unwanted = [
    '2_Dense/pytorch_model.bin',
    'modeling.py',
    'training_args.bin',
    'optimizer.pt',
    'README.md',
    'eval/config.json',
    'x/1_Pooling/config.json',
  ];
  expect(select(...wanted, ...unwanted, 'model.safetensors')).toEqual([
    ...wanted,
    'model.safetensors',
  ]);
});

test('a file of safetensors alone, but no adapter beside a config', () => {
  expect(select('weights.safetensors')).toEqual(['weights.safetensors']);
  expect(select('config.json', 'adapter_model.safetensors')).toBeUndefined();
  expect(select('config.json', 'pytorch_model.bin')).toBeUndefined();
});
