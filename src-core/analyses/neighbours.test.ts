import { describe, expect, test } from 'vitest';
import { checkRows } from './layers.ts';
import { Random } from './random.ts';
import { context, cpuEngine, gaussianRows, layer, matrixOf, type Rows } from './test-support.ts';
import { nearestByCosine, nearestByProduct, nearestNeighbours } from './neighbours.ts';

const noStep = () => Promise.resolve();

async function search(rows: Rows, k: number, type: typeof Float32Array | typeof Float64Array) {
  const engine = await cpuEngine();
  const checked = await checkRows(layer('x', rows, type), await context(), 4);
  return nearestNeighbours(engine, checked, k, noStep);
}

/** Squares of differences of float32 add up without rounding, so that ties are ties. */
const distanceOf = (a: readonly number[], b: readonly number[]) =>
  Math.sqrt(a.reduce((sum, value, j) => sum + (value - b[j]!) ** 2, 0));

/** Every distance in float64, sorted, ties by the lower index. */
function bruteForce(rows: Rows, k: number): { index: number; distance: number }[][] {
  return rows.map((a, i) =>
    rows
      .map((b, index) => ({ index, distance: distanceOf(a, b) }))
      .filter(({ index }) => index !== i)
      .sort((p, q) => p.distance - q.distance || p.index - q.index)
      .slice(0, k),
  );
}

async function expectExact(rows: Rows, k: number, type: typeof Float32Array | typeof Float64Array) {
  const found = await search(rows, k, type);
  bruteForce(rows, k).forEach((expected, row) => {
    const slice = [row * k, (row + 1) * k] as const;
    expect(Array.from(found.indices.subarray(...slice))).toEqual(
      expected.map(({ index }) => index),
    );
    found.distances.subarray(...slice).forEach((distance, at) => {
      expect(distance).toBeCloseTo(expected[at]!.distance, 12);
    });
  });
}

const rounded = (rows: Rows) => rows.map((row) => row.map(Math.fround));

describe.each([Float32Array, Float64Array])('%o', (type) => {
  test('agrees with brute force', () => expectExact(rounded(gaussianRows(700, 6, 1)), 5, type));

  test('tight clusters far apart, where products in float32 cannot tell neighbours', () => {
    const random = new Random(2);
    const centre = matrixOf(6, 4, () => 1000 * random.uniform());
    const rows = matrixOf(240, 4, (i, j) => centre[i % 6]![j]! + 1e-3 * random.uniform());
    return expectExact(rounded(rows), 3, type);
  });

  test('an offset of 1000', () =>
    expectExact(rounded(gaussianRows(200, 5, 3).map((row) => row.map((v) => v + 1000))), 4, type));

  test('ties go to the lower index', () =>
    // Corners of a square, twice.
    expectExact(
      [
        [0, 0],
        [1, 0],
        [0, 1],
        [1, 1],
        [0, 0],
        [1, 0],
        [0, 1],
        [1, 1],
      ],
      5,
      type,
    ));
});

test('more rows than one tile', async () => {
  const rows = rounded(gaussianRows(4500, 3, 4));
  const found = await search(rows, 2, Float32Array);
  const few = [0, 17, 4095, 4096, 4499];
  for (const row of few) {
    const best = rows
      .map((b, index) => ({ index, distance: distanceOf(b, rows[row]!) }))
      .filter(({ index }) => index !== row)
      .sort((p, q) => p.distance - q.distance);
    expect(Array.from(found.indices.subarray(2 * row, 2 * row + 2))).toEqual([
      best[0]!.index,
      best[1]!.index,
    ]);
  }
});

describe.each(['float32', 'float64'] as const)('other measures in %s', (dtype) => {
  const dot = (a: readonly number[], b: readonly number[]) =>
    a.reduce((sum, value, j) => sum + value * b[j]!, 0);
  /** Others in descending order, ties by the lower index. */
  const largest = (rows: Rows, k: number, value: (i: number, j: number) => number) =>
    rows.map((_, i) =>
      Array.from(rows.keys())
        .filter((j) => j !== i)
        .sort((p, q) => value(i, q) - value(i, p) || p - q)
        .slice(0, k),
    );
  const listed = (indices: Int32Array, k: number) =>
    Array.from({ length: indices.length / k }, (_, row) =>
      Array.from(indices.subarray(row * k, (row + 1) * k)),
    );
  const data = (rows: Rows) => Float64Array.from(rows.flat());
  /** Directions about one that all share, of lengths from 1 to 50. */
  const cone = gaussianRows(300, 6, 5).map((row, i) =>
    row.map((value) => (value + 40) * (1 + (i % 50))),
  );

  test.each([
    ['Gaussian', gaussianRows(300, 6, 4)],
    ['an offset that float32 cannot see past', cone],
  ])('angles: %s', async (_, rows) => {
    const engine = await cpuEngine();
    const found = await nearestByCosine(engine, data(rows), 6, dtype, 4, noStep);
    const unit = rows.map((row) => row.map((value) => value / Math.sqrt(dot(row, row))));
    // Nearest by the length of the difference, which keeps the digits that 1 − cos loses.
    const expected = largest(rows, 4, (i, j) => -distanceOf(unit[i]!, unit[j]!));
    expect(listed(found.indices, 4)).toEqual(expected);
    expect(found.zeroRows).toBe(0);
  });

  test.each([
    ['Gaussian', gaussianRows(300, 6, 4)],
    ['rows of one direction and unequal lengths', cone],
  ])('inner products: %s', async (_, rows) => {
    const engine = await cpuEngine();
    const found = await nearestByProduct(engine, data(rows), 6, dtype, 4, noStep);
    const expected = largest(rows, 4, (i, j) => dot(rows[i]!, rows[j]!));
    expect(listed(found.indices, 4)).toEqual(expected);
    expected.forEach((list, i) =>
      list.forEach((j, at) => {
        expect(found.products[4 * i + at]! / dot(rows[i]!, rows[j]!)).toBeCloseTo(1, 12);
      }),
    );
  });

  test('rows of zeros are counted', async () => {
    const rows = gaussianRows(20, 3, 1).map((row, i) => (i === 4 ? [0, 0, 0] : row));
    const found = await nearestByCosine(await cpuEngine(), data(rows), 3, dtype, 2, noStep);
    expect(found.zeroRows).toBe(1);
    expect(found.distances[8]).toBeCloseTo(1, 12);
  });
});
