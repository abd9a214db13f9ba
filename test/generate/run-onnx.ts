// Runs a digit classifier on digits.
import { InferenceSession, Tensor } from 'onnxruntime-node';
import type { Digits } from '@repscope/core/probes/digits.ts';

/** Class probabilities, one row of ten a digit. */
export async function outputsOf(model: Uint8Array, digits: Digits): Promise<Float32Array> {
  const session = await InferenceSession.create(model, { executionProviders: ['cpu'] });
  const n = digits.labels.length;
  const pixels = Float32Array.from(digits.images, (value) => value / 255);
  const metadata = session.inputMetadata[0]!;
  const rank = metadata.isTensor ? metadata.shape.length : 0;
  const image = new Tensor('float32', pixels, rank === 4 ? [n, 1, 28, 28] : [n, 784]);
  const { probabilities } = await session.run({ image });
  const data = probabilities!.data as Float32Array;
  await session.release();
  return data;
}

/** The most probable class of each row. */
export function guesses(probabilities: Float32Array): number[] {
  return Array.from({ length: probabilities.length / 10 }, (_, i) => {
    const row = probabilities.subarray(10 * i, 10 * i + 10);
    return row.indexOf(row.reduce((top, p) => Math.max(top, p), 0));
  });
}

/** Share of digits recognised. */
export function shareRight(probabilities: Float32Array, digits: Digits): number {
  const right = guesses(probabilities).filter((guess, i) => guess === digits.labels[i]);
  return right.length / digits.labels.length;
}
