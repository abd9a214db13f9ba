import { expect, test } from 'vitest';
import { Matrix } from '../../tensor/matrix.ts';
import { Random } from '../random.ts';
import { cpuEngine, gaussianRows, layer, multiply, type Rows } from '../test-support.ts';
import { BootstrapHsic, permutedHsic } from './hsic-resampling.ts';
import { featureFormIsCheaper, featureSums } from './feature-sums.ts';
import { CentredMatrices, hsic, innerScale } from './hsic.ts';
import { gramSums, medianSquaredDistance, type Kernel, type Pair } from './kernel-sums.ts';

const memory = 2 ** 30;
const noTick = () => Promise.resolve();
const estimators = ['debiased', 'biased'] as const;

function centred(rows: Rows): number[][] {
  const mean = rows[0]!.map((_, j) => rows.reduce((sum, row) => sum + row[j]!, 0) / rows.length);
  return rows.map((row) => row.map((value, j) => value - mean[j]!));
}
const kernel = (rows: Rows): Kernel => ({ rows: layer('x', centred(rows)) });
const pairs: Pair[] = [
  [0, 1],
  [0, 0],
  [1, 1],
];

test.each(estimators)('Gram form and feature form of %s HSIC agree', async (estimator) => {
  // Wider than one tile of samples and one panel of units.
  const kernels = [kernel(gaussianRows(600, 30, 1)), kernel(gaussianRows(600, 1100, 2))];
  const engine = await cpuEngine();
  const grams = await gramSums(engine, kernels, pairs, memory, noTick);
  const features = await featureSums(engine, kernels, pairs, memory, noTick);
  for (const [index, pair] of pairs.entries()) {
    const expected = hsic(grams, pair, index, estimator);
    expect(hsic(features, pair, index, estimator) / expected).toBeCloseTo(1, 10);
  }
});

test('little memory makes small tiles and several passes, and changes nothing', async () => {
  const rows = Array.from({ length: 40 }, (_, at) => gaussianRows(70, 3 + (at % 3), at));
  const kernels = rows.map(kernel);
  // More kernels than one product of a stack takes, in an order of their own.
  const all = rows.flatMap((_, i) => rows.map((__, j): Pair => [i, j])).reverse();
  const engine = await cpuEngine();
  const sums = await Promise.all([
    gramSums(engine, kernels, all, memory, noTick),
    gramSums(engine, kernels, all, 1, noTick),
    featureSums(engine, kernels, all, memory, noTick),
    featureSums(engine, kernels, all, 1000, noTick),
    // Less than the product of two layers takes.
    featureSums(engine, kernels, all, 100, noTick),
  ]);
  const values = sums.map((found) => all.map((pair, at) => hsic(found, pair, at, 'debiased')));
  for (const other of values.slice(1)) {
    other.forEach((value, at) => expect(value).toBeCloseTo(values[0]![at]!, 9));
  }
  for (const at of [0, 7, 1599]) {
    const [x, y] = all[at]!.map((index) => kernels[index]!);
    const alone = await gramSums(engine, [x!, y!], [[0, 1]], memory, noTick);
    expect(values[0]![at]).toBeCloseTo(hsic(alone, [0, 1], 0, 'debiased'), 9);
  }
});

test('float32 sums over many tiles keep six digits', async () => {
  const wide = [gaussianRows(1200, 5, 21), gaussianRows(1200, 6, 22)];
  const narrow = wide.map((rows) => ({ rows: layer('x', centred(rows), Float32Array) }));
  const engine = await cpuEngine();
  const exact = await gramSums(engine, wide.map(kernel), pairs, memory, noTick);
  for (const form of [gramSums, featureSums]) {
    const sums = await form(engine, narrow, pairs, memory, noTick);
    const values = pairs.map((pair, at) => hsic(sums, pair, at, 'debiased'));
    const scale = Math.sqrt(values[1]! * values[2]!);
    pairs.forEach((pair, at) => {
      const difference = values[at]! - hsic(exact, pair, at, 'debiased');
      expect(Math.abs(difference) / scale).toBeLessThan(2e-6);
    });
  }
});

test('the cheaper form is chosen, and never features for another kernel', () => {
  const of = (n: number, d: number, gamma?: number): Kernel => ({
    rows: new Matrix(n, d, new Float64Array(n * d)),
    ...(gamma === undefined ? {} : { gamma }),
  });
  const tall = [of(5000, 8), of(5000, 8)];
  expect(featureFormIsCheaper(tall, pairs)).toBe(true);
  expect(featureFormIsCheaper([of(50, 800), of(50, 800)], pairs)).toBe(false);
  expect(featureFormIsCheaper([of(5000, 8, 1), of(5000, 8, 1)], pairs)).toBe(false);
});

test.each(estimators)('centred matrices give %s HSIC as inner products', async (estimator) => {
  const n = 40;
  const kernels = [kernel(gaussianRows(n, 5, 3)), kernel(gaussianRows(n, 7, 4))];
  const matrices = new CentredMatrices(n, 2, 'float64');
  const sums = await gramSums(await cpuEngine(), kernels, pairs, memory, noTick, (tile) =>
    matrices.add(tile),
  );
  await matrices.centre(sums, estimator, noTick);
  for (const [index, [i, j]] of pairs.entries()) {
    const [a, b] = [matrices.matrices[i]!, matrices.matrices[j]!];
    const product = Array.from(a).reduce((sum, value, at) => sum + value * b[at]!, 0);
    const expected = hsic(sums, [i, j], index, estimator);
    expect(product / innerScale(n, estimator) / expected).toBeCloseTo(1, 10);
  }
});

const sizes = [
  ['debiased', 30],
  ['biased', 30],
  // Several blocks of the triangle.
  ['debiased', 300],
] as const;
test.each(sizes)(
  '%s HSIC of %d permuted samples is that of permuted rows',
  async (estimator, n) => {
    const engine = await cpuEngine();
    const [x, y] = [gaussianRows(n, 5, 5), gaussianRows(n, 6, 6)];
    const kernels = [kernel(x), kernel(y)];
    const matrices = new CentredMatrices(n, 2, 'float64');
    const sums = await gramSums(engine, kernels, pairs, memory, noTick, (tile) =>
      matrices.add(tile),
    );
    await matrices.centre(sums, estimator, noTick);
    const random = new Random(7);
    const orders = Array.from({ length: 5 }, () => random.permutation(n));
    const drawn = orders.values();
    const permutations = { count: orders.length, next: () => drawn.next().value! };
    const [draws] = await permutedHsic(engine, matrices, [[0, 1]], estimator, permutations, noTick);
    for (const [draw, order] of orders.entries()) {
      const moved = kernel(Array.from(order, (row) => y[row]!));
      const direct = await gramSums(engine, [kernels[0]!, moved], [[0, 1]], memory, noTick);
      expect(draws![draw]).toBeCloseTo(hsic(direct, [0, 1], 0, estimator), 9);
    }
  },
);

/** The draws of a resampling with this seed, as the code under test makes them. */
function multiplicities(n: number, draws: number, seed: number): number[][] {
  const random = new Random(seed);
  const counts: number[][] = [];
  while (counts.length < draws) {
    const drawn = Array.from(random.multiplicities(n));
    if (drawn.filter((count) => count > 0).length >= 4) counts.push(drawn);
  }
  return counts;
}

test('debiased bootstrap HSIC is the mean over tuples of different samples', async () => {
  const n = 7;
  const [x, y] = [centred(gaussianRows(n, 3, 8)), centred(gaussianRows(n, 2, 9))];
  const kernels = [kernel(x), kernel(y)];
  const engine = await cpuEngine();
  const resample = new BootstrapHsic(engine, n, 2, [[0, 1]], 6, new Random(11));
  const sums = await gramSums(engine, kernels, [[0, 1]], memory, noTick, (tile) =>
    resample.add(tile, noTick),
  );
  const [draws] = await resample.finish(sums, 'debiased', noTick);
  const transposed = (rows: Rows) => rows[0]!.map((_, j) => rows.map((row) => row[j]!));
  const [k, l] = [multiply(x, transposed(x)), multiply(y, transposed(y))];
  for (const [draw, c] of multiplicities(n, 6, 11).entries()) {
    // HSIC = E K_ij L_ij + E K_ij L_qr − 2 E K_ij L_iq over different i, j, q, r.
    let [weight, total] = [0, 0];
    for (let i = 0; i < n; i++)
      for (let j = 0; j < n; j++)
        for (let q = 0; q < n; q++)
          for (let r = 0; r < n; r++) {
            if (new Set([i, j, q, r]).size < 4) continue;
            const w = c[i]! * c[j]! * c[q]! * c[r]!;
            weight += w;
            total += w * k[i]![j]! * l[q]![r]!;
          }
    const unequal = total / weight;
    [weight, total] = [0, 0];
    for (let i = 0; i < n; i++)
      for (let j = 0; j < n; j++)
        for (let q = 0; q < n; q++) {
          if (new Set([i, j, q]).size < 3) continue;
          const w = c[i]! * c[j]! * c[q]!;
          weight += w;
          total += w * k[i]![j]! * l[i]![q]!;
        }
    const shared = total / weight;
    [weight, total] = [0, 0];
    for (let i = 0; i < n; i++)
      for (let j = 0; j < n; j++) {
        if (i === j) continue;
        weight += c[i]! * c[j]!;
        total += c[i]! * c[j]! * k[i]![j]! * l[i]![j]!;
      }
    expect(draws![draw]).toBeCloseTo(total / weight + unequal - 2 * shared, 9);
  }
});

test('biased bootstrap HSIC is that of the rows with their copies', async () => {
  const n = 25;
  const [x, y] = [gaussianRows(n, 3, 12), gaussianRows(n, 2, 13)];
  const kernels = [kernel(x), kernel(y)];
  const engine = await cpuEngine();
  const resample = new BootstrapHsic(engine, n, 2, [[0, 1]], 4, new Random(14));
  const sums = await gramSums(engine, kernels, [[0, 1]], memory, noTick, (tile) =>
    resample.add(tile, noTick),
  );
  const [draws] = await resample.finish(sums, 'biased', noTick);
  for (const [draw, counts] of multiplicities(n, 4, 14).entries()) {
    const copies = (rows: Rows) =>
      rows.flatMap((row, i) => Array<typeof row>(counts[i]!).fill(row));
    const drawn = [kernel(copies(x)), kernel(copies(y))];
    const direct = await gramSums(engine, drawn, [[0, 1]], memory, noTick);
    expect(draws![draw]).toBeCloseTo(hsic(direct, [0, 1], 0, 'biased'), 9);
  }
});

test.each([9, 10])('the median runs over all %d² distances, zeros included', async (n) => {
  const rows = gaussianRows(n, 3, n);
  const all = rows
    .flatMap((a) => rows.map((b) => a.reduce((sum, value, j) => sum + (value - b[j]!) ** 2, 0)))
    .sort((a, b) => a - b);
  const middle = all.length / 2;
  const expected = (all[Math.ceil(middle) - 1]! + all[Math.floor(middle)]!) / 2;
  const median = await medianSquaredDistance(await cpuEngine(), layer('x', rows), noTick);
  expect(median).toBeCloseTo(expected, 12);
});
