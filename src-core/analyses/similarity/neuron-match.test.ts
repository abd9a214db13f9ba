import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { viewSchema } from '../../results/schema.ts';
import { Random } from '../random.ts';
import {
  gaussianRows,
  matrixOf,
  model,
  multiply,
  orthogonal,
  plain,
  run,
  shuffled,
  type Rows,
} from '../test-support.ts';
import { reference } from './alignment-test-support.ts';
import { neuronMatch } from './neuron-match.ts';

const { x, y, neurons } = reference;
const valuesOf = async (a: Rows, b: Rows, params: Record<string, unknown> = {}) =>
  (await run(neuronMatch, [plain('a', a), plain('b', b)], params)).values;

/** Columns in another order. */
const reordered = (rows: Rows, order: readonly number[]) =>
  rows.map((row) => order.map((at) => row[at]!));
const relu = (rows: Rows) => rows.map((row) => row.map((value) => Math.max(0, value)));
const add = (a: Rows, b: Rows, size: number) =>
  a.map((row, i) => row.map((value, j) => value + size * b[i]![j]!));

describe('values', () => {
  test.each(['signed', 'unsigned'] as const)('%s: those of NumPy and SciPy', async (kind) => {
    const signed = kind === 'signed';
    const bipartite = await valuesOf(x, y, { signed });
    expect(bipartite['matched']).toBeCloseTo(neurons.bipartite[kind], 10);
    expect(bipartite['maxCorr']).toBeCloseTo(neurons.argmax[kind], 10);
    const argmax = await valuesOf(x, y, { signed, method: 'argmax' });
    expect(argmax['matched']).toBeCloseTo(neurons.argmax[kind], 10);
  });

  test.each(Object.entries(neurons.lasso))(
    'lasso with penalty %s: those of scikit-learn',
    async (penalty, expected) => {
      const found = await valuesOf(x, y, { method: 'lasso', penalty });
      expect(found['matched']).toBeCloseTo(expected.matched, 7);
      expect(found['used']).toBeCloseTo(expected.used, 12);
    },
  );

  test('of unequal widths the narrower side is matched whole', async () => {
    const { partner } = (await valuesOf(x, y)) as { partner: (number | null)[] };
    expect(partner).toHaveLength(6);
    expect(partner.filter((unit) => unit !== null).sort()).toEqual([0, 1, 2, 3, 4]);
  });

  test('views are of the matches and of the curve', async () => {
    const { views } = await run(neuronMatch, [plain('x', x), plain('y', y)]);
    expect(views.map(({ kind }) => kind)).toEqual(['table', 'line', 'heatmap']);
    for (const view of views) expect(() => viewSchema.parse(view)).not.toThrow();
  });
});

describe('planted matches', () => {
  test('a permuted copy with its own scales and shifts is recovered whole', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 0, max: 1e6 }), async (seed) => {
        const a = relu(gaussianRows(60, 12, seed));
        const order = shuffled(
          Array.from({ length: 12 }, (_, i) => i),
          seed,
        );
        const b = reordered(a, order).map((row) => row.map((v, j) => (1 + j) * v + j));
        const { matched, partner } = await valuesOf(a, b);
        expect(matched).toBeCloseTo(1, 10);
        expect(partner).toEqual(order.map((_, unit) => order.indexOf(unit)));
      }),
      { numRuns: 4 },
    );
  });

  test('with noise of 0.3 the correlation is 1/√1.09', async () => {
    const a = gaussianRows(2000, 50, 1);
    const order = shuffled(
      Array.from({ length: 50 }, (_, i) => i),
      2,
    );
    const b = reordered(add(a, gaussianRows(2000, 50, 3), 0.3), order);
    const { matched, partner } = await valuesOf(a, b);
    expect(Math.abs((matched as number) - 1 / Math.sqrt(1.09))).toBeLessThan(0.002);
    expect(partner).toEqual(order.map((_, unit) => order.indexOf(unit)));
  });

  test('by chance the best of fifty is 0.049, one to one 0.044', async () => {
    const found = await valuesOf(gaussianRows(2000, 50, 1), gaussianRows(2000, 50, 2));
    expect(Math.abs((found['maxCorr'] as number) - 0.049)).toBeLessThan(0.006);
    expect(Math.abs((found['matched'] as number) - 0.044)).toBeLessThan(0.006);
  });

  test('forty universal units of two hundred are told from the others', async () => {
    const a = gaussianRows(4000, 200, 1);
    const own = gaussianRows(4000, 200, 2);
    const noise = gaussianRows(4000, 200, 3);
    // The first forty are copies with noise, in other places.
    const b = own.map((row, i) =>
      row.map((value, j) => (j >= 160 ? a[i]![j - 160]! + 0.3 * noise[i]![j]! : value)),
    );
    const { universalShare, excess, partner } = (await valuesOf(a, b)) as {
      universalShare: number;
      excess: number[];
      partner: number[];
    };
    expect(universalShare).toBe(0.2);
    expect(partner.slice(0, 40)).toEqual(Array.from({ length: 40 }, (_, i) => 160 + i));
    const mean = (values: number[]) => values.reduce((sum, v) => sum + v, 0) / values.length;
    expect(Math.abs(mean(excess.slice(0, 40)) - 0.758)).toBeLessThan(0.02);
    expect(Math.abs(mean(excess.slice(40)))).toBeLessThan(0.01);
  });

  test('a rotated layer keeps nothing of its units, though its space is the same', async () => {
    const a = relu(gaussianRows(4000, 128, 1));
    const rotated = multiply(a, orthogonal(128, 2));
    const params = { method: 'argmax', signed: false };
    const own = await valuesOf(a, rotated, params);
    // NumPy gives .251 to .254 for three such draws, and .045 for independent units.
    expect(Math.abs((own['maxCorr'] as number) - 0.253)).toBeLessThan(0.008);
    expect(own['universalShare']).toBe(0);
    const far = await valuesOf(a, relu(gaussianRows(4000, 128, 3)), params);
    expect(Math.abs((far['maxCorr'] as number) - 0.045)).toBeLessThan(0.005);
  });

  test('what a rotation hides, sums of units find', async () => {
    const a = relu(gaussianRows(500, 24, 1));
    const rotated = multiply(a, orthogonal(24, 2));
    const whole = await valuesOf(a, rotated, { method: 'lasso', penalty: 0.0005 });
    expect(whole['matched']).toBeGreaterThan(0.97);
  });
});

describe('edge cases', () => {
  test('units that never vary are counted and left out', async () => {
    const dead = x.map(([p, , ...rest]) => [p!, 7, ...rest]);
    const { values, warnings } = await run(neuronMatch, [plain('a', dead), plain('b', x)]);
    expect(values['dead']).toEqual([1, 0]);
    expect(values['matched']).toBeCloseTo(1, 10);
    expect((values['excess'] as unknown[])[1]).toBeNull();
    expect(values['partner']).toEqual([0, null, 2, 3, 4, 5]);
    expect(warnings).toEqual(['a: 1 of 6 units never vary and are left out']);
  });

  test('a layer of dead units is refused', async () => {
    const flat = matrixOf(20, 3, () => 1);
    await expect(valuesOf(flat, gaussianRows(20, 3, 1))).rejects.toThrow(
      /^a: has no unit that varies/,
    );
  });

  test('float32 rows far from the origin lose nothing', async () => {
    const far = x.map((row) => row.map((value) => Math.fround(value + 100)));
    const sides = [plain('a', far, Float32Array), plain('b', y, Float32Array)];
    const { values } = await run(neuronMatch, sides);
    expect(values['matched']).toBeCloseTo((await valuesOf(far, y))['matched'] as number, 5);
  });

  test('a unit of opposite sign matches where signs do not count', async () => {
    const turned = x.map((row) => row.map((value) => -value));
    expect((await valuesOf(x, turned))['matched']).toBeLessThan(0.5);
    expect((await valuesOf(x, turned, { signed: false }))['matched']).toBeCloseTo(1, 10);
  });
});

describe('the null', () => {
  test('is what rotations of the second side reach', async () => {
    const a = relu(gaussianRows(400, 20, 1));
    const b = add(a, gaussianRows(400, 20, 2), 0.5);
    const { null: chance, values } = await run(neuronMatch, [plain('a', a), plain('b', b)], {
      permutations: 19,
    });
    expect(chance).toMatchObject({ p: 0.05, permutations: 19 });
    // One rotation by hand.
    const rotated = await valuesOf(a, multiply(b, orthogonal(20, 5)));
    const { mean, sd } = chance as { mean: number; sd: number };
    expect(Math.abs((rotated['matched'] as number) - mean)).toBeLessThan(5 * sd);
    expect(values['matched']).toBeGreaterThan(mean + 5 * sd);
  });

  test('of sums of several is that of the rotated units', async () => {
    const a = relu(gaussianRows(400, 12, 1));
    const b = add(a, gaussianRows(400, 12, 2), 0.5);
    const params = { method: 'lasso', penalty: 0.2, permutations: 20 };
    const { null: chance, values } = await run(neuronMatch, [plain('a', a), plain('b', b)], params);
    const { mean, sd } = chance as { mean: number; sd: number };
    const rotated = await valuesOf(a, multiply(b, orthogonal(12, 5)), params);
    expect(Math.abs((rotated['matched'] as number) - mean)).toBeLessThan(5 * sd);
    expect(values['matched']).toBeGreaterThan(mean + 5 * sd);
  });

  test('mixes more units than one part holds', async () => {
    const a = gaussianRows(300, 300, 1);
    const random = new Random(2);
    const b = a.map((row) => row.map((value) => value + 0.3 * random.gaussian()));
    const { values, null: chance } = await run(neuronMatch, [plain('a', a), plain('b', b)], {
      permutations: 2,
      method: 'argmax',
    });
    expect(values['universalShare']).toBe(1);
    expect(chance!.mean as number).toBeLessThan(0.35);
  });
});

test('a model gives matrices, and what single units found, for each pair of layers', async () => {
  const { values } = await run(neuronMatch, [model('m', { x, y })]);
  const matched = values['matched'] as number[][];
  expect(matched[0]![0]).toBeCloseTo(1, 10);
  expect(matched[0]![1]).toBeCloseTo(matched[1]![0]!, 12);
  const excess = values['excess'] as number[][][];
  expect([excess[0]![1]!.length, excess[1]![0]!.length]).toEqual([6, 5]);
});
