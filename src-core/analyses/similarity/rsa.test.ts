import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { View } from '../../results/schema.ts';
import {
  gaussianRows,
  matrixOf,
  model,
  multiply,
  orthogonal,
  plain,
  run,
  shuffled,
} from '../test-support.ts';
import { cka } from './cka.ts';
import { comparisonKinds, comparisonOf, type ComparisonKind } from './rdm-compare.ts';
import { reference, repeated } from './rdm-test-support.ts';
import { rsa } from './rsa.ts';

const { x, y, few, repeats } = reference;
const similarity = async (a: number[][], b: number[][], params: Record<string, unknown>) =>
  (await run(rsa, [plain('a', a), plain('b', b)], params)).values['similarity'] as number;

const heatmaps = (views: View[]) => views.filter((view) => view.kind === 'heatmap');
/** Upper triangle of a dissimilarity matrix as it is shown. */
const shown = (view: View) =>
  view.kind === 'heatmap' ? view.z.flatMap((row, i) => row.slice(i + 1)) : [];

function close(found: readonly unknown[], expected: readonly number[]) {
  expect(found).toHaveLength(expected.length);
  expected.forEach((value, at) => expect(found[at]).toBeCloseTo(value, 10));
}

describe('dissimilarities', () => {
  test.each(Object.keys(reference.distances))('%s are those of SciPy', async (rdm) => {
    const { views } = await run(rsa, [plain('x', x), plain('y', y)], { rdm });
    const [first, second] = heatmaps(views);
    expect([first!.title, second!.title]).toEqual(['Dissimilarities in x', 'Dissimilarities in y']);
    close(shown(first!), reference.distances[rdm]!);
  });

  test.each(['crossnobis', 'mahalanobis'] as const)(
    '%s with the noise of repeats are those of rsatoolbox with its precision',
    async (rdm) => {
      const sides = [repeated('r', repeats), repeated('s', repeats)];
      const { views } = await run(rsa, sides, { rdm });
      close(shown(heatmaps(views)[0]!), reference.repeated[rdm]);
    },
  );

  test('crossnobis distances of noise alone are zero on average, and negative ones are kept', async () => {
    const noise = Array.from({ length: 40 }, (_, i) => gaussianRows(3, 6, i));
    const { views } = await run(rsa, [repeated('r', noise), repeated('s', noise)], {
      rdm: 'crossnobis',
    });
    const found = shown(heatmaps(views)[0]!) as number[];
    const mean = found.reduce((sum, value) => sum + value, 0) / found.length;
    expect(Math.min(...found)).toBeLessThan(-0.2);
    expect(Math.abs(mean)).toBeLessThan(0.05);
  });

  test('mahalanobis without shrinkage knows no linear map, and shrinks where units outnumber samples', async () => {
    const map = gaussianRows(5, 5, 3);
    const params = { rdm: 'mahalanobis', compare: 'pearson' };
    expect(await similarity(x, multiply(x, map), params)).toBeCloseTo(1, 9);
    const wide = gaussianRows(10, 30, 1);
    const { values, warnings } = await run(rsa, [plain('a', wide), plain('b', wide)], params);
    expect(values['similarity']).toBeCloseTo(1, 9);
    expect(warnings).toEqual([]);
    const refused = run(rsa, [plain('a', wide), plain('b', wide)], {
      ...params,
      shrinkage: 'none',
    });
    await expect(refused).rejects.toThrow(/^a: has units whose covariance has no inverse/);
  });

  test('constant units take no part in mahalanobis distances', async () => {
    const withDead = x.map((row) => [...row, 3]);
    const params = { rdm: 'mahalanobis', compare: 'pearson' };
    expect(await similarity(x, withDead, params)).toBeCloseTo(1, 9);
  });

  test('samples without a direction are counted, and as unlike all others', async () => {
    const dead = x.map((row, i) => (i < 2 ? row.map(() => 0.5) : row));
    const { views, warnings } = await run(rsa, [plain('d', dead), plain('y', y)]);
    expect(warnings).toEqual([
      expect.stringMatching(/^d: 2 of 12 samples have the same value in every unit/),
    ]);
    expect(shown(heatmaps(views)[0]!).slice(0, 11)).toEqual(new Array(11).fill(1));
  });

  test('crossnobis without repeats, and an array of four axes, are refused', async () => {
    const sides = [plain('a', x), plain('b', y)];
    await expect(run(rsa, sides, { rdm: 'crossnobis' })).rejects.toThrow(/^a: has no repeats/);
    const [matrix] = repeated('r', repeats).layers;
    const four = { ...plain('four', x), layers: [Object.assign(matrix!, { sample: [3, 2, 2] })] };
    await expect(run(rsa, [four, four])).rejects.toThrow(/^r: has 4 axes/);
  });

  test('float32 rows give nearly the same', async () => {
    const exact = await similarity(x, y, { rdm: 'euclidean', compare: 'pearson' });
    const sides = [plain('a', x, Float32Array), plain('b', y, Float32Array)];
    const { values } = await run(rsa, sides, { rdm: 'euclidean', compare: 'pearson' });
    expect(values['similarity']).toBeCloseTo(exact, 5);
  });

  test('an offset that is large against the differences loses nothing', async () => {
    const far = (rows: number[][]) =>
      rows.map((row) => row.map((value) => Math.fround(value + 512)));
    for (const rdm of ['euclidean', 'correlation']) {
      const params = { rdm, compare: 'pearson' };
      const exact = await similarity(far(x), y, params);
      const sides = [plain('a', far(x), Float32Array), plain('b', y, Float32Array)];
      const { values } = await run(rsa, sides, params);
      expect(values['similarity']).toBeCloseTo(exact, 5);
    }
  });
});

describe('comparisons', () => {
  test.each(comparisonKinds)('%s is that of SciPy or rsatoolbox', async (compare) => {
    expect(await similarity(x, y, { compare })).toBeCloseTo(reference.compare[compare]!, 9);
  });

  test.each(comparisonKinds)('%s with ties is that of SciPy or rsatoolbox', async (compare) => {
    const found = await similarity(x, few, { compare, rdm: 'euclidean' });
    // rsatoolbox solves for the whitened cosine by iteration.
    expect(found).toBeCloseTo(reference.compareTied[compare]!, 6);
  });

  test('whitened cosine of squared distances is biased linear CKA', async () => {
    const params = { rdm: 'sqeuclidean', compare: 'whitened-cosine' };
    const { values } = await run(cka, [plain('x', x), plain('y', y)], { estimator: 'biased' });
    expect(await similarity(x, y, params)).toBeCloseTo(values['cka'] as number, 12);
  });

  test('of equal dissimilarities there is none, and a warning says so', async () => {
    const simplex = matrixOf(6, 6, (i, j) => (i === j ? 1 : 0));
    for (const compare of ['spearman', 'kendall-b', 'pearson', 'rho-a', 'kendall-a']) {
      const sides = [plain('s', simplex), plain('g', gaussianRows(6, 4, 1))];
      const { values, warnings } = await run(rsa, sides, { compare, rdm: 'euclidean' });
      expect(values['similarity']).toBeNull();
      expect(warnings).toEqual([expect.stringMatching(/^s: all samples are equally dissimilar/)]);
    }
  });

  test('fewer than four samples are refused', async () => {
    const three = [plain('a', x.slice(0, 3)), plain('b', y.slice(0, 3))];
    await expect(run(rsa, three)).rejects.toThrow(/a: has 3 samples, and at least 4/);
  });
});

describe('invariances', () => {
  const seeds = fc.integer({ min: 0, max: 1e6 });
  const kept = async (
    params: Record<string, unknown>,
    change: (rows: number[][], seed: number) => number[][],
  ) => {
    await fc.assert(
      fc.asyncProperty(seeds, async (seed) => {
        const [a, b] = [gaussianRows(9, 4, seed), gaussianRows(9, 3, seed + 1)];
        const before = await similarity(a, b, params);
        expect(await similarity(change(a, seed), b, params)).toBeCloseTo(before, 9);
      }),
      { numRuns: 5 },
    );
  };
  const rotated = (rows: number[][], seed: number) =>
    multiply(rows, orthogonal(4, seed + 2)).map((row) => row.map((value) => 3 * value));

  test('euclidean: rotation, scale and shift', () =>
    kept({ rdm: 'euclidean', compare: 'pearson' }, (rows, seed) =>
      rotated(rows, seed).map((row) => row.map((value, j) => value + j)),
    ));

  test('cosine: rotation and scale', () => kept({ rdm: 'cosine', compare: 'pearson' }, rotated));

  test('correlation: a scale and shift of each sample', () =>
    kept({ compare: 'pearson' }, (rows) =>
      rows.map((row, i) => row.map((value) => (1 + i) * value + i)),
    ));

  test.each(comparisonKinds)('%s: the same order of samples on both sides', async (compare) => {
    const before = await similarity(x, y, { compare });
    const after = await similarity(shuffled(x, 5), shuffled(y, 5), { compare });
    expect(after).toBeCloseTo(before, 10);
  });
});

describe('null and interval', () => {
  test.each(comparisonKinds)('%s: permuting samples is permuting rows', async (compare) => {
    const params = { compare, permutations: 1, seed: 3 };
    const { null: chance } = await run(rsa, [plain('a', x), plain('b', few)], {
      ...params,
      rdm: 'euclidean',
    });
    const moved = shuffled(few, 3);
    const expected = await similarity(x, moved, { compare, rdm: 'euclidean' });
    expect(chance!.mean).toBeCloseTo(expected, 9);
  });

  test('independent data are not told from chance, related ones are', async () => {
    const far = await run(
      rsa,
      [plain('a', gaussianRows(30, 6, 1)), plain('b', gaussianRows(30, 6, 2))],
      { permutations: 199 },
    );
    expect(far.null!.p).toBeGreaterThan(0.02);
    expect(Math.abs(far.null!.mean as number)).toBeLessThan(0.02);
    const near = await run(rsa, [plain('x', x), plain('y', y)], { permutations: 199 });
    expect(near.null!.p).toBe(0.005);
  });

  /** The comparison of samples drawn with copies, written out: pairs of copies left out. */
  const drawn = async (compare: ComparisonKind, counts: readonly number[]) => {
    const comparison = comparisonOf(compare);
    const pause = () => Promise.resolve();
    const rows = [x, few].map((side) => side.slice(0, counts.length));
    const distance = (a: number[], b: number[]) => Math.hypot(...a.map((v, j) => v - b[j]!));
    const lists = rows.map((side) =>
      Float64Array.from(side.flatMap((a, i) => side.slice(i + 1).map((b) => distance(a, b)))),
    );
    const [a, b] = await Promise.all(
      lists.map(async (list) =>
        comparison.resample(
          await comparison.prepare(list, counts.length, pause),
          Float64Array.from(counts),
          pause,
        ),
      ),
    );
    const copies = counts.flatMap((count, i) => new Array<number>(count).fill(i));
    const pairs = copies.flatMap((i, at) =>
      copies.slice(at + 1).flatMap((j) => (i === j ? [] : [[i, j] as const])),
    );
    const expanded = rows.map((side) => pairs.map(([i, j]) => distance(side[i]!, side[j]!)));
    return { found: await comparison.similarity(a, b, pause), expanded };
  };

  const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
  const pearson = (a: readonly number[], b: readonly number[]) => {
    const [p, q] = [a, b].map((values) => values.map((v) => v - sum(values) / values.length));
    const product = (u: number[], v: number[]) => sum(u.map((value, i) => value * v[i]!));
    return product(p!, q!) / Math.sqrt(product(p!, p!) * product(q!, q!));
  };
  const ranks = (values: readonly number[]) =>
    values.map(
      (value) =>
        values.filter((other) => other < value).length +
        (values.filter((other) => other === value).length + 1) / 2,
    );
  const tauB = (a: readonly number[], b: readonly number[]) => {
    const signs = (values: readonly number[]) =>
      values.flatMap((p, i) => values.slice(i + 1).map((q) => Math.sign(p - q)));
    const [p, q] = [signs(a), signs(b)];
    const product = (u: number[], v: number[]) => sum(u.map((value, i) => value * v[i]!));
    return product(p, q) / Math.sqrt(product(p, p) * product(q, q));
  };

  test('resampled comparisons are those of the drawn samples', async () => {
    const counts = [2, 0, 1, 3, 1, 0, 1, 2];
    const expected: Partial<Record<ComparisonKind, (a: number[], b: number[]) => number>> = {
      pearson,
      spearman: (a, b) => pearson(ranks(a), ranks(b)),
      'kendall-b': tauB,
      cosine: (a, b) => sum(a.map((v, i) => v * b[i]!)) / Math.hypot(...a) / Math.hypot(...b),
    };
    for (const [compare, of] of Object.entries(expected)) {
      const { found, expanded } = await drawn(compare as ComparisonKind, counts);
      expect(found, compare).toBeCloseTo(of(expanded[0]!, expanded[1]!), 10);
    }
  });

  test('resampled whitened cosine is biased CKA of the drawn samples', async () => {
    const counts = [2, 0, 1, 3, 1, 0, 1, 2];
    const comparison = comparisonOf('whitened-cosine');
    const pause = () => Promise.resolve();
    const prepared = await Promise.all(
      [x, y].map(async (rows) => {
        const used = rows.slice(0, counts.length);
        const list = used.flatMap((a, i) =>
          used.slice(i + 1).map((b) => sum(a.map((v, j) => (v - b[j]!) ** 2))),
        );
        const whole = await comparison.prepare(Float64Array.from(list), counts.length, pause);
        return comparison.resample(whole, Float64Array.from(counts), pause);
      }),
    );
    const copies = (rows: number[][]) =>
      counts.flatMap((count, i) => new Array<number[]>(count).fill(rows[i]!));
    const { values } = await run(cka, [plain('x', copies(x)), plain('y', copies(y))], {
      estimator: 'biased',
    });
    const found = await comparison.similarity(prepared[0], prepared[1], pause);
    expect(found).toBeCloseTo(values['cka'] as number, 10);
  });

  test('the interval holds the estimate', async () => {
    for (const compare of comparisonKinds) {
      const { values, interval } = await run(rsa, [plain('x', x), plain('y', y)], {
        compare,
        bootstrap: 50,
      });
      expect(interval!.low as number).toBeLessThan(values['similarity'] as number);
      expect(interval!.high as number).toBeGreaterThan(values['similarity'] as number);
    }
  });
});

describe('repeats', () => {
  const other = plain('x', x.slice(0, 8));

  test.each(Object.keys(reference.repeated.noiseCeiling))(
    'the noise ceiling for %s is that of rsatoolbox (whitened: of NumPy)',
    async (compare) => {
      const { values } = await run(rsa, [other, repeated('r', repeats)], { compare });
      const expected = reference.repeated.noiseCeiling[compare]!;
      const found = values['noiseCeiling'] as number[];
      close(found, expected);
    },
  );

  test('similarity is with the means over repeats, repeatSimilarity with each repeat', async () => {
    const expected = reference.repeated;
    for (const sides of [
      [other, repeated('r', repeats)],
      [repeated('r', repeats), other],
    ]) {
      const { values, views } = await run(rsa, sides);
      expect(values['similarity']).toBeCloseTo(expected.similarity, 10);
      expect(values['repeatSimilarity']).toBeCloseTo(expected.repeatSimilarity, 10);
      expect(views[1]).toMatchObject({
        title: 'Single repeats and their noise ceiling',
        rows: [[values['repeatSimilarity'], ...(values['noiseCeiling'] as number[])]],
      });
    }
  });

  test('three representations have the ceiling of each column that has repeats', async () => {
    const { values } = await run(rsa, [other, repeated('r', repeats), plain('y', y.slice(0, 8))]);
    const ceilings = values['noiseCeiling'] as unknown[][];
    expect(ceilings[0]![1]).toEqual(ceilings[1]![0]);
    expect(ceilings[0]![2]).toBeNull();
  });
});

describe('models', () => {
  test('give a matrix over layers', async () => {
    const layers = { a: x, b: y, c: few };
    const { values, views } = await run(rsa, [model('m', layers)], { rdm: 'euclidean' });
    const matrix = values['similarity'] as number[][];
    matrix.forEach((row, i) => expect(row[i]).toBeCloseTo(1, 12));
    expect(matrix[0]![2]).toBe(await similarity(x, few, { rdm: 'euclidean' }));
    expect(views.map(({ kind, title }) => [kind, title])).toEqual([['heatmap', 'RSA of layers']]);
  });
});

describe('pictures', () => {
  test('of many samples are means over neighbours', async () => {
    const line = matrixOf(400, 1, (i) => i);
    const { views } = await run(rsa, [plain('a', line), plain('b', line)], { rdm: 'euclidean' });
    const [picture] = heatmaps(views);
    expect(picture!.z).toHaveLength(200);
    // Samples 0 and 1 against each other, and against 2 and 3.
    expect(picture!.z[0]!.slice(0, 2)).toEqual([1, 2]);
  });

  test('put samples of one class side by side', async () => {
    const labels = ['q', 'p', 'q', 'p'];
    const sides = [plain('a', x.slice(0, 4)), plain('b', y.slice(0, 4))];
    const { views } = await run(
      rsa,
      sides.map((side) => ({ ...side, labels })),
    );
    expect(heatmaps(views)[0]!.x.values).toEqual(['2 p', '4 p', '1 q', '3 q']);
  });
});
