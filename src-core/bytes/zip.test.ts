import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openZip } from './zip.ts';

const fixture = (name: string) =>
  fileURLToPath(new URL(`../../test/fixtures/${name}`, import.meta.url));
const purpose = { noun: 'an archive', remedy: 'save it again', uncompressed: 'do not compress' };

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'zip-'));
});
afterAll(() => rm(folder, { recursive: true }));

test('stored entries are ranges of the file, deflated ones are inflated within a bound', async () => {
  for (const name of ['stored', 'deflated']) {
    const archive = await openZip(fixture(`tensors/${name}.npz`), purpose);
    const size = archive.size('b.npy')!;
    const source = await archive.entry('b.npy', 'b', size);
    expect(source.size).toBe(size);
    expect(Buffer.from(await source.read(1, 5)).toString()).toBe('NUMPY');
    if (name === 'deflated') {
      const refused = archive.entry('b.npy', 'b', size - 1);
      await expect(refused).rejects.toMatchObject({ code: 'unsupported' });
    }
    await expect(archive.entry('c.npy', 'c', size)).rejects.toThrow(/it has no c\.npy/);
    await archive.close();
  }
});

test('a directory said to lie beyond any file', async () => {
  const sound = await readFile(fixture('tensors/stored.npz'));
  // A zip64 locator before the end record: signature, disk, offset, disks.
  const locator = Buffer.alloc(20);
  locator.writeUInt32LE(0x07064b50, 0);
  locator.writeBigUInt64LE(1n << 63n, 8);
  locator.writeUInt32LE(1, 16);
  const end = sound.length - 22;
  const path = join(folder, 'far.zip');
  await writeFile(path, Buffer.concat([sound.subarray(0, end), locator, sound.subarray(end)]));
  await expect(openZip(path, purpose)).rejects.toMatchObject({ code: 'truncated' });
});
