import { mkdtemp, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { Cancelled } from '../errors.ts';
import { memoryBytes, openBytes, sha256File, sliceBytes } from './byte-source.ts';
import { fingerprintFiles } from './fingerprint.ts';

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'bytes-'));
});
afterAll(() => rm(folder, { recursive: true }));

async function file(name: string, text: string): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, text);
  return path;
}

test('reads ranges, and refuses those past the end', async () => {
  const source = await openBytes(await file('a', 'abcdef'));
  expect(source.size).toBe(6);
  expect(Buffer.from(await source.read(2, 3)).toString()).toBe('cde');
  expect(await source.read(6, 0)).toHaveLength(0);
  await expect(source.read(4, 3)).rejects.toMatchObject({ code: 'truncated' });
  await expect(source.read(-1, 2)).rejects.toMatchObject({ code: 'truncated' });
  await source.close();
});

test('names what is missing, empty, a folder, or shrinks while read', async () => {
  await expect(openBytes(join(folder, 'none'))).rejects.toMatchObject({ code: 'missing' });
  await expect(openBytes(await file('empty', ''))).rejects.toMatchObject({ code: 'empty' });
  await expect(openBytes(folder)).rejects.toMatchObject({ code: 'directory' });
  const path = await file('shrinks', 'abcdef');
  const source = await openBytes(path);
  await truncate(path, 2);
  await expect(source.read(0, 6)).rejects.toMatchObject({ code: 'truncated' });
  await source.close();
});

test('stops when asked to', async () => {
  const path = await file('b', 'abc');
  const source = await openBytes(path);
  await expect(source.read(0, 3, AbortSignal.abort())).rejects.toThrow(Cancelled);
  await expect(sha256File(path, AbortSignal.abort())).rejects.toThrow(Cancelled);
  await source.close();
});

test('hashes as FIPS 180-2 says', async () => {
  // The standard's own example for "abc".
  const digest = 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad';
  expect(await sha256File(await file('abc', 'abc'))).toBe(digest);
  expect(await fingerprintFiles([await file('ab', 'ab'), await file('c', 'c')])).toBe(digest);
});

test('a fingerprint follows the file', async () => {
  const path = await file('changes', 'one');
  const before = await fingerprintFiles([path]);
  expect(await fingerprintFiles([path])).toBe(before);
  await writeFile(path, 'other');
  expect(await fingerprintFiles([path])).not.toBe(before);
});

test('a fingerprint is remembered between processes', async () => {
  // A file that nobody has written to for a while.
  const path = fileURLToPath(new URL('../package.json', import.meta.url));
  const memory = join(folder, 'kept', 'fingerprints.json');
  const hash = await fingerprintFiles([path], { memory });
  const stored = Object.entries(JSON.parse(await readFile(memory, 'utf8')) as object);
  expect(stored.map(([, value]) => value as string)).toEqual([hash]);
  // A fresh module stands for a new process; the marked entry shows where its answer comes from.
  const marked = 'f'.repeat(64);
  await writeFile(memory, JSON.stringify({ [stored[0]![0]]: marked }));
  vi.resetModules();
  const later = await import('./fingerprint.ts');
  expect(await later.fingerprintFiles([path], { memory })).toBe(marked);
  await writeFile(memory, 'damaged');
  vi.resetModules();
  const last = await import('./fingerprint.ts');
  expect(await last.fingerprintFiles([path], { memory })).toBe(hash);
});

test('a file written just now is not remembered between processes', async () => {
  const path = await file('young', 'one');
  const memory = join(folder, 'young.json');
  await fingerprintFiles([path], { memory });
  await expect(readFile(memory)).rejects.toThrow('ENOENT');
});

test('hashing reports its progress and stops where the report throws', async () => {
  const path = await file('large', '');
  await truncate(path, 200_000_000);
  const seen: number[] = [];
  const progress = (fraction: number) => {
    seen.push(fraction);
    return fraction > 0.5 ? Promise.reject(new Cancelled()) : Promise.resolve();
  };
  await expect(fingerprintFiles([path], { progress })).rejects.toThrow(Cancelled);
  expect(seen.length).toBe(2);
  expect(seen[0]).toBeCloseTo(2 ** 26 / 2e8, 1);
});

test('a slice sees only its range', async () => {
  const slice = sliceBytes(memoryBytes('m', Buffer.from('abcdef')), 's', 2, 3);
  expect(Buffer.from(await slice.read(1, 2)).toString()).toBe('de');
  await expect(slice.read(1, 3)).rejects.toMatchObject({ code: 'truncated' });
});
