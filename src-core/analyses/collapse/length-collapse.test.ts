import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import {
  gaussianRows,
  matrixOf,
  model,
  multiply,
  orthogonal,
  plain,
  run,
} from '../test-support.ts';
import { near, onModel, synthetic, tokens } from '../token-test-support.ts';
import { lengthCollapse } from './length-collapse.ts';

const { uneven, lengths } = synthetic;
const keys = ['anisotropy', 'centroidDistance', 'highFrequency'] as const;

test('NumPy’s values', async () => {
  const { values } = await run(lengthCollapse, [tokens('x', uneven)], { bins: 2 });
  for (const key of keys) near(values[key], lengths[key], 1e-9);
  const [short, long] = lengths['anisotropy']!;
  near(values['rise'], long! - short!, 1e-9);
  expect(values).toMatchObject({ shortest: [2, 6], longest: [5, 11], samples: [4, 4] });
});

test('rotation and scaling change nothing', async () => {
  const turn = orthogonal(4, 5);
  const moved = uneven.map((rows) => multiply(rows, turn).map((row) => row.map((v) => 7 * v)));
  const { values } = await run(lengthCollapse, [tokens('x', moved)], { bins: 2 });
  for (const key of keys) near(values[key], lengths[key], 1e-9);
});

test('offsets of c deviations give a cosine of about c²/(1 + c²)', async () => {
  const offset = (c: number) =>
    Array.from({ length: 60 }, (_, i) =>
      gaussianRows(1, 800, 10 * i + c).map((row) => row.map((value) => value + c)),
    );
  for (const [c, cosine] of [
    [1, 0.5],
    [3, 0.9],
  ] as const) {
    const { values } = await run(lengthCollapse, [tokens('x', offset(c))], { bins: 1 });
    expect((values['anisotropy'] as number[])[0]).toBeCloseTo(cosine, 2);
  }
});

test('embeddings with lengths from a file have the values of their tokens', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'repscope-'));
  const file = join(folder, 'lengths.json');
  await writeFile(file, JSON.stringify(uneven.map((rows) => [rows.length])));
  const pooled = uneven.map((rows) =>
    rows[0]!.map((_, j) => rows.reduce((sum, row) => sum + row[j]!, 0) / rows.length),
  );
  const params = { bins: 2, lengths: file };
  const { values } = await run(lengthCollapse, [plain('x', pooled)], params);
  near(values['anisotropy'], lengths['anisotropy'], 1e-9);
  near(values['centroidDistance'], lengths['centroidDistance'], 1e-9);
  expect(values).not.toHaveProperty('highFrequency');
  await expect(run(lengthCollapse, [plain('x', pooled.slice(1))], params)).rejects.toThrow(
    /has shape \[8, 1\], and there are 7 samples/,
  );
  await rm(folder, { recursive: true });
});

test('samples of one length share a bin, and that is said', async () => {
  const { values, warnings } = await run(lengthCollapse, [tokens('x', synthetic.sequences)]);
  expect(values['samples']).toEqual([3]);
  expect(warnings.join()).toMatch(/1 bins rather than 4: too many samples have one length/);
});

test('one sequence alone is refused, with the way out', async () => {
  await expect(run(lengthCollapse, [tokens('x', [uneven[0]!])])).rejects.toThrow(
    /holds one sample.*--set lengths=FILE/,
  );
});

test('zeros are left out, and a bin of one sample has no cosine', async () => {
  const rows = [...uneven, matrixOf(30, 4, () => 0)];
  const outcome = await run(lengthCollapse, [tokens('x', rows)], { bins: 9 });
  expect(outcome.warnings.join()).toMatch(/1 of 9 samples are zero/);
  expect((outcome.values['anisotropy'] as unknown[]).every((value) => value === null)).toBe(true);
  expect((outcome.values['centroidDistance'] as unknown[]).at(-1)).toBeNull();
});

test('within a model’s graph it is what its token states have', async () => {
  const args = ['tokens', 'minilm/tiny-f32', ['layers.*.resid_post'], { bins: 2 }] as const;
  const onRows: typeof lengthCollapse = { ...lengthCollapse };
  delete onRows.reduction;
  const [within, rows] = [await onModel(lengthCollapse, ...args), await onModel(onRows, ...args)];
  for (const key of [...keys, 'samples']) near(within.values[key], rows.values[key], 1e-5);
});

test('a model has bins for each layer', async () => {
  const layers = ['layers.*.resid_post'];
  const params = { bins: 2 };
  const { values, views } = await onModel(
    lengthCollapse,
    'tokens',
    'decoders/gpt2',
    layers,
    params,
  );
  expect(values['anisotropy']).toMatchObject([[expect.any(Number), expect.any(Number)], {}]);
  expect(values['samples']).toEqual([3, 3]);
  expect(views.map(({ kind }) => kind)).toEqual(['line', 'line', 'line', 'table']);
  const many = model(
    'm',
    Object.fromEntries(Array.from({ length: 7 }, (_, i) => [`l${i}`, gaussianRows(4, 3, i)])),
  );
  const side = { ...many, sequences: Uint32Array.of(0, 1, 4) };
  const outcome = await run(lengthCollapse, [side], params);
  expect(outcome.views.map(({ kind }) => kind)).toEqual(['heatmap', 'heatmap', 'heatmap', 'table']);
});
