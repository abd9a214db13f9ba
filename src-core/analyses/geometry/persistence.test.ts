import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Cancelled } from '../../errors.ts';
import { context, gaussianRows, matrixOf, model, plain, run, shuffled } from '../test-support.ts';
import type { Rows } from '../test-support.ts';
import { Random } from '../random.ts';
import { assignment } from '../../engine/linear-algebra/assignment.ts';
import { persistence } from './persistence.ts';
import { tabulated } from './rips/distances.ts';
import { Field } from './rips/field.ts';
import { ripsDiagrams, ripsEdges, type Diagram } from './rips/rips.ts';

const fixture = JSON.parse(
  readFileSync(new URL('../../../test/fixtures/topology/barcodes.json', import.meta.url), 'utf8'),
) as {
  name: string;
  points: Rows;
  maxDim: number;
  field: number;
  threshold?: number;
  diagrams: Diagram[];
}[];

const analyse = (rows: Rows, params: Record<string, unknown> = {}) =>
  run(persistence, [plain('x', rows)], params);

async function diagramsOf(rows: Rows, params: Record<string, unknown> = {}): Promise<Diagram[]> {
  return (await analyse(rows, params)).values['diagrams'] as Diagram[];
}

const distanceDiagrams = (rows: Rows, params: Record<string, unknown> = {}) =>
  diagramsOf(rows, { input: 'distances', ...params });

/** Float32 lengths against exact ones. */
function expectDiagram(found: Diagram | undefined, expected: Diagram): void {
  expect(found).toHaveLength(expected.length);
  expected.forEach(([birth, death], at) => {
    const [b, d] = found![at]!;
    expect(b).toBeCloseTo(birth, 6);
    if (death === null || d === null) expect(d).toBe(death);
    else expect(d).toBeCloseTo(death, 6);
  });
}

const polygon = (n: number) =>
  matrixOf(n, 2, (i, j) => (j === 0 ? Math.cos : Math.sin)((2 * Math.PI * i) / n));

const axes = (d: number) =>
  matrixOf(2 * d, d, (i, j) => (i >> 1 === j ? (i % 2 === 0 ? 1 : -1) : 0));

const repeated = (n: number, bar: Diagram[number]): Diagram => Array.from({ length: n }, () => bar);

describe('closed forms', () => {
  test.each([4, 5, 6, 7, 9, 12, 25, 40])('regular polygon of %i corners', async (n) => {
    const [components, loops] = await diagramsOf(polygon(n));
    const side = 2 * Math.sin(Math.PI / n);
    expectDiagram(components, [...repeated(n - 1, [0, side]), [0, null]]);
    expectDiagram(loops, [[side, 2 * Math.sin((Math.PI * Math.ceil(n / 3)) / n)]]);
  });

  test('unit square', async () => {
    const square = [
      [0, 0],
      [1, 0],
      [1, 1],
      [0, 1],
    ];
    expectDiagram((await diagramsOf(square))[1], [[1, Math.SQRT2]]);
  });

  test.each([
    [3, 2],
    [4, 3],
  ])('cross-polytope in %i dimensions', async (d, degree) => {
    const diagrams = await diagramsOf(axes(d), { maxDim: 3 });
    expectDiagram(diagrams[0], [...repeated(2 * d - 1, [0, Math.SQRT2]), [0, null]]);
    for (const q of [1, 2, 3]) {
      expectDiagram(diagrams[q], q === degree ? [[Math.SQRT2, 2]] : []);
    }
  });

  test('two points at distance 3', async () => {
    const outcome = await analyse(
      [
        [0, 3],
        [3, 0],
      ],
      { input: 'distances' },
    );
    expect(outcome.values).toEqual({
      diagrams: [
        [
          [0, 3],
          [0, null],
        ],
        [],
      ],
      longest: [3, null],
      threshold: 3,
      errorBound: 0,
    });
  });

  test('one point', async () => {
    expect((await analyse([[1, 2]], { maxDim: 3 })).values).toMatchObject({
      diagrams: [[[0, null]], [], [], []],
      threshold: 0,
    });
  });

  test('copies leave one component and no interval of length 0', async () => {
    const outcome = await analyse([...polygon(6), ...polygon(6)]);
    const [components, loops] = outcome.values['diagrams'] as Diagram[];
    expectDiagram(components, [...repeated(5, [0, 1]), [0, null]]);
    expectDiagram(loops, [[1, Math.sqrt(3)]]);
    expect(outcome.warnings).toEqual([expect.stringMatching(/x: 6 of 12 samples equal another/)]);
  });
});

/** The projective plane of six vertices, its barycentric subdivision as a graph of 31 vertices. */
function projectivePlane(): number[][] {
  const faces = ['124', '125', '134', '136', '156', '235', '236', '246', '345', '456'];
  const cells = new Set<string>();
  for (const face of faces) {
    const [a, b, c] = face as unknown as [string, string, string];
    for (const cell of [a, b, c, a + b, a + c, b + c, face]) cells.add(cell);
  }
  const within = (small: string, large: string) =>
    Array.from(small).every((v) => large.includes(v));
  const list = [...cells];
  return list.map((x) => list.map((y) => (x === y ? 0 : within(x, y) || within(y, x) ? 1 : 2)));
}

describe('torsion', () => {
  const plane = projectivePlane();
  test('has one loop and one void modulo 2', async () => {
    expect(plane).toHaveLength(31);
    const diagrams = await distanceDiagrams(plane, { maxDim: 2 });
    expect(diagrams.slice(1)).toEqual([[[1, 2]], [[1, 2]]]);
  });
  test.each([3, 5, 65521])('and none modulo %i', async (field) => {
    const diagrams = await distanceDiagrams(plane, { maxDim: 2, field });
    expect(diagrams.slice(1)).toEqual([[], []]);
  });
});

test.each(fixture)('$name, as Ripser and GUDHI have it', async (known) => {
  const { points, maxDim, field, threshold, diagrams } = known;
  const found = await diagramsOf(points, { maxDim, field, threshold });
  expect(found).toHaveLength(maxDim + 1);
  diagrams.forEach((diagram, degree) => expectDiagram(found[degree], diagram));
});

describe('threshold', () => {
  const far = [...polygon(5), ...polygon(5).map(([x, y]) => [x! + 100, y!])];
  const side = 2 * Math.sin(Math.PI / 5);

  test('leaves components apart and loops without an end', async () => {
    const outcome = await analyse(far, { threshold: 1.3 });
    const [components, loops] = outcome.values['diagrams'] as Diagram[];
    expectDiagram(components, [...repeated(8, [0, side]), ...repeated(2, [0, null])]);
    expectDiagram(loops, repeated(2, [side, null]));
    expect(outcome.values).toMatchObject({ threshold: 1.3, longest: [expect.anything(), null] });
  });

  test('of 0 leaves every sample alone', async () => {
    const diagrams = await diagramsOf(far, { threshold: '0' });
    expect(diagrams).toEqual([repeated(10, [0, null]), []]);
  });

  test('beyond the enclosing radius changes nothing', async () => {
    const rows = gaussianRows(40, 3, 2);
    expect(await diagramsOf(rows, { threshold: 100, maxDim: 2 })).toEqual(
      await diagramsOf(rows, { maxDim: 2 }),
    );
  });

  test('auto is the least largest distance', async () => {
    const line = [[0], [1], [5], [7]];
    expect((await analyse(line)).values['threshold']).toBe(5);
  });

  test.each(['-1', 'wide', '', -2])('%j is refused', async (threshold) => {
    await expect(analyse(far, { threshold })).rejects.toMatchObject({ code: 'usage' });
  });
});

/** Least cost of matching two diagrams in which the costliest match counts (infinite ones in order). */
function bottleneck(a: Diagram, b: Diagram): number {
  const ended = (diagram: Diagram) =>
    diagram.filter((bar): bar is [number, number] => bar[1] !== null);
  const [x, y] = [ended(a), ended(b)];
  const size = x.length + y.length;
  if (size === 0) return 0;
  const cost = (i: number, j: number) => {
    const [p, q] = [x[i], y[j]];
    if (p && q) return Math.max(Math.abs(p[0] - q[0]), Math.abs(p[1] - q[1]));
    const bar = p ?? q;
    return bar ? (bar[1] - bar[0]) / 2 : 0;
  };
  const costs = Float64Array.from({ length: size * size }, (_, at) =>
    cost(Math.floor(at / size), at % size),
  );
  const levels = [...new Set(costs)].sort((p, q) => p - q);
  let [low, high] = [0, levels.length - 1];
  while (low < high) {
    const middle = (low + high) >> 1;
    const beyond = costs.map((value) => (value <= levels[middle]! ? 0 : 1));
    const match = assignment(beyond, size, size);
    const within = match.every((j, i) => beyond[i * size + j] === 0);
    if (within) high = middle;
    else low = middle + 1;
  }
  return levels[low]!;
}

describe('properties', () => {
  test('stability: moving points by ε moves diagrams by 2ε at most', () =>
    fc.assert(
      fc.asyncProperty(fc.integer({ min: 5, max: 22 }), fc.nat(1e6), async (n, seed) => {
        const random = new Random(seed);
        const rows = gaussianRows(n, 2, seed);
        const epsilon = 0.3 * random.uniform();
        const moved = rows.map(([x, y]) => {
          const angle = 2 * Math.PI * random.uniform();
          return [x! + epsilon * Math.cos(angle), y! + epsilon * Math.sin(angle)];
        });
        const [before, after] = [
          await diagramsOf(rows, { maxDim: 2 }),
          await diagramsOf(moved, { maxDim: 2 }),
        ];
        before.forEach((diagram, degree) => {
          expect(bottleneck(diagram, after[degree]!)).toBeLessThanOrEqual(2 * epsilon + 1e-6);
        });
      }),
      { numRuns: 25, seed: 1 },
    ));

  test('landmarks: diagrams differ by errorBound at most', () =>
    fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 12, max: 40 }),
        fc.integer({ min: 3, max: 11 }),
        fc.nat(1e6),
        async (n, landmarks, seed) => {
          const rows = gaussianRows(n, 2, seed);
          const all = await diagramsOf(rows);
          const { values } = await analyse(rows, { landmarks });
          const bound = values['errorBound'] as number;
          expect(bound).toBeGreaterThan(0);
          expect((values['diagrams'] as Diagram[])[0]).toHaveLength(landmarks);
          (values['diagrams'] as Diagram[]).forEach((diagram, degree) => {
            expect(bottleneck(diagram, all[degree]!)).toBeLessThanOrEqual(bound + 1e-6);
          });
        },
      ),
      { numRuns: 25, seed: 2 },
    ));

  test('the order of the samples does not matter, ties or not', () =>
    fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 2, max: 24 }),
        fc.constantFrom(2, 3),
        fc.boolean(),
        fc.nat(1e6),
        async (n, field, lattice, seed) => {
          const rows = gaussianRows(n, 3, seed).map((row) =>
            lattice ? row.map((value) => Math.round(value)) : row,
          );
          const params = { maxDim: 3, field };
          expect(await diagramsOf(shuffled(rows, seed), params)).toEqual(
            await diagramsOf(rows, params),
          );
        },
      ),
      { numRuns: 25, seed: 3 },
    ));

  test('distances of points give what the points give', async () => {
    const rows = gaussianRows(30, 40, 6);
    const distances = rows.map((x) => rows.map((y) => Math.hypot(...x.map((v, j) => v - y[j]!))));
    const [first, second] = [await diagramsOf(rows), await distanceDiagrams(distances)];
    first.forEach((diagram, degree) => expectDiagram(second[degree], diagram));
  });
});

test('landmarks enough for all samples leave no error', async () => {
  const rows = polygon(8);
  for (const landmarks of [8, 100]) {
    expect((await analyse(rows, { landmarks })).values).toMatchObject({ errorBound: 0 });
  }
  const doubled = await analyse([...rows, ...rows], { landmarks: 12 });
  expect(doubled.values).toMatchObject({ errorBound: 0 });
});

test('an offset of a million costs nothing', async () => {
  const [near, away] = [polygon(30), polygon(30).map((row) => row.map((value) => value + 1e6))];
  const [, loops] = await diagramsOf(away);
  const [, expected] = await diagramsOf(near);
  expect(loops).toHaveLength(1);
  expect(loops![0]![1]).toBeCloseTo(expected![0]![1]!, 5);
});

test('a model gives arrays over layers', async () => {
  const layers = { a: polygon(12), b: gaussianRows(12, 3, 1), c: polygon(12), d: polygon(12) };
  const { values, views } = await run(persistence, [model('m', layers)]);
  expect(values['diagrams']).toHaveLength(4);
  expect((values['diagrams'] as Diagram[][])[0]).toEqual(await diagramsOf(layers.a));
  expect(values['errorBound']).toEqual([0, 0, 0, 0]);
  expect(views.map(({ kind }) => kind)).toEqual(['line', 'barcode', 'scatter', 'line', 'table']);
  expect(views[1]!.title).toBe('Barcode: a');
});

test('Betti curves count classes', async () => {
  const { views } = await analyse(polygon(4));
  const curves = views[2]!;
  if (curves.kind !== 'line') throw new Error('no curves');
  const [components, loops] = curves.series.map(({ values }) => values);
  expect(components![0]).toBe(4);
  // All sides come together at √2, and the radius is 2.
  expect(components!.at(-1)).toBe(1);
  expect([loops![70], loops![71], loops![99], loops![100]]).toEqual([0, 1, 1, 0]);
});

describe('what cannot be computed', () => {
  test.each([
    [[[0, 1]], /is 1 × 2, and a matrix of distances is square/],
    [
      [
        [0, 1],
        [2, 0],
      ],
      /holds 2 in row 1, column 0 and 1 the other way round/,
    ],
    [
      [
        [0, -1],
        [-1, 0],
      ],
      /holds -1 in row 1, column 0/,
    ],
    [
      [
        [1, 1],
        [1, 0],
      ],
      /holds 1, not 0, in row 0, column 0/,
    ],
  ])('%j is not a matrix of distances', async (rows, message) => {
    await expect(distanceDiagrams(rows)).rejects.toMatchObject({ code: 'wrong-shape' });
    await expect(distanceDiagrams(rows)).rejects.toThrow(message);
  });

  test('a field must be prime', async () => {
    await expect(analyse(polygon(4), { field: 4 })).rejects.toThrow(/'4'|4 is not a prime/);
  });

  test('more memory than allowed is refused before the start, with the figure', async () => {
    const work = persistence.run(
      [plain('x', gaussianRows(300, 2, 1))],
      persistence.params.parse({}),
      await context({ memoryLimit: 1e6 }),
    );
    await expect(work).rejects.toMatchObject({ code: 'memory' });
    await expect(work).rejects.toThrow(/distances between 300 points: need 2\.75 MiB/);
  });

  test('columns of high degrees ask for memory as they grow', async () => {
    const asked: [bytes: number, what: string][] = [];
    const limits = {
      hold: (bytes: number, what: string) => void asked.push([bytes, what]),
      step: () => Promise.resolve(),
    };
    const metric = tabulated(Float64Array.from(projectivePlane().flat()), 31);
    const { edges } = await ripsEdges(metric, undefined, 2, limits);
    await ripsDiagrams(edges, 2, new Field(2), limits);
    const [, ...columns] = asked;
    expect(new Set(columns.map(([, what]) => what))).toEqual(
      new Set(['cochains of degree 1', 'columns of degree 2']),
    );
    for (const [bytes] of columns) expect(bytes).toBeGreaterThan(64 * edges.count);
  });

  test('simplices too many to number', async () => {
    const rows = matrixOf(5000, 1, (i) => i);
    await expect(analyse(rows, { maxDim: 3 })).rejects.toThrow(/has 5000 samples, too many/);
  });

  test('cancelling stops it', async () => {
    let calls = 0;
    const stop = () => (++calls > 2 ? Promise.reject(new Cancelled()) : Promise.resolve());
    const work = run(persistence, [plain('x', gaussianRows(50, 2, 1))], {}, stop);
    await expect(work).rejects.toBeInstanceOf(Cancelled);
    expect(calls).toBe(3);
  });
});
