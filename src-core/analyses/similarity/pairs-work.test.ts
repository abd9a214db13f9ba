import { describe, expect, test } from 'vitest';
import { Cancelled } from '../../errors.ts';
import { gaussianRows, model, run } from '../test-support.ts';

// What the user of every two-sided measure sees while it works.

const layers = (seed: number) => ({
  narrow: gaussianRows(40, 4, seed),
  wide: gaussianRows(40, 50, seed + 1),
});
const models = [model('m', layers(1)), model('n', layers(3))];

const measures: [string, Record<string, unknown>][] = [
  ['cka', { permutations: 3, bootstrap: 3 }],
  ['cca', { permutations: 3, bootstrap: 3 }],
  ['procrustes', { permutations: 3, bootstrap: 3 }],
  ['shape', { alpha: 0.5, bootstrap: 3 }],
  ['stochastic-shape', {}],
  ['mutual-knn', { clip: 0.9, permutations: 3, bootstrap: 3 }],
  ['cknna', { permutations: 3 }],
  ['distance-correlation', { permutations: 3, bootstrap: 3 }],
  ['information-imbalance', { bootstrap: 3 }],
];

describe.each(measures)('%s', (id, params) => {
  test('progress runs from 0 to 1 and never back', async () => {
    const { steps } = await run(id, models, params);
    expect(steps).toEqual(steps.toSorted((p, q) => p - q));
    expect(steps.at(-1)).toBeCloseTo(1, 6);
  });

  test('stops where it is told to', async () => {
    const { steps } = await run(id, models, params);
    let calls = 0;
    const stop = () => {
      calls++;
      return calls > steps.length / 2 ? Promise.reject(new Cancelled()) : Promise.resolve();
    };
    await expect(run(id, models, params, stop)).rejects.toBeInstanceOf(Cancelled);
    expect(calls).toBe(Math.floor(steps.length / 2) + 1);
  });

  test('takes three models', async () => {
    const {
      values,
      null: chance,
      interval,
    } = await run(id, [...models, model('o', layers(5))], params);
    expect(values['layers']).toHaveLength(6);
    expect(values['perLayer']).toHaveLength(6);
    for (const matrix of [values['perLayer'], chance?.p, interval?.low]) {
      for (const row of (matrix ?? []) as (number | null)[][]) {
        expect(row.every((value) => typeof value === 'number')).toBe(true);
      }
    }
    if (params['permutations'] !== undefined) expect(chance!.p).toHaveLength(3);
    if (params['bootstrap'] !== undefined) expect(interval!.high).toHaveLength(3);
  });
});
