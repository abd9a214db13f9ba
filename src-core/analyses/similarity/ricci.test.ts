import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Cancelled } from '../../errors.ts';
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
import { ricci } from './ricci.ts';

const fixture = JSON.parse(
  readFileSync(new URL('../../../test/fixtures/topology/ricci.json', import.meta.url), 'utf8'),
) as {
  points: Rows;
  k: number;
  alpha: number;
  flow: number;
  meanCurvature: number;
  nodeCurvature: number[];
}[];

const analyse = (rows: Rows, params: Record<string, unknown> = {}) =>
  run(ricci, [plain('x', rows)], params);

const meanOf = async (rows: Rows, params: Record<string, unknown>) =>
  (await analyse(rows, params)).values['meanCurvature'] as number;

const nodesOf = async (rows: Rows, params: Record<string, unknown>) =>
  (await analyse(rows, params)).values['nodeCurvature'] as number[];

/** Path lengths in a graph given by its edges (Floyd and Warshall). */
function pathLengths(n: number, edges: readonly (readonly [number, number])[]): number[][] {
  const d = matrixOf(n, n, (i, j) => (i === j ? 0 : Infinity));
  for (const [i, j] of edges) d[i]![j] = d[j]![i] = 1;
  for (let k = 0; k < n; k++) {
    for (let i = 0; i < n; i++) {
      for (let j = 0; j < n; j++) d[i]![j] = Math.min(d[i]![j]!, d[i]![k]! + d[k]![j]!);
    }
  }
  return d;
}

const complete = (n: number) => matrixOf(n, n, (i, j) => (i === j ? 0 : 1));
const cycle = (n: number) =>
  pathLengths(
    n,
    Array.from({ length: n }, (_, i) => [i, (i + 1) % n] as const),
  );

describe('closed forms', () => {
  test.each([
    ['K5', complete(5), 4, 0, 0.75],
    ['K5', complete(5), 4, 0.5, 0.625],
    ['K6', complete(6), 5, 0, 0.8],
    ['K6', complete(6), 5, 0.5, 0.6],
    ['C4', cycle(4), 2, 0, 0],
    ['C4', cycle(4), 2, 0.5, 0.5],
    ['C5', cycle(5), 2, 0.5, 0.25],
    ['C6', cycle(6), 2, 0, 0],
    ['C6', cycle(6), 2, 0.5, 0],
    ['C8', cycle(8), 2, 0, 0],
    ['C8', cycle(8), 2, 0.5, 0],
  ])('%s: k = %3$i, alpha = %4$f', async (_, distances, k, alpha, expected) => {
    const params = { input: 'distances', k, alpha };
    expect(await meanOf(distances, params)).toBeCloseTo(expected, 12);
    for (const node of await nodesOf(distances, params)) expect(node).toBeCloseTo(expected, 12);
  });

  test.each([
    [0, -2 / 3, 0],
    [0.5, -1 / 3, 1 / 3],
  ])('a tree of two nodes of degree 3, alpha = %f', async (alpha, bridge, leaf) => {
    const tree = pathLengths(6, [
      [0, 1],
      [0, 2],
      [0, 3],
      [1, 4],
      [1, 5],
    ]);
    const params = { input: 'distances', k: 1, alpha };
    const inner = (bridge + 2 * leaf) / 3;
    const nodes = await nodesOf(tree, params);
    [inner, inner, leaf, leaf, leaf, leaf].forEach((value, i) => {
      expect(nodes[i]).toBeCloseTo(value, 12);
    });
    expect(await meanOf(tree, params)).toBeCloseTo((bridge + 4 * leaf) / 5, 12);
  });

  test('κ/(1 − alpha) is the same for alpha from ½ on (Lin, Lu and Yau)', () =>
    fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 6, max: 24 }),
        fc.integer({ min: 1, max: 5 }),
        fc.nat(1e6),
        async (n, k, seed) => {
          const rows = gaussianRows(n, 3, seed);
          const half = await nodesOf(rows, { k, alpha: 0.5 });
          const most = await nodesOf(rows, { k, alpha: 0.875 });
          half.forEach((value, i) => expect(8 * most[i]!).toBeCloseTo(2 * value, 10));
        },
      ),
      { numRuns: 15, seed: 1 },
    ));
});

test.each(fixture.map((known, at) => [at, known] as const))(
  'linear programmes say the same of graph %i',
  async (_, { points, meanCurvature, nodeCurvature, k, alpha, flow }) => {
    const { values } = await analyse(points, { k, alpha, flow });
    expect(values['meanCurvature']).toBeCloseTo(meanCurvature, 9);
    nodeCurvature.forEach((value, i) => {
      expect((values['nodeCurvature'] as number[])[i]).toBeCloseTo(value, 9);
    });
  },
);

describe('flow', () => {
  test('leaves graphs alike everywhere as they are', async () => {
    for (const flow of [1, 5]) {
      const params = { input: 'distances', k: 4, flow };
      expect(await meanOf(complete(5), params)).toBeCloseTo(0.625, 12);
    }
  });

  test('lets two samples meet', async () => {
    expect(await meanOf([[0], [1]], { k: 1, flow: 2 })).toBe(1);
  });
});

describe('two representations', () => {
  const rows = gaussianRows(40, 4, 1);
  const sides = (other: Rows) => [plain('x', rows), plain('y', other)];

  test('of one shape agree, and each has its values', async () => {
    const turned = multiply(rows, orthogonal(4, 2)).map((row) => row.map((v) => 3 * v + 1));
    const { values } = await run(ricci, sides(turned), { k: 5 });
    expect(values['similarity']).toBeCloseTo(1, 10);
    const own = await analyse(rows, { k: 5 });
    expect((values['meanCurvature'] as number[])[0]).toBe(own.values['meanCurvature']);
    expect((values['nodeCurvature'] as number[][])[0]).toEqual(own.values['nodeCurvature']);
    expect(values['meanCurvature']).toHaveLength(2);
    expect(own.values).not.toHaveProperty('similarity');
  });

  test('is the correlation of node curvatures, and has a null', async () => {
    const other = gaussianRows(40, 6, 3);
    const outcome = await run(ricci, sides(other), { k: 5, permutations: 99 });
    const [x, y] = outcome.values['nodeCurvature'] as [number[], number[]];
    const centred = (values: number[]) => {
      const mean = values.reduce((a, b) => a + b) / values.length;
      return values.map((value) => value - mean);
    };
    const [p, q] = [centred(x), centred(y)];
    const dot = (a: number[], b: number[]) => a.reduce((sum, v, i) => sum + v * b[i]!, 0);
    const expected = dot(p, q) / Math.sqrt(dot(p, p) * dot(q, q));
    expect(outcome.values['similarity']).toBeCloseTo(expected, 10);
    expect(outcome.null).toMatchObject({ permutations: 99 });
    // Correlations of permuted values have mean 0 and variance 1/(n − 1).
    expect(Math.abs(outcome.null!.mean as number)).toBeLessThan(4 / Math.sqrt(39 * 99));
    expect(outcome.null!.sd as number).toBeCloseTo(1 / Math.sqrt(39), 1);
  });

  test('without differences: null', async () => {
    const params = { input: 'distances', k: 2 };
    const outcome = await run(ricci, [plain('x', cycle(6)), plain('y', cycle(6))], params);
    expect(outcome.values).toMatchObject({ similarity: null, meanCurvature: [0, 0] });
    expect(outcome.warnings.join()).toMatch(/x: its curvature is the same at all samples/);
  });

  test('layers of a model, alone and against another', async () => {
    const first = model('m', { a: rows, b: gaussianRows(40, 3, 5) });
    const alone = await run(ricci, [first], { k: 4 });
    expect(alone.values['meanCurvature']).toHaveLength(2);
    expect(alone.values['similarity']).toEqual([
      [expect.closeTo(1), expect.any(Number)],
      [expect.any(Number), expect.closeTo(1)],
    ]);
    const second = model('other', { c: gaussianRows(40, 3, 6), d: rows, e: rows });
    const both = await run(ricci, [first, second], { k: 4 });
    const [x, y] = both.values['meanCurvature'] as [number[], number[]];
    expect([x.length, y.length]).toEqual([2, 3]);
    expect((both.values['similarity'] as number[][])[0]![1]).toBeCloseTo(1, 10);
    expect(both.views.map(({ kind }) => kind)).toEqual(['line', 'line', 'table', 'heatmap']);
  });
});

describe('properties', () => {
  const sorted = (values: number[]) => [...values].sort((a, b) => a - b);
  const check = (change: (rows: Rows, seed: number) => Rows) =>
    fc.assert(
      fc.asyncProperty(fc.integer({ min: 8, max: 25 }), fc.nat(1e6), async (n, seed) => {
        const rows = gaussianRows(n, 3, seed);
        const before = sorted(await nodesOf(rows, { k: 4 }));
        const after = sorted(await nodesOf(change(rows, seed), { k: 4 }));
        after.forEach((value, i) => expect(value).toBeCloseTo(before[i]!, 9));
      }),
      { numRuns: 10, seed: 2 },
    );
  test('orthogonal transformation, scaling and translation change nothing', () =>
    check((rows, seed) =>
      multiply(rows, orthogonal(3, seed)).map((row) => row.map((v) => v / 7 + 2)),
    ));
  test('the order of samples does not matter', () => check((rows, seed) => shuffled(rows, seed)));
});

test('one matrix shows its graph where that can be drawn', async () => {
  const { views } = await analyse(gaussianRows(30, 5, 1), { k: 3 });
  expect(views.map(({ kind }) => kind)).toEqual(['graph', 'histogram', 'table']);
  const [graph] = views;
  if (graph?.kind !== 'graph') throw new Error('no graph');
  const { nodes } = graph;
  expect(nodes).toHaveLength(30);
  // Coordinates are principal components: mean 0, uncorrelated.
  const sum = (value: (node: (typeof nodes)[number]) => number) =>
    nodes.reduce((total, node) => total + value(node), 0);
  expect(sum(({ x }) => x)).toBeCloseTo(0, 9);
  expect(sum(({ x, y }) => x * y)).toBeCloseTo(0, 9);
  const large = await analyse(gaussianRows(310, 5, 1), { k: 2 });
  expect(large.views.map(({ kind }) => kind)).toEqual(['histogram', 'table']);
});

test('a graph in parts is told', async () => {
  const far = [
    ...gaussianRows(6, 2, 1),
    ...gaussianRows(6, 2, 2).map((row) => row.map((v) => v + 99)),
  ];
  const { warnings } = await analyse(far, { k: 2, flow: 1 });
  expect(warnings).toEqual([
    expect.stringMatching(/x: the graph of 2 neighbours falls into 2 parts/),
  ]);
});

test('more neighbours than samples are refused', async () => {
  await expect(analyse(gaussianRows(10, 2, 1))).rejects.toMatchObject({ code: 'too-few-samples' });
});

test('cancelling stops it', async () => {
  let calls = 0;
  const stop = () => (++calls > 2 ? Promise.reject(new Cancelled()) : Promise.resolve());
  const work = run(ricci, [plain('x', gaussianRows(60, 3, 1))], {}, stop);
  await expect(work).rejects.toBeInstanceOf(Cancelled);
  expect(calls).toBe(3);
});
