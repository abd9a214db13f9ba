import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { symmetricEigen } from '../../engine/linear-algebra/eigen.ts';
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
import { fixture } from './pair-fixture.ts';
import { procrustes } from './procrustes.ts';
import { shape } from './shape.ts';

const { x, y, wide } = fixture;
const values = async (a: Rows, b: Rows) =>
  (await run(procrustes, [plain('a', a), plain('b', b)])).values as Record<string, number>;
const shapeOf = async (a: Rows, b: Rows, alpha: number) =>
  (await run(shape, [plain('a', a), plain('b', b)], { alpha })).values['angular'] as number;

/** c·XW + v. */
const mapped = (rows: Rows, w: Rows, scale: number, offset: number) =>
  multiply(rows, w).map((row) => row.map((value, j) => scale * value + offset * (j - 1)));

describe('Procrustes', () => {
  test.each(['narrow', 'wide'] as const)('agrees with NumPy: %s', async (name) => {
    const found = await values(x, name === 'narrow' ? y : wide);
    for (const [key, value] of Object.entries<number>({ ...fixture.procrustes[name] })) {
      expect(found[key], key).toBeCloseTo(value, 9);
    }
  });

  test('agrees with NumPy where both have fewer samples than units', async () => {
    const other = multiply(wide, orthogonal(60, 1)).map((row, i) => row.map((v) => v + x[i]![0]!));
    const tall = await values(wide, other);
    const turned = await values(
      multiply(wide, orthogonal(60, 2)),
      multiply(other, orthogonal(60, 3)),
    );
    expect(turned['angular']).toBeCloseTo(tall['angular']!, 8);
    expect(turned['distance']).toBeCloseTo(tall['distance']!, 6);
  });

  const random = fc.record({
    n: fc.integer({ min: 4, max: 14 }),
    d: fc.integer({ min: 2, max: 8 }),
    seed: fc.nat(1e6),
  });
  const property = (check: (n: number, d: number, seed: number) => Promise<void>) =>
    fc.assert(
      fc.asyncProperty(random, ({ n, d, seed }) => check(n, d, seed)),
      { numRuns: 8, seed: 1 },
    );

  test('of a rotated, scaled and shifted copy is zero', () =>
    property(async (n, d, seed) => {
      const rows = gaussianRows(n, d, seed);
      const copy = mapped(rows, orthogonal(d, seed + 1), 3.7, 5);
      const { angular, normalized } = await values(rows, copy);
      expect(angular).toBeLessThan(1e-6);
      expect(normalized).toBeLessThan(1e-12);
      const unscaled = mapped(rows, orthogonal(d, seed + 1), 1, 5);
      expect((await values(rows, unscaled))['distance']).toBeLessThan(1e-6);
    }));

  test('is symmetric, and the same when both sides are shuffled alike', () =>
    property(async (n, d, seed) => {
      const [a, b] = [gaussianRows(n, d, seed), gaussianRows(n, d + 1, seed + 1)];
      const forward = await values(a, b);
      const backward = await values(b, a);
      const moved = await values(shuffled(a, seed), shuffled(b, seed));
      for (const key of ['angular', 'distance', 'normalized']) {
        expect(backward[key]).toBeCloseTo(forward[key]!, 8);
        expect(moved[key]).toBeCloseTo(forward[key]!, 8);
      }
    }));

  test('the cosine is the Bures similarity of Gram matrices: tr √(√K·L·√K)/√(tr K·tr L)', async () => {
    const centred = (rows: Rows) => {
      const mean = rows[0]!.map((_, j) =>
        rows.reduce((sum, row) => sum + row[j]! / rows.length, 0),
      );
      return rows.map((row) => row.map((value, j) => value - mean[j]!));
    };
    const gram = (rows: Rows) =>
      multiply(
        rows,
        rows[0]!.map((_, j) => rows.map((row) => row[j]!)),
      );
    const [k, l] = [gram(centred(x)), gram(centred(y))];
    const n = k.length;
    const eigen = (matrix: Rows) =>
      symmetricEigen(Float64Array.from(matrix.flat()), n, { vectors: true });
    const { values: variances, vectors } = await eigen(k);
    const root = matrixOf(n, n, (i, j) =>
      variances.reduce(
        (sum, value, at) =>
          sum + Math.sqrt(Math.max(0, value)) * vectors[at * n + i]! * vectors[at * n + j]!,
        0,
      ),
    );
    const { values: inner } = await eigen(multiply(multiply(root, l), root));
    const fidelity = inner.reduce((sum, value) => sum + Math.sqrt(Math.max(0, value)), 0);
    const trace = (matrix: Rows) => matrix.reduce((sum, row, i) => sum + row[i]!, 0);
    const expected = fidelity / Math.sqrt(trace(k) * trace(l));
    // Square roots of what rounding leaves of zero eigenvalues.
    expect(Math.cos((await values(x, y))['angular']!)).toBeCloseTo(expected, 6);
  });

  test('a side filled up with zeros changes nothing', async () => {
    const padded = x.map((row) => [...row, 0, 0, 0]);
    const [before, after] = [await values(x, y), await values(padded, y)];
    for (const key of ['angular', 'distance', 'normalized']) {
      expect(after[key]).toBeCloseTo(before[key]!, 10);
    }
  });

  test('but an invertible linear map is no rotation', async () => {
    const stretched = x.map((row) => row.map((value, j) => (j === 0 ? 9 * value : value)));
    expect((await values(x, stretched))['angular']).toBeGreaterThan(0.2);
  });

  test('null and interval', async () => {
    const outcome = await run(procrustes, [plain('x', x), plain('y', y)], {
      permutations: 39,
      bootstrap: 40,
    });
    expect(outcome.null!.p).toBe(1 / 40);
    expect(outcome.null!.mean as number).toBeGreaterThan(fixture.procrustes.narrow.angular);
    expect(outcome.interval!.low as number).toBeLessThan(fixture.procrustes.narrow.angular);
    expect(outcome.interval!.high as number).toBeGreaterThan(fixture.procrustes.narrow.angular);
  });

  test('layers give a matrix of distances', async () => {
    const { values: found, views } = await run(procrustes, [model('m', { x, y, wide })]);
    const angular = found['angular'] as number[][];
    expect(angular[0]![1]).toBeCloseTo(fixture.procrustes.narrow.angular, 9);
    expect(angular[2]![0]).toBeCloseTo(fixture.procrustes.wide.angular, 8);
    expect(angular[1]![1]).toBeLessThan(1e-6);
    expect(views).toMatchObject([{ kind: 'heatmap', range: [0, Math.PI / 2] }]);
  });

  test('a constant side has no angle', async () => {
    const flat = x.map(() => [1, 2]);
    const outcome = await run(procrustes, [plain('x', x), plain('flat', flat)]);
    expect(outcome.values['angular']).toBeNull();
    expect(outcome.warnings).toEqual([expect.stringMatching(/^flat: every unit is constant/)]);
  });
});

describe('shape metric', () => {
  test.each(fixture.shape)('agrees with NumPy at alpha=$alpha', async ({ alpha, xy, xWide }) => {
    expect(await shapeOf(x, y, alpha)).toBeCloseTo(xy, 8);
    // At 0 the value hangs on how rounding fills the dimension that centring has emptied.
    if (alpha > 0) expect(await shapeOf(x, wide, alpha)).toBeCloseTo(xWide, 5);
  });

  test('alpha 1 is the Procrustes angle', async () => {
    expect(await shapeOf(x, y, 1)).toBeCloseTo(fixture.procrustes.narrow.angular, 10);
  });

  test('alpha 0 is blind to invertible linear maps, 0.5 is not', async () => {
    const w = gaussianRows(5, 5, 3);
    const copy = mapped(x, w, 1, 4);
    expect(await shapeOf(x, copy, 0)).toBeLessThan(1e-6);
    expect(await shapeOf(x, copy, 0.5)).toBeGreaterThan(0.1);
  });

  test('rotation, reflection, translation and order change nothing', async () => {
    for (const alpha of [0, 0.5, 1]) {
      const before = await shapeOf(x, y, alpha);
      const turned = mapped(x, orthogonal(5, 4), 1, 3);
      expect(await shapeOf(shuffled(turned, 1), shuffled(y, 1), alpha)).toBeCloseTo(before, 8);
    }
  });

  test('the triangle inequality holds', () =>
    fc.assert(
      fc.asyncProperty(
        fc.record({ d: fc.integer({ min: 1, max: 5 }), seed: fc.nat(1e6) }),
        fc.constantFrom(0, 0.5, 1),
        async ({ d, seed }, alpha) => {
          const base = gaussianRows(12, d, seed);
          const near = (step: number) => {
            const noise = gaussianRows(12, d, seed + step);
            return base.map((row, i) => row.map((value, j) => value + step * noise[i]![j]!));
          };
          const [a, b, c] = [base, near(1), near(2)];
          const [ab, bc, ac] = [
            await shapeOf(a, b, alpha),
            await shapeOf(b, c, alpha),
            await shapeOf(a, c, alpha),
          ];
          expect(ac).toBeLessThanOrEqual(ab + bc + 1e-7);
        },
      ),
      { numRuns: 12, seed: 2 },
    ));

  test('resamples are whitened anew', async () => {
    const { interval, values: found } = await run(shape, [plain('x', x), plain('y', y)], {
      alpha: 0.2,
      bootstrap: 60,
    });
    const [low, high] = [interval!.low as number, interval!.high as number];
    expect(low).toBeLessThan(found['angular'] as number);
    expect(high).toBeGreaterThan(found['angular'] as number);
    expect(high - low).toBeLessThan(0.4);
  });

  test('whitening fewer samples than units is warned of', async () => {
    const { warnings } = await run(shape, [plain('x', x), plain('wide', wide)], { alpha: 0 });
    expect(warnings).toEqual([
      expect.stringMatching(/^whitened \(alpha=0\).*: wide 40 of 60; use more/),
    ]);
  });
});
