import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { isMatrixSpec, openLabels, openMatrix } from './matrix-file.ts';

// Files and values written by NumPy and safetensors: make.py beside them.
const fixtures = fileURLToPath(new URL('../../test/fixtures/tensors/', import.meta.url));
const expected = JSON.parse(await readFile(join(fixtures, 'expected.json'), 'utf8')) as Record<
  string,
  (number | string)[][]
>;
const number = (value: number | string) =>
  typeof value === 'number' ? value : Number(value.replace('inf', 'Infinity'));

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'matrix-'));
});
afterAll(() => rm(folder, { recursive: true }));

describe('values equal to NumPy’s', () => {
  test.each(Object.entries(expected))('%s', async (spec, rows) => {
    const matrix = await openMatrix(spec, fixtures);
    expect([matrix.n, matrix.d]).toEqual([rows.length, rows[0]!.length]);
    expect(Array.from(await matrix.rows(0, matrix.n))).toEqual(rows.flat().map(number));
    if (matrix.n > 2) {
      const middle = rows.slice(1, 3).flat().map(number);
      expect(Array.from(await matrix.rows(1, 3))).toEqual(middle);
    }
    await matrix.close();
  });
});

test('float64 and wide integers stay float64', async () => {
  const types: Record<string, string> = {
    'f8.npy': 'float64',
    'i4.npy': 'float64',
    'u8.npy': 'float64',
    'f2.npy': 'float32',
    'f4.npy': 'float32',
    'i1.npy': 'float32',
    'bool.npy': 'float32',
    'bf16.safetensors#x': 'float32',
  };
  for (const [spec, dtype] of Object.entries(types)) {
    const matrix = await openMatrix(spec, fixtures);
    expect([spec, matrix.dtype]).toEqual([spec, dtype]);
    expect((await matrix.rows(0, 1)) instanceof Float64Array).toBe(dtype === 'float64');
    await matrix.close();
  }
});

test('JSON rows', async () => {
  await writeFile(join(folder, 'd.json'), '[[1, 2.5], [3, -4e3]]');
  const matrix = await openMatrix('d.json', folder);
  expect([matrix.label, matrix.n, matrix.d, matrix.dtype]).toEqual(['d.json', 2, 2, 'float64']);
  expect(Array.from(await matrix.rows(0, 2))).toEqual([1, 2.5, 3, -4000]);
  const faults = { 'ragged.json': '[[1,2],[3]]', 'text.json': '[["a"]]', 'object.json': '{}' };
  for (const [name, text] of Object.entries(faults)) {
    await writeFile(join(folder, name), text);
    await expect(openMatrix(name, folder)).rejects.toMatchObject({ code: 'wrong-shape' });
  }
  await writeFile(join(folder, 'cut.json'), '[[1,2],[3');
  await expect(openMatrix('cut.json', folder)).rejects.toMatchObject({ code: 'not-a-model' });
});

test('a missing key lists those there are; the only one need not be named', async () => {
  await expect(openMatrix('stored.npz#c', fixtures)).rejects.toThrow(
    /stored\.npz: has no array c; choose with #KEY one of a, b$/,
  );
  await expect(openMatrix('stored.npz', fixtures)).rejects.toMatchObject({ code: 'missing' });
  await expect(openMatrix('bf16.safetensors#y', fixtures)).rejects.toThrow(
    /one of x, cube|cube, x/,
  );
});

test.each([
  ['objects.npy', 'unsupported'],
  ['structured.npy', 'unsupported'],
  ['labels-text.npy', 'unsupported'],
  ['none.npy', 'missing'],
  ['make.py', 'usage'],
])('%s is refused as %s', async (spec, code) => {
  await expect(openMatrix(spec, fixtures)).rejects.toMatchObject({ code });
});

test('truncated and foreign files are refused', async () => {
  const sound = await readFile(join(fixtures, 'f8.npy'));
  await writeFile(join(folder, 'cut.npy'), sound.subarray(0, -1));
  await expect(openMatrix('cut.npy', folder)).rejects.toMatchObject({ code: 'truncated' });
  await writeFile(join(folder, 'foreign.npy'), await readFile(join(fixtures, 'stored.npz')));
  await expect(openMatrix('foreign.npy', folder)).rejects.toMatchObject({ code: 'not-a-model' });
  await writeFile(join(folder, 'foreign.npz'), sound);
  await expect(openMatrix('foreign.npz#a', folder)).rejects.toMatchObject({ code: 'not-a-model' });
});

test('the hash is of the file', async () => {
  const matrix = await openMatrix('stored.npz#a', fixtures);
  expect(await matrix.sha256()).toMatch(/^[0-9a-f]{64}$/);
  const other = await openMatrix('deflated.npz#a', fixtures);
  expect(await other.sha256()).not.toBe(await matrix.sha256());
  await matrix.close();
  await other.close();
});

test('what names a matrix', () => {
  const names = ['a.npy', 'b.npz#k', 'b.npz', 'c.safetensors#k.w', 'd.json', 'dir/x#y/A.NPY'];
  expect(names.filter((name) => !isMatrixSpec(name))).toEqual([]);
  const others = ['model.onnx', 'c.safetensors', 'org/name', 'folder', 'config.json', 'a.npy.txt'];
  expect(others.filter(isMatrixSpec)).toEqual([]);
});

test('labels from arrays, JSON, text and CSV', async () => {
  expect(await openLabels('labels-int.npy', fixtures)).toEqual(['3', '1', '2', '1']);
  expect(await openLabels('labels-text.npy', fixtures)).toEqual(['cat', 'Hündin', '猫', '🐈']);
  expect(await openLabels('labels-bytes.npy', fixtures)).toEqual(['cat', 'dog']);
  await writeFile(join(folder, 'l.json'), '["a", 2, true]');
  expect(await openLabels('l.json', folder)).toEqual(['a', '2', 'true']);
  await writeFile(join(folder, 'l.txt'), 'a\r\nb\n\nc\n');
  expect(await openLabels('l.txt', folder)).toEqual(['a', 'b', '', 'c']);
  await writeFile(join(folder, 'l.csv'), 'cat,1\n"a ""b"", c",2\n');
  expect(await openLabels('l.csv', folder)).toEqual(['cat', 'a "b", c']);
  await expect(openLabels('f4.npy', fixtures)).rejects.toMatchObject({ code: 'wrong-shape' });
});
