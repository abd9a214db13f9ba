import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { gaussianRows, matrixOf, model, multiply, orthogonal, run } from '../test-support.ts';
import { expected, near, onModel, synthetic, tokens } from '../token-test-support.ts';
import { curvature } from './curvature.ts';

const degrees = async (rows: readonly (readonly number[])[]) =>
  (await run(curvature, [tokens('x', [rows])])).values['degrees'] as number;

const circle = (n: number, points: number) =>
  matrixOf(points, 2, (i, j) => Math.cos((2 * Math.PI * i) / n - (j * Math.PI) / 2));

describe('closed forms', () => {
  test('a line does not turn', async () => {
    const line = matrixOf(7, 3, (i, j) => 0.1 + i * (j + 0.3));
    expect(await degrees(line)).toBeLessThan(1e-6);
  });

  test.each([6, 24, 100])('a circle of %i steps turns by 360/n', async (n) => {
    expect(await degrees(circle(n, n))).toBeCloseTo(360 / n, 9);
  });

  test('back and forth is a half turn', async () => {
    expect(await degrees([[0], [1], [0], [1]])).toBe(180);
  });

  test('independent states turn by about 120 degrees, a random walk by 90', async () => {
    const states = gaussianRows(200, 300, 1);
    expect(await degrees(states)).toBeGreaterThan(119);
    expect(await degrees(states)).toBeLessThan(121);
    const position = Array<number>(300).fill(0);
    const walk = states.map((row) => row.map((value, j) => (position[j]! += value)));
    expect(Math.abs((await degrees(walk)) - 90)).toBeLessThan(1);
  });
});

test('NumPy’s values', async () => {
  const { values } = await run(curvature, [tokens('x', synthetic.sequences)]);
  near(values['degrees'], synthetic.curvature['degrees'], 1e-9);
  near(values['withoutFirst'], synthetic.curvature['withoutFirst'], 1e-9);
});

test.each(Object.keys(expected.models))('hidden states of %s', async (name) => {
  const { values } = await onModel(curvature, 'tokens', name, ['layers.0.resid_post']);
  const wanted = expected.models[name]!.curvature;
  near(values['degrees'], [wanted['degrees']], 1e-4);
  near(values['withoutFirst'], [wanted['withoutFirst']], 1e-4);
});

test('within a model’s graph it is what its token states have', async () => {
  const args = ['tokens', 'minilm/tiny-f32', ['layers.*.resid_post']] as const;
  expect(curvature.reduction).toBeDefined();
  const onRows: typeof curvature = { ...curvature };
  delete onRows.reduction;
  const [within, rows] = [await onModel(curvature, ...args), await onModel(onRows, ...args)];
  for (const key of ['degrees', 'withoutFirst', 'skipped']) {
    near(within.values[key], rows.values[key], 1e-5);
  }
});

test('repeated states are skipped and counted', async () => {
  const rows = circle(12, 12);
  const stuttering = [...rows.slice(0, 5), rows[4]!, rows[4]!, ...rows.slice(5)];
  const { values } = await run(curvature, [tokens('x', [stuttering, rows])]);
  expect(values['degrees']).toBeCloseTo(30, 9);
  expect(values['skipped']).toBe(2);
});

test('a repeated state leaves no trace but its count', async () => {
  const rows = gaussianRows(9, 4, 12);
  const stuttering = rows.flatMap((row, i) => (i % 2 === 0 ? [row, row, row] : [row]));
  const [plainly, twice] = [
    await run(curvature, [tokens('x', [rows])]),
    await run(curvature, [tokens('x', [stuttering])]),
  ];
  near(twice.values['degrees'], plainly.values['degrees'], 1e-12);
  expect(twice.values['skipped']).toBe(10);
});

test('the first token can be left out', async () => {
  const rows = [[500, -300], ...circle(10, 10)];
  const { values } = await run(curvature, [tokens('x', [rows])]);
  expect(values['withoutFirst']).toBeCloseTo(36, 9);
  expect(values['degrees']).toBeGreaterThan(36.5);
});

test('sequences too short for an angle are left out, and that is said', async () => {
  const { values, warnings } = await run(curvature, [tokens('x', [circle(8, 8), [[1, 2]]])]);
  expect(values['degrees']).toBeCloseTo(45, 9);
  expect(warnings.join()).toMatch(/1 of 2 sequences have fewer than two steps/);
  const none = await run(curvature, [
    tokens('x', [
      [
        [1, 2],
        [3, 4],
      ],
    ]),
  ]);
  expect(none.values).toEqual({ degrees: null, withoutFirst: null, skipped: 0 });
});

test('layers give a profile, several sequences of one matrix a histogram', async () => {
  const side = model('m', { a: circle(6, 8), b: circle(8, 8) });
  const layered = await run(curvature, [{ ...side, sequences: Uint32Array.of(0, 8) }]);
  expect(layered.views.map(({ kind }) => kind)).toEqual(['line', 'table']);
  near(layered.values['degrees'], [60, 45], 1e-9);
  const many = Array.from({ length: 9 }, (_, i) => circle(5 + i, 6));
  const one = await run(curvature, [tokens('x', many)]);
  expect(one.views[0]).toMatchObject({ kind: 'histogram' });
});

test('rotation, scaling and translation change nothing', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 1e6 }),
      fc.double({ min: 0.1, max: 10, noNaN: true }),
      async (seed, scale) => {
        const rows = gaussianRows(6, 4, seed);
        const moved = multiply(rows, orthogonal(4, seed)).map((row) =>
          row.map((value, j) => scale * value + j),
        );
        expect(await degrees(moved)).toBeCloseTo(await degrees(rows), 6);
      },
    ),
    { numRuns: 10 },
  );
});

test('NaN is refused with its place', async () => {
  const broken = tokens('x', [
    circle(5, 5),
    [
      [0, 1],
      [NaN, 2],
    ],
  ]);
  await expect(run(curvature, [broken])).rejects.toThrow(
    /^x: token 1 of sequence 1 holds NaN in column 0/,
  );
});
