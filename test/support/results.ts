import type { Result } from '@repscope/core/results/schema.ts';

/** A small, valid result, with the fields that a test cares about changed. */
export function makeResult(changes: Partial<Result> = {}): Result {
  return {
    analysis: 'cka',
    version: '0.1.0',
    params: { estimator: 'debiased' },
    inputs: [
      { uri: 'a.npy', layer: null, shape: [10, 3], dtype: 'float64', sha256: 'a' },
      { uri: 'b.npy', layer: null, shape: [10, 3], dtype: 'float64', sha256: 'b' },
    ],
    device: 'cpu',
    elapsedMs: 12,
    n: 10,
    d: 3,
    estimator: 'cka.linear.debiased',
    preprocessing: 'columns centred',
    values: { cka: 0.5 },
    warnings: [],
    views: [],
    ...changes,
  };
}
