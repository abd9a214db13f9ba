import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Cancelled } from '../../errors.ts';
import { Random } from '../random.ts';
import {
  context,
  gaussianRows,
  layer,
  matrixOf,
  model,
  multiply,
  orthogonal,
  plain,
  run as runAnalysis,
  type Ran,
  type Rows,
} from '../test-support.ts';
import type { Side } from '../definition.ts';
import { neuralCollapse } from './neural-collapse.ts';

type Numbers = Record<string, number>;
interface Case {
  x: Rows;
  y: number[];
  W: Rows;
  b: number[];
  gram: Rows;
  simplex: Numbers;
  orthogonal: Numbers;
  given: Numbers;
  probeLoss?: number;
}
const url = new URL('../../../test/fixtures/collapse/reference.json', import.meta.url);
const reference = JSON.parse(readFileSync(url, 'utf8')) as Record<string, Case>;

/** Matrices that parameters name, by name. */
type Files = Record<string, Rows>;

async function run(side: Side, params: Record<string, unknown> = {}, files: Files = {}) {
  const warnings: string[] = [];
  const definition = neuralCollapse;
  const outcome = await definition.run(
    [side],
    definition.params.parse(params),
    await context({
      warn: (message) => void warnings.push(message),
      open: (spec) => Promise.resolve(layer(spec, files[spec]!)),
    }),
  );
  return { ...outcome, warnings, steps: [] } satisfies Ran;
}

const labelled = (
  rows: Rows,
  labels: readonly (string | number)[],
  type?: typeof Float32Array,
) => ({
  ...plain('x', rows, type),
  labels: labels.map(String),
});
const valueOf = ({ values }: Ran, key: string) => values[key] as number;

/** Unit class means of a simplex in the first C of d units, each class with ±offset samples. */
function simplexRows(classes: number, d: number, spread: number) {
  const rows: number[][] = [];
  const labels: number[] = [];
  const length = Math.sqrt(1 - 1 / classes);
  for (let c = 0; c < classes; c++) {
    const mean = Array.from({ length: d }, (_, j) =>
      j < classes ? ((j === c ? 1 : 0) - 1 / classes) / length : 0,
    );
    for (let k = 0; k < d; k++) {
      for (const sign of [1, -1]) {
        rows.push(mean.map((value, j) => (j === k ? value + sign * spread : value)));
        labels.push(c);
      }
    }
  }
  return { rows, labels };
}

describe.each(['balanced', 'imbalanced', 'manyClasses'])('%s classes against NumPy', (name) => {
  const { x, y, W, b, gram, ...expected } = reference[name]!;
  const files = { W, b: b.map((value) => [value]), G: gram };
  test.each([
    ['simplex', {}, expected.simplex],
    ['orthogonal', { target: 'orthogonal' }, expected.orthogonal],
    ['gram', { target: 'gram', gram: 'G' }, expected.given],
  ] as const)('target %s', async (_, params, values) => {
    const outcome = await run(labelled(x, y), { W: 'W', b: 'b', ...params }, files);
    for (const [key, value] of Object.entries(values)) {
      expect(Math.abs(valueOf(outcome, key) - value), key).toBeLessThan(1e-9 * (1 + value));
    }
    expect(Object.keys(outcome.values).sort()).toEqual(Object.keys(values).sort());
  });

  test('float32 to 1e-4', async () => {
    const side = labelled(x, y, Float32Array);
    const outcome = await run(side, { W: 'W', b: 'b' }, files);
    for (const [key, value] of Object.entries(expected.simplex)) {
      expect(Math.abs(valueOf(outcome, key) - value), key).toBeLessThan(1e-4 * (1 + value));
    }
  });
});

test('VCI is the loss of the best linear probe times C/(C − 1)', async () => {
  const { x, y, probeLoss } = reference['balanced']!;
  expect(valueOf(await run(labelled(x, y)), 'vci')).toBeCloseTo((probeLoss! * 4) / 3, 12);
});

describe('a simplex', () => {
  test('with equal scatter in every unit has the values of its closed form', async () => {
    const { rows, labels } = simplexRows(5, 10, 0.1);
    const W = matrixOf(5, 10, (c, j) => (j < 5 ? 3 * ((c === j ? 1 : 0) - 0.2) : 0));
    const outcome = await run(labelled(rows, labels), { W: 'W' }, { W });
    expect(valueOf(outcome, 'nc1')).toBeCloseTo(0.0032, 14);
    expect(valueOf(outcome, 'cdnv')).toBeCloseTo(0.004, 14);
    expect(valueOf(outcome, 'gnc2.mean')).toBeCloseTo(-0.458145365937, 12);
    for (const key of ['nc2.normCv', 'nc2.cosStd', 'nc2.angle', 'nc3', 'etfError', 'gnc2.var']) {
      expect(Math.abs(valueOf(outcome, key)), key).toBeLessThan(1e-12);
    }
    for (const key of ['nc4', 'unc3', 'unc3.cos', 'nc2.normCvW', 'nc2.angleW']) {
      expect(Math.abs(valueOf(outcome, key)), key).toBeLessThan(1e-12);
    }
    expect(outcome.warnings).toEqual([]);
  });

  // FORMULAS-more: CDNV = s²·d·(K − 1)/(2K).
  test.each([
    [0.05, 0.072],
    [0.1, 0.288],
  ])('of ten classes with noise %f in 64 units has CDNV %f', async (noise, cdnv) => {
    const { rows, labels } = simplexRows(10, 64, 0);
    const random = new Random(3);
    const noisy = rows.map((row) => row.map((value) => value + noise * random.gaussian()));
    const outcome = await run(labelled(noisy, labels));
    expect(valueOf(outcome, 'cdnv') / cdnv).toBeCloseTo(1, 1);
    expect(valueOf(outcome, 'nc2.angle')).toBeLessThan(0.02);
  });

  test('that has collapsed exactly is 0 everywhere', async () => {
    const { rows, labels } = simplexRows(4, 6, 0);
    const outcome = await run(labelled(rows, labels));
    for (const key of ['nc1', 'cdnv', 'vci', 'etfError', 'nc2.angle']) {
      expect(Math.abs(valueOf(outcome, key)), key).toBeLessThan(1e-12);
    }
  });
});

test('imbalanced orthogonal means are on target there, and off the simplex', async () => {
  // Lengths grow with the classes; means about the origin are orthogonal.
  const counts = [4, 8, 24];
  const labels = counts.flatMap((count, c) => Array<number>(count).fill(c));
  const random = new Random(1);
  const rows = labels.map((c) =>
    Array.from({ length: 5 }, (_, j) => (j === c ? Math.sqrt(counts[c]!) : 0)),
  );
  rows.forEach((row) => (row[4] = 1e-9 * random.gaussian()));
  const own = await run(labelled(rows, labels), { target: 'orthogonal' });
  expect(valueOf(own, 'nc2.angle')).toBeLessThan(1e-9);
  expect(valueOf(own, 'etfError')).toBeLessThan(1e-9);
  const simplex = await run(labelled(rows, labels));
  expect(valueOf(simplex, 'nc2.angle')).toBeGreaterThan(0.1);
  expect(simplex.warnings.join()).toMatch(/classes of 4 to 24 samples.*target=orthogonal/);
});

test('two Gaussian classes have CDNV s²d/‖Δμ‖²', async () => {
  const [d, spread] = [8, 0.3];
  const rows = gaussianRows(4000, d, 7).map((row, i) =>
    row.map((value, j) => spread * value + (j === 0 && i % 2 === 1 ? 2 : 0)),
  );
  const outcome = await run(
    labelled(
      rows,
      rows.map((_, i) => i % 2),
    ),
  );
  expect(valueOf(outcome, 'cdnv') / ((spread ** 2 * d) / 4)).toBeCloseTo(1, 1);
  expect(outcome.warnings.join()).toMatch(/with two classes centred means are always opposite/);
});

test('VCI of features without classes is 1 − d/(n − 1), and few samples are told', async () => {
  const rows = gaussianRows(1000, 32, 4);
  const outcome = await run(
    labelled(
      rows,
      rows.map((_, i) => i % 5),
    ),
  );
  expect(valueOf(outcome, 'vci')).toBeCloseTo(1 - 32 / 999, 1);
  expect(outcome.warnings.join()).not.toMatch(/vci/);
  const few = await run(
    labelled(
      rows.slice(0, 100),
      rows.slice(0, 100).map((_, i) => i % 5),
    ),
  );
  expect(few.warnings.join()).toMatch(/100 samples for 32 units: .* would have vci 0\.68/);
  const fewer = await run(
    labelled(
      rows.slice(0, 30),
      rows.slice(0, 30).map((_, i) => i % 5),
    ),
  );
  expect(fewer.values['vci']).toBeNull();
  expect(fewer.warnings.join()).toMatch(/vci is null: it has 30 samples for 32 units/);
  expect(valueOf(fewer, 'nc1')).toBeGreaterThan(0);
});

test('the scatter along class means alone gives the nc1 of the whole scatter', async () => {
  // 40 units and 36 samples take the projected pass; the same rows with copies the whole one.
  const rows = gaussianRows(36, 40, 5).map((row, i) =>
    row.map((v, j) => v + (j === i % 3 ? 4 : 0)),
  );
  const labels = rows.map((_, i) => i % 3);
  const few = await run(labelled(rows, labels));
  const copies = await run(labelled([...rows, ...rows], [...labels, ...labels]));
  expect(few.values['vci']).toBeNull();
  expect(copies.values['vci']).not.toBeNull();
  for (const key of ['nc1', 'cdnv', 'nc2.angle']) {
    expect(valueOf(few, key) / valueOf(copies, key), key).toBeCloseTo(1, 10);
  }
});

describe('edges', () => {
  const rows = gaussianRows(60, 4, 9).map((row, i) => row.map((v, j) => v + (j === i % 3 ? 5 : 0)));
  const labels = rows.map((_, i) => 'abc'[i % 3]!);

  test('a class of one sample is told, and can be left out', async () => {
    const [more, names] = [
      [...rows, [9, 9, 9, 9]],
      [...labels, 'd'],
    ];
    const outcome = await run(labelled(more, names));
    expect(outcome.warnings.join()).toMatch(/1 of 4 classes have one sample/);
    const without = await run(labelled(more, names), { minSamples: 2 });
    expect(without.warnings.join()).toMatch(/1 of 4 classes have fewer than 2 samples: left out/);
    expect(without.values).toEqual((await run(labelled(rows, labels))).values);
  });

  test('coincident means leave the median', async () => {
    const twice = rows.filter((_, i) => i % 3 === 0);
    const outcome = await run(
      labelled([...rows, ...twice], [...labels, ...twice.map(() => 'copy of a')]),
    );
    expect(outcome.values['cdnv']).toBeNull();
    expect(outcome.values['gnc2.mean']).toBeNull();
    expect(valueOf(outcome, 'cdnv.median')).toBeGreaterThan(0);
    expect(valueOf(outcome, 'nc1')).toBeGreaterThan(0);
    expect(outcome.warnings.join()).toMatch(/1 pairs of classes have one mean/);
  });

  test('means that all coincide give null', async () => {
    const same = rows.map(() => [0.1, 0.7, 0.3, 5e8]);
    const outcome = await run(labelled(same, labels));
    expect(Object.values(outcome.values).every((value) => value === null)).toBe(true);
    expect(outcome.warnings.join()).toMatch(/all class means coincide/);
  });

  test('more classes than a simplex has corners', async () => {
    const { x, y } = reference['manyClasses']!;
    const outcome = await run(labelled(x, y));
    expect(outcome.warnings.join()).toMatch(/6 classes make no simplex in 3 units \(at most 4\)/);
    expect(valueOf(outcome, 'nc2.angle')).toBeGreaterThan(0.1);
  });

  test('non-finite rows, missing labels and one class are refused by name', async () => {
    const bad = rows.map((row, i) => (i === 7 ? [NaN, ...row.slice(1)] : row));
    await expect(run(labelled(bad, labels))).rejects.toMatchObject({ code: 'non-finite' });
    await expect(run(plain('x', rows))).rejects.toMatchObject({ code: 'usage' });
    await expect(
      run(
        labelled(
          rows,
          rows.map(() => 'a'),
        ),
      ),
    ).rejects.toThrow(/1 class/);
    await expect(run(labelled(rows, labels), { minSamples: 21 })).rejects.toThrow(/minSamples/);
  });

  test('means that would pass the memory bound are refused with the figure', async () => {
    const tight = await context({ memoryLimit: 500 });
    const settings = neuralCollapse.params.parse({});
    await expect(neuralCollapse.run([labelled(rows, labels)], settings, tight)).rejects.toThrow(
      /means of 3 classes of 4 units .*bound is 500 B/,
    );
  });

  test('a refused step stops it', async () => {
    const work = runAnalysis(neuralCollapse, [labelled(rows, labels)], {}, () =>
      Promise.reject(new Cancelled()),
    );
    await expect(work).rejects.toBeInstanceOf(Cancelled);
  });
});

describe('the classifier', () => {
  const { x, y, W, b } = reference['balanced']!;
  const files: Files = {
    W,
    b: b.map((value) => [value]),
    turned: matrixOf(W[0]!.length, W.length, (j, c) => W[c]![j]!),
    row: [b],
    more: [...W, ...W],
    wide: matrixOf(4, 9, () => 1),
  };
  const given = (W: string, b = '') => run(labelled(x, y), { W, b }, files);

  test('may lie on its side, with its offsets', async () => {
    expect((await given('turned', 'row')).values).toEqual((await given('W', 'b')).values);
  });

  test('of more classes is met by labels that are row numbers', async () => {
    expect((await given('more')).values).toEqual((await given('W')).values);
    const named = labelled(
      x,
      y.map((c) => 'abcd'[c]!),
    );
    await expect(run(named, { W: 'more' }, files)).rejects.toThrow(/has 8 classes .* have 4/);
  });

  test('of another width, offsets alone and a frame without its file are refused', async () => {
    await expect(given('wide')).rejects.toThrow(/is 4 × 9, and the samples have 6 units/);
    await expect(given('', 'b')).rejects.toThrow(/given without W/);
    await expect(given('W', 'wide')).rejects.toThrow(/has 36 numbers for 4 classes/);
    await expect(run(labelled(x, y), { target: 'gram' })).rejects.toThrow(/gram=FILE/);
    await expect(run(labelled(x, y), { target: 'gram', gram: 'wide' }, files)).rejects.toThrow(
      /is 4 × 9, and there are 4 classes/,
    );
  });

  test('is told to be missing', async () => {
    const outcome = await given('');
    expect(outcome.values['nc3']).toBeNull();
    expect(outcome.warnings.join()).toMatch(/nc3, nc4 and unc3 are null/);
  });
});

test('a model gives arrays over layers, and a classifier serves the layers of its width', async () => {
  const { x, y, W } = reference['balanced']!;
  const narrow = x.map((row) => row.slice(0, 4));
  const side = { ...model('m', { first: narrow, last: x }), labels: y.map(String) };
  const outcome = await run(side, { W: 'W' }, { W: W });
  const alone = await run(labelled(x, y), { W: 'W' }, { W: W });
  for (const [key, value] of Object.entries(alone.values)) {
    expect((outcome.values[key] as unknown[])[1], key).toEqual(value);
  }
  // W is 4 × 6: the first layer takes it for 6 classes of 4 units.
  expect(outcome.views.map(({ kind, title }) => `${kind} ${title}`)).toContain(
    'heatmap Cosines of centred class means of last',
  );
});

describe('invariances', () => {
  const labels = (n: number) => Array.from({ length: n }, (_, i) => i % 3);
  const check = (change: (x: Rows, seed: number) => Rows, keys: (key: string) => boolean) =>
    fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 24, max: 40 }),
        fc.integer({ min: 3, max: 6 }),
        fc.nat(1e6),
        async (n, d, seed) => {
          const x = gaussianRows(n, d, seed).map((row, i) =>
            row.map((value, j) => value + (j === i % 3 ? 2 : 0)),
          );
          const before = await run(labelled(x, labels(n)));
          const after = await run(labelled(change(x, seed), labels(n)));
          for (const key of Object.keys(before.values).filter(keys)) {
            if (before.values[key] === null) continue;
            expect(valueOf(after, key), key).toBeCloseTo(valueOf(before, key), 8);
          }
        },
      ),
      { numRuns: 10, seed: 4 },
    );

  test('orthogonal maps, shifts and scaling change nothing', () =>
    check(
      (x, seed) =>
        multiply(x, orthogonal(x[0]!.length, seed + 1)).map((row) => row.map((v) => 3 * v + 7)),
      () => true,
    ));

  test('linear maps change nothing of vci', () =>
    check(
      (x, seed) =>
        multiply(
          multiply(x, orthogonal(x[0]!.length, seed + 1)),
          matrixOf(x[0]!.length, x[0]!.length, (i, j) => (i === j ? 1 + i : 0)),
        ),
      (key) => key === 'vci',
    ));
});
