import { beforeAll, describe, expect, test } from 'vitest';
import { disagreements, withinScatter } from './class-kernels.ts';
import { createEngine, listDevices, type Engine } from './device-engine.ts';

// Every device there is must give what the definitions give.
const devices = (await listDevices()).filter(({ available }) => available);

const [n, d, classes] = [7, 3, 2];
/** Multiples of 1/8, so that float32 sums are exact. */
const numbers = (count: number, phase: number) =>
  Array.from({ length: count }, (_, at) => Math.round(16 * Math.sin(at * 7 + phase)) / 8);
const x = numbers(n * d, 1);
const means = numbers(classes * d, 2);
const of = Int32Array.of(0, 1, 1, 0, 1, 0, 0);
const rest = x.map((value, at) => value - means[of[Math.floor(at / d)]! * d + (at % d)]!);
const sum = (count: number, value: (k: number) => number) =>
  Array.from({ length: count }, (_, k) => value(k)).reduce((a, b) => a + b, 0);

describe.each(devices)('$name', ({ name }) => {
  let engine: Engine;
  beforeAll(async () => {
    engine = await createEngine(name);
  });

  describe.each([
    ['float32', Float32Array],
    ['float64', Float64Array],
  ] as const)('%s', (_, type) => {
    const rows = type.from(x);

    test('the scatter is that of rows less the mean of their class', async () => {
      const whole = await withinScatter(engine, d, rows, of, Float64Array.from(means));
      for (let i = 0; i < n; i++) {
        const squares = sum(d, (j) => rest[i * d + j]! ** 2);
        expect(whole.squares[i]).toBeCloseTo(squares, 5);
      }
      for (let a = 0; a < d; a++) {
        for (let b = 0; b < d; b++) {
          const product = sum(n, (i) => rest[i * d + a]! * rest[i * d + b]!);
          expect(whole.scatter[a * d + b]).toBeCloseTo(product, 5);
        }
      }
    });

    test('along a basis it is the squared projections', async () => {
      const basis = [1, 0, 0, 0, 0.5, -2];
      const along = await withinScatter(
        engine,
        d,
        rows,
        of,
        Float64Array.from(means),
        Float64Array.from(basis),
      );
      for (let k = 0; k < 2; k++) {
        const squares = sum(n, (i) => sum(d, (j) => rest[i * d + j]! * basis[k * d + j]!) ** 2);
        expect(along.scatter[k]).toBeCloseTo(squares, 5);
      }
    });

    test('disagreements count samples whose best score is not the nearest centre', async () => {
      const [weights, bias] = [numbers(classes * d, 3), [0.25, -0.5]];
      const shift = [1, -1, 0.5];
      const centres = means.map((value, at) => value - shift[at % d]!);
      const argmax = (scores: number[]) => scores.indexOf(Math.max(...scores));
      const expected = sum(n, (i) => {
        const row = x.slice(i * d, (i + 1) * d);
        const scores = bias.map((b, c) => b + sum(d, (j) => row[j]! * weights[c * d + j]!));
        const near = bias.map((_, c) => -sum(d, (j) => (row[j]! - means[c * d + j]!) ** 2));
        return argmax(scores) === argmax(near) ? 0 : 1;
      });
      const counted = await disagreements(engine, d, rows, {
        weights: Float64Array.from(weights),
        bias: Float64Array.from(bias),
        centres: Float64Array.from(centres),
        shift: Float64Array.from(shift),
      });
      expect(counted).toBe(expected);
      expect(expected).toBeGreaterThan(0);
    });
  });
});
