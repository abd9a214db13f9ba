import { expect, test } from 'vitest';
import { gaussianRows, multiply, plain, run, shuffled, type Rows } from '../test-support.ts';

const [samples, inputs, units] = [2000, 64, 96];
/** A layer of rectified random units over given inputs. */
const layerOver = (x: Rows, seed: number) =>
  multiply(x, gaussianRows(inputs, units, seed)).map((row) => row.map((v) => Math.max(0, v)));
const x = gaussianRows(samples, inputs, 5);
const layer = layerOver(x, 6);
const valuesOf = async (a: Rows, b: Rows) =>
  (await run('neuron-match', [plain('a', a), plain('b', b)])).values;

test('noise as strong as a unit leaves 1/√2 and still tells its partner', async () => {
  const mean = layer[0]!.map((_, j) => layer.reduce((sum, row) => sum + row[j]!, 0) / samples);
  const sd = mean.map((m, j) =>
    Math.sqrt(layer.reduce((sum, row) => sum + (row[j]! - m) ** 2, 0) / samples),
  );
  const noise = gaussianRows(samples, units, 9);
  const order = shuffled([...sd.keys()], 3);
  const noisy = layer.map((row, i) => order.map((at) => row[at]! + sd[at]! * noise[i]![at]!));
  const { matched, partner } = await valuesOf(layer, noisy);
  expect(Math.abs((matched as number) - Math.SQRT1_2)).toBeLessThan(0.01);
  expect(partner).toEqual(order.map((_, unit) => order.indexOf(unit)));
});

// The baseline is not zero: other weights over the same inputs are alike by chance.
test('units over the same inputs match far better than over others', async () => {
  const paired = (await valuesOf(layer, layerOver(x, 7)))['matched'] as number;
  const unpaired = (await valuesOf(layer, layerOver(gaussianRows(samples, inputs, 8), 7)))[
    'matched'
  ] as number;
  expect(paired).toBeGreaterThan(0.2);
  expect(paired).toBeLessThan(0.33);
  expect(unpaired).toBeGreaterThan(0.03);
  expect(unpaired).toBeLessThan(0.07);
});

test('five universal units of two hundred stand out, the others do not', async () => {
  const rho = 0.9;
  const a = gaussianRows(4000, 200, 1);
  const own = gaussianRows(4000, 200, 2);
  const b = own.map((row, i) =>
    row.map((v, j) => (j < 5 ? rho * a[i]![j]! + Math.sqrt(1 - rho ** 2) * v : v)),
  );
  const excess = (await valuesOf(a, b))['excess'] as number[];
  for (const value of excess.slice(0, 5)) expect(Math.abs(value - 0.725)).toBeLessThan(0.05);
  const others = excess.slice(5);
  expect(Math.abs(others.reduce((sum, v) => sum + v, 0) / others.length)).toBeLessThan(0.005);
});
