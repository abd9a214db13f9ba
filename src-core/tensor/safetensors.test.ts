import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { memoryBytes } from '../bytes/byte-source.ts';
import { readSafetensorsHeader, SafetensorsWriter, writeError } from './safetensors.ts';

const fixtures = fileURLToPath(new URL('../../test/fixtures/tensors/', import.meta.url));
let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'safetensors-'));
});
afterAll(() => rm(folder, { recursive: true }));

/** A file with the given header text and `data` zero bytes. */
function file(header: string, data: number, declared = header.length): Uint8Array {
  const bytes = Buffer.alloc(8 + header.length + data);
  bytes.writeBigUInt64LE(BigInt(declared));
  bytes.write(header, 8);
  return bytes;
}
const read = (bytes: Uint8Array) => readSafetensorsHeader(memoryBytes('x.safetensors', bytes));
const tensor = (shape: number[], start: number, end: number, dtype = 'F32') => ({
  dtype,
  shape,
  data_offsets: [start, end],
});

test('header of a file by the reference library', async () => {
  const { tensors, metadata } = await read(await readFile(join(fixtures, 'all.safetensors')));
  expect(metadata).toEqual({ made: 'by NumPy' });
  expect([...tensors.keys()].sort()).toEqual(['bool', 'f2', 'f4', 'f8', 'i1', 'i4', 'i8', 'u1']);
  expect(tensors.get('f8')).toMatchObject({ dtype: 'float64', shape: [5, 3], length: 120 });
});

describe('refuses', () => {
  test.each([
    ['a header longer than the file', file('{}', 0, 1000), 'truncated'],
    ['a header of absurd length', file('{}', 0, 2 ** 40), 'not-a-model'],
    ['text that is no JSON', file('{oops', 0), 'not-a-model'],
    ['a list for a header', file('[1]', 0), 'not-a-model'],
    ['a tensor past the end', file(JSON.stringify({ a: tensor([2], 0, 8) }), 4), 'truncated'],
    ['a size unlike its shape', file(JSON.stringify({ a: tensor([3], 0, 8) }), 8), 'not-a-model'],
    ['an end before the start', file(JSON.stringify({ a: tensor([0], 8, 4) }), 8), 'not-a-model'],
    ['a negative size', file(JSON.stringify({ a: tensor([-2], 0, 8) }), 8), 'not-a-model'],
    [
      'overlapping tensors',
      file(JSON.stringify({ a: tensor([2], 0, 8), b: tensor([2], 4, 12) }), 12),
      'not-a-model',
    ],
  ])('%s', async (_, bytes, code) => {
    await expect(read(bytes)).rejects.toMatchObject({ code });
  });
});

describe('writer', () => {
  const plan = [
    { name: 'a', dtype: 'float32', shape: [3, 2] },
    { name: 'b', dtype: 'float64', shape: [1, 1] },
  ] as const;

  test('writes block after block and appears only when finished', async () => {
    const path = join(folder, 'out.safetensors');
    const writer = await SafetensorsWriter.create(path, plan, { pool: 'mean' });
    await writer.write(Float32Array.of(1, 2, 3, 4));
    expect(await readdir(folder)).not.toContain('out.safetensors');
    await writer.write(Float32Array.of(5, 6));
    await writer.write(Float64Array.of(0.1));
    await writer.finish();
    expect(await readdir(folder)).toEqual(['out.safetensors']);
    const bytes = await readFile(path);
    const { tensors, metadata } = await read(bytes);
    expect(metadata).toEqual({ pool: 'mean' });
    const { offset } = tensors.get('a')!;
    expect(offset % 8).toBe(0);
    expect([0, 1, 2, 3, 4, 5].map((i) => bytes.readFloatLE(offset + 4 * i))).toEqual([
      1, 2, 3, 4, 5, 6,
    ]);
    expect(bytes.readDoubleLE(tensors.get('b')!.offset)).toBe(0.1);
  });

  test('leaves nothing behind when aborted or unfinished, and keeps the former file', async () => {
    const path = join(folder, 'kept.safetensors');
    await writeFile(path, 'former');
    const writer = await SafetensorsWriter.create(path, plan);
    await writer.write(Float32Array.of(1, 2));
    await writer.abort();
    await writer.abort();
    const unfinished = await SafetensorsWriter.create(path, plan);
    await expect(unfinished.finish()).rejects.toThrow(/a lacks 24 bytes/);
    expect((await readdir(folder)).filter((name) => name.includes('part'))).toEqual([]);
    expect(await readFile(path, 'utf8')).toBe('former');
  });

  test('refuses what was not planned', async () => {
    const writer = await SafetensorsWriter.create(join(folder, 'x'), plan);
    await expect(writer.write(Float64Array.of(1))).rejects.toThrow(RangeError);
    await expect(writer.write(new Float32Array(7))).rejects.toThrow(RangeError);
    await writer.abort();
  });

  test('says where it cannot write and when the disk is full', async () => {
    const nowhere = join(folder, 'no', 'such', 'folder');
    await expect(SafetensorsWriter.create(nowhere, plan)).rejects.toMatchObject({
      code: 'unwritable',
    });
    for (const [errno, code] of [
      ['ENOSPC', 'disk-full'],
      ['EACCES', 'unwritable'],
      ['EROFS', 'unwritable'],
    ]) {
      expect(writeError('f', Object.assign(new Error(), { code: errno }))).toMatchObject({ code });
    }
  });
});
