// Files that are not the models their names promise.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { GraphBuilder } from '@repscope/core/onnx/graph-builder.ts';

const whole = new URL('../../examples/digits/models/mlp-seed0.onnx', import.meta.url);

/** An ONNX file that ends before its weights do. */
export function writeTruncated(folder: string): void {
  writeFileSync(join(folder, 'truncated.onnx'), readFileSync(whole).subarray(0, 1000));
}

export function writeEmpty(folder: string): void {
  writeFileSync(join(folder, 'empty.onnx'), '');
}

/** Plain text under the name of a model. */
export function writeRenamed(folder: string): void {
  writeFileSync(join(folder, 'renamed.onnx'), 'The model is on the other disk.\n'.repeat(20));
}

/** A folder under the name of a model. */
export function writeDirectory(folder: string): void {
  mkdirSync(join(folder, 'directory.onnx'));
}

/**
 * `nan-weights.onnx`, a classifier of 28 × 28 images with one weight that is not a number, and
 * `nan-weights-twin.onnx`, the same with 0 there.
 */
export function writeNanWeights(folder: string): void {
  writeFileSync(join(folder, 'nan-weights.onnx'), smallClassifier(NaN));
  writeFileSync(join(folder, 'nan-weights-twin.onnx'), smallClassifier(0));
}

/** All of the above. */
export function writeBadModels(folder: string): void {
  writeTruncated(folder);
  writeEmpty(folder);
  writeRenamed(folder);
  writeDirectory(folder);
  writeNanWeights(folder);
}

function smallClassifier(oneWeight: number): Uint8Array {
  const graph = new GraphBuilder('small');
  const image = graph.input('image', 'float32', ['N', 784]);
  // Any weights will do, so long as they differ.
  const weights = (count: number) =>
    Float32Array.from({ length: count }, (_, i) => ((i * 37) % 101) / 1000 - 0.05);
  const first = weights(784 * 8);
  first[3000] = oneWeight;
  const w1 = graph.constant(first, [784, 8], 'dense1.weight');
  const w2 = graph.constant(weights(8 * 10), [8, 10], 'logits.weight');
  const dense1 = graph.op('Gemm', [image, w1], {}, 'dense1');
  const relu = graph.op('Relu', [dense1], {}, 'dense1_relu');
  const logits = graph.op('Gemm', [relu, w2], {}, 'logits');
  graph.output(logits, 'float32', ['N', 10]);
  return graph.finish();
}
