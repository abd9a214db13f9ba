import { copyFile, mkdtemp, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openModel } from '../models/open.ts';
import { openGguf } from './gguf.ts';
import { openMatrix } from './matrix-file.ts';

// Files and values by the gguf package: make.py beside them.
const fixtures = fileURLToPath(new URL('../../test/fixtures/gguf/', import.meta.url));
interface Expected {
  shape: number[];
  values?: number[];
  every7?: number[];
  sum?: number;
}
const expected = JSON.parse(await readFile(join(fixtures, 'expected.json'), 'utf8')) as Record<
  string,
  Expected
>;
const types = join(fixtures, 'types.gguf');

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'gguf-'));
});
afterAll(() => rm(folder, { recursive: true }));

describe('values equal to those of the gguf package', () => {
  test.each(Object.entries(expected).filter(([name]) => name !== 'IQ2_XXS'))(
    '%s',
    async (name, { shape, values, every7, sum }) => {
      const file = await openGguf(types);
      const tensor = file.tensors.get(name)!;
      expect(tensor.shape).toEqual(shape);
      const count = shape.reduce((a, b) => a * b);
      const all = Array.from(await tensor.elements(0, count));
      if (values) expect(all).toEqual(values);
      if (every7) expect(all.filter((_, i) => i % 7 === 0)).toEqual(every7);
      if (sum !== undefined) expect(all.reduce((a, b) => a + b)).toBeCloseTo(sum, 3);
      // A range that starts and ends inside blocks.
      expect(Array.from(await tensor.elements(3, count - 2))).toEqual(all.slice(3, count - 2));
      await file.close();
    },
  );
});

test('a tensor is a matrix for analyses', async () => {
  const matrix = await openMatrix('types.gguf#Q4_K', fixtures);
  expect([matrix.label, matrix.n, matrix.d, matrix.dtype]).toEqual([
    'types.gguf#Q4_K',
    3,
    512,
    'float32',
  ]);
  const rows = await matrix.rows(1, 3);
  const [, second] = [0, 512].map((start) => rows.slice(start, start + 512));
  expect(Array.from(rows).filter((_, i) => (i + 512) % 7 === 0)).toEqual(
    expected['Q4_K']!.every7!.slice(Math.ceil(512 / 7)),
  );
  expect(second).toEqual(await matrix.rows(2, 3));
  await matrix.close();
  await expect(openMatrix('types.gguf#none', fixtures)).rejects.toThrow(/choose with #KEY one of/);
});

test('block types without a decoder are listed but not read', async () => {
  const matrix = await openMatrix('types.gguf#IQ2_XXS', fixtures);
  await expect(matrix.rows(0, 1)).rejects.toMatchObject({ code: 'unsupported' });
  await matrix.close();
});

test('metadata of every kind, arrays summarised', async () => {
  const file = await openGguf(types);
  await file.close();
  expect(file.metadata).toMatchObject({
    'general.architecture': 'llama',
    'test.u8': '200',
    'test.i8': '-100',
    'test.u16': '60000',
    'test.i16': '-30000',
    'test.u32': '4000000000',
    'test.i32': '-2000000000',
    'test.f32': '0.5',
    'test.u64': '9223372036854775808',
    'test.i64': '-4611686018427387904',
    'test.f64': '1e-300',
    'test.bool': 'true',
    'test.string': 'naïve ✓',
    'test.numbers': '[0, 1, 2, 3, … 1000 items]',
    'tokenizer.ggml.tokens': '[token 0, token 1, token 2, token 3, … 500 items]',
  });
});

test('versions 2 and 3, with an alignment of their own', async () => {
  for (const [name, version] of [
    ['aligned.gguf', 3],
    ['version2.gguf', 2],
  ] as const) {
    const file = await openGguf(join(fixtures, name));
    expect(file.version).toBe(version);
    expect(Array.from(await file.tensors.get('blk.2.weight')!.elements(0, 6))).toEqual(
      Array<number>(6).fill(2),
    );
    await file.close();
  }
  await expect(openGguf(join(fixtures, 'big-endian.gguf'))).rejects.toThrow(/big-endian/);
});

test('the outline counts parameters by block type and cannot be run', async () => {
  const model = await openModel(types);
  expect(model.outline).toMatchObject({
    format: 'gguf',
    name: 'every type',
    architecture: 'llama',
    runnable: false,
    dtypes: { Q4_K: 1536, Q6_K: 1536, IQ2_XXS: 512, float64: 15, bfloat16: 15, int8: 15 },
  });
  expect(model.outline.metadata['num_hidden_layers']).toBe('2');
  await expect(model.graph([])).rejects.toMatchObject({ code: 'unsupported' });
  expect(await model.nonFiniteTensors()).toEqual([]);
  expect(await model.fingerprint()).toHaveLength(64);
});

test('NaN weights and scales are found', async () => {
  const bytes = await readFile(types);
  const path = join(folder, 'nan.gguf');
  const file = await openGguf(types);
  await file.close();
  // Tensor data follow in the order of the table, each aligned; the last three are Q5_K, Q6_K, IQ2_XXS.
  const last = bytes.length - Math.ceil(132 / 32) * 32;
  const sixth = last - Math.ceil((210 * 6) / 32) * 32;
  bytes.writeUInt16LE(0x7e00, sixth + 208);
  await writeFile(path, bytes);
  expect(await (await openModel(path)).nonFiniteTensors()).toEqual(['Q6_K']);
});

/** Where `text` starts in the file with its eight-byte length before it. */
const keyed = (bytes: Buffer, text: string) => bytes.indexOf(text) + text.length;

describe('lies', () => {
  const sound = join(fixtures, 'aligned.gguf');
  const spoiled = async (spoil: (bytes: Buffer) => void): Promise<string> => {
    const bytes = await readFile(sound);
    spoil(bytes);
    const path = join(folder, 'lie.gguf');
    await writeFile(path, bytes);
    return path;
  };
  // After a tensor's name: axes (4), two sizes (8 each), type (4), offset (8).
  test.each<[string, (bytes: Buffer) => void, string, RegExp]>([
    [
      'overlap',
      (b) => b.writeBigUInt64LE(0n, keyed(b, 'blk.1.weight') + 24),
      'not-a-model',
      /overlaps/,
    ],
    [
      'offset past the end',
      (b) => b.writeBigUInt64LE(1n << 20n, keyed(b, 'blk.2.weight') + 24),
      'truncated',
      /ends at byte/,
    ],
    [
      'negative offset',
      (b) => b.writeBigInt64LE(-64n, keyed(b, 'blk.2.weight') + 24),
      'not-a-model',
      /a size of/,
    ],
    [
      'misaligned',
      (b) => b.writeBigUInt64LE(8n, keyed(b, 'blk.1.weight') + 24),
      'not-a-model',
      /not aligned/,
    ],
    [
      'huge axis',
      (b) => b.writeBigUInt64LE(1n << 52n, keyed(b, 'blk.1.weight') + 4),
      'not-a-model',
      /has shape/,
    ],
    ['axes', (b) => b.writeUInt32LE(1 << 30, keyed(b, 'blk.1.weight')), 'not-a-model', /axes/],
    ['type', (b) => b.writeUInt32LE(99, keyed(b, 'blk.1.weight') + 20), 'unsupported', /type 99/],
    ['tensor count', (b) => b.writeBigUInt64LE(1n << 40n, 8), 'not-a-model', /header of/],
    ['value count', (b) => b.writeBigUInt64LE(99_999n, 16), 'truncated', /needs/],
    [
      'alignment',
      (b) => b.writeUInt32LE(0, keyed(b, 'general.alignment') + 4),
      'not-a-model',
      /alignment/,
    ],
    ['version 1', (b) => b.writeUInt32LE(1, 4), 'unsupported', /version 1/],
    ['same name', (b) => b.write('2', b.indexOf('blk.1') + 4), 'not-a-model', /same name/],
  ])('%s', async (_, spoil, code, message) => {
    const path = await spoiled(spoil);
    const error = await openGguf(path).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code, where: path });
    expect((error as Error).message).toMatch(message);
  });

  test('cut short', async () => {
    const path = join(folder, 'cut.gguf');
    await copyFile(sound, path);
    await truncate(path, 300);
    await expect(openGguf(path)).rejects.toMatchObject({ code: 'truncated' });
    await truncate(path, 30);
    await expect(openGguf(path)).rejects.toMatchObject({ code: 'truncated' });
  });
});
