import { describe, expect, test } from 'vitest';
import { Cancelled } from '../../errors.ts';
import {
  context,
  formulaFixture,
  gaussianRows,
  matrixOf,
  model,
  multiply,
  orthogonal,
  plain,
  run,
  type Ran,
  type Rows,
} from '../test-support.ts';
import { parseParams } from '../registry.ts';
import { BarnesHutTree } from './projection-tree.ts';
import { projection } from './projection.ts';

const { X } = formulaFixture('kornblith_seed1337_100x10.json') as { X: Rows };
const reference = formulaFixture('reference.json') as {
  spectrum: { kornblith: { eigenvalues: number[] } };
};

const outcomeOf = (rows: Rows, params = {}, labels?: string[], type?: typeof Float32Array) =>
  run(projection, [{ ...plain('x', rows, type), ...(labels ? { labels } : {}) }], params);
const coordinatesOf = (outcome: Ran) => outcome.values['coordinates'] as number[][];
const map = async (...args: Parameters<typeof outcomeOf>) =>
  coordinatesOf(await outcomeOf(...args));
const squared = (a: readonly number[], b: readonly number[]) =>
  a.reduce((sum, value, c) => sum + (value - b[c]!) ** 2, 0);

describe('pca', () => {
  test('explains what NumPy’s eigenvalues say, in coordinates of that variance', async () => {
    const { eigenvalues } = reference.spectrum.kornblith;
    const total = eigenvalues.reduce((a, b) => a + b);
    const outcome = await outcomeOf(X, { components: 4 });
    const explained = outcome.values['explained'] as number[];
    explained.forEach((share, c) => {
      expect(share).toBeCloseTo(eigenvalues[c]! / total, 12);
      const variance = coordinatesOf(outcome).reduce((sum, row) => sum + row[c]! ** 2, 0) / 100;
      expect(variance).toBeCloseTo(eigenvalues[c]!, 9);
    });
  });
  test('all components keep every distance, few samples or many', async () => {
    for (const rows of [X, gaussianRows(8, 30, 1)]) {
      const places = await map(rows, { components: 10 });
      for (const [i, j] of [
        [0, 1],
        [2, 7],
        [3, 5],
      ] as const) {
        const ratio = squared(places[i]!, places[j]!) / squared(rows[i]!, rows[j]!);
        expect(ratio).toBeCloseTo(1, 9);
      }
    }
  });
  test('signs are settled: a rotation changes nothing', async () => {
    const [plainMap, rotated] = [await map(X), await map(multiply(X, orthogonal(10, 2)))];
    plainMap.forEach((row, i) =>
      row.forEach((value, c) => expect(rotated[i]![c]).toBeCloseTo(value, 8)),
    );
  });
  test('float32 with an offset', async () => {
    const far = X.map((row) => row.map((value) => Math.fround(value + 1000)));
    const [narrow, wide] = [await map(far, {}, undefined, Float32Array), await map(far)];
    narrow.forEach((row, i) =>
      row.forEach((value, c) => expect(value).toBeCloseTo(wide[i]![c]!, 9)),
    );
  });
  test('more components than there are', async () => {
    const outcome = await outcomeOf(gaussianRows(5, 20, 3), { components: 8 });
    expect(coordinatesOf(outcome)[0]).toHaveLength(4);
    expect(outcome.warnings.join()).toMatch(/only 4 components/);
  });
});

test.each([1, 2, 3])('the tree adds up forces in %i dimensions', (dims) => {
  const rows = gaussianRows(300, dims, 4);
  // Copies must neither recurse without end nor push one another.
  const points = Float64Array.from([...rows, ...rows.slice(0, 5)].flat());
  const n = points.length / dims;
  const at = (i: number) => Array.from(points.subarray(i * dims, (i + 1) * dims));
  const [exact, rough] = [0, 0.5].map((theta) => new BarnesHutTree(points, dims, theta)) as [
    BarnesHutTree,
    BarnesHutTree,
  ];
  for (const i of [0, 3, 77, 304]) {
    const force = new Float64Array(dims);
    let total = 0;
    for (let j = 0; j < n; j++) {
      if (j === i) continue;
      const near = 1 / (1 + squared(at(i), at(j)));
      total += near;
      for (let c = 0; c < dims; c++) force[c]! += near * near * (at(i)[c]! - at(j)[c]!);
    }
    const found = new Float64Array(dims);
    expect(exact.repulsion(i, found) / total).toBeCloseTo(1, 12);
    force.forEach((value, c) => expect(found[c]).toBeCloseTo(value, 9));
    expect(rough.repulsion(i, new Float64Array(dims)) / total).toBeCloseTo(1, 1);
  }
});

describe.each(['umap', 'tsne'])('%s', (method) => {
  const n = 120;
  const centres = gaussianRows(3, 10, 5).map((row) => row.map((value) => 8 * value));
  const noise = gaussianRows(n, 10, 6);
  const rows = noise.map((row, i) => row.map((value, j) => value + centres[i % 3]![j]!));
  const labels = rows.map((_, i) => 'abc'[i % 3]!);
  const params = { method, perplexity: 15 };

  test('keeps clusters apart', async () => {
    const places = await map(rows, params);
    const wrong = places.filter((place, i) => {
      const others = places.map((other, j) => (j === i ? Infinity : squared(place, other)));
      return labels[others.indexOf(Math.min(...others))] !== labels[i];
    });
    expect(wrong).toHaveLength(0);
    expect(places.flat().every(Number.isFinite)).toBe(true);
  });
  test('is the same for the same seed', async () => {
    const few = rows.slice(0, 40);
    expect(await map(few, params)).toEqual(await map(few, params));
    const other = await map(few, { ...params, seed: 1 });
    if (method === 'umap') expect(other).not.toEqual(await map(few, params));
  });
  test('copies, constant units, three dimensions', async () => {
    const copied = [...rows.slice(0, 30), rows[0]!, rows[0]!].map((row) => [...row, 7]);
    const places = await map(copied, { ...params, components: 3 });
    expect(places[0]).toHaveLength(3);
    expect(places.flat().every(Number.isFinite)).toBe(true);
  });
  test('of more dimensions is refused', async () => {
    await expect(map(rows, { method, components: 4 })).rejects.toThrow(/give at most 3/);
  });
  test('cancelling stops it', async () => {
    let calls = 0;
    const stop = () => (++calls > 40 ? Promise.reject(new Cancelled()) : Promise.resolve());
    const work = run(projection, [plain('x', rows)], { method }, stop);
    await expect(work).rejects.toBeInstanceOf(Cancelled);
    expect(calls).toBe(41);
  });
  test('over the memory bound it says so first', async () => {
    const changed = await context({ memoryLimit: 40_000 });
    await expect(
      projection.run([plain('x', rows)], parseParams(projection, { method }) as never, changed),
    ).rejects.toMatchObject({ code: 'memory' });
  });
});

describe('views', () => {
  const labels = X.map((_, i) => (i % 4 === 0 ? 'cat' : 'dog'));
  test('classes are series; samples are named', async () => {
    const [view] = (await outcomeOf(X, {}, labels)).views;
    if (view?.kind !== 'scatter') throw new Error('no map');
    expect(view.square).toBe(true);
    expect(view.series.map(({ name, points }) => [name, points.length])).toEqual([
      ['cat', 25],
      ['dog', 75],
    ]);
    expect(view.series[0]!.labels!.slice(0, 2)).toEqual(['sample 0: cat', 'sample 4: cat']);
    expect(view.x.name).toMatch(/^component 1 \(\d+\.\d %\)$/);
  });
  test('a map for each of a few layers, six of many', async () => {
    const layers = (count: number) =>
      Object.fromEntries(Array.from({ length: count }, (_, i) => [`l${i}`, gaussianRows(9, 3, i)]));
    const titles = async (count: number) =>
      (await run(projection, [model('m', layers(count))])).views.map(({ title }) => title);
    expect(await titles(2)).toEqual([
      'Principal components of l0',
      'Principal components of l1',
      'Share of the variance explained',
    ]);
    expect(await titles(30)).toHaveLength(7);
  });
  test('one coordinate is a histogram; thousands of points are thinned out', async () => {
    expect((await outcomeOf(X, { components: 1 })).views[0]!.kind).toBe('histogram');
    const [view] = (await outcomeOf(gaussianRows(5400, 3, 7))).views;
    if (view?.kind !== 'scatter') throw new Error('no map');
    expect(view.series[0]!.points).toHaveLength(2700);
    expect(view.title).toMatch(/one in 2 of 5400/);
  });
});

test('constant samples have no components to speak of', async () => {
  const outcome = await outcomeOf(matrixOf(6, 3, () => 2));
  expect(outcome.values['explained']).toEqual([null, null]);
  expect(outcome.views[0]).toMatchObject({ kind: 'scatter', x: { name: 'component 1' } });
  expect(outcome.warnings.join()).toMatch(/every unit is constant/);
});
