import { readFileSync } from 'node:fs';
import { Matrix } from '../../tensor/matrix.ts';
import type { Side } from '../definition.ts';
import type { Rows } from '../test-support.ts';

interface Reference {
  x: number[][];
  y: number[][];
  few: number[][];
  repeats: number[][][];
  distances: Record<string, number[]>;
  compare: Record<string, number>;
  compareTied: Record<string, number>;
  repeated: {
    crossnobis: number[];
    mahalanobis: number[];
    similarity: number;
    repeatSimilarity: number;
    noiseCeiling: Record<string, [number, number]>;
  };
  trsa: Record<string, unknown>[];
}

/** Values of test/fixtures/similarity/rdm.py. */
export const reference = JSON.parse(
  readFileSync(new URL('../../../test/fixtures/similarity/rdm.json', import.meta.url), 'utf8'),
) as Reference;

/** A matrix file of samples × repeats × units. */
export function repeated(name: string, samples: readonly Rows[]): Side {
  const shape = [samples[0]!.length, samples[0]![0]!.length];
  const matrix = new Matrix(
    samples.length,
    shape[0]! * shape[1]!,
    Float64Array.from(samples.flat(2)),
  );
  return {
    name,
    layered: false,
    layers: [Object.assign(matrix, { label: name, sample: shape })],
  };
}
