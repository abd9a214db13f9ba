import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { damaged, succeeds } from '../bytes/mutate.ts';
import { openLabels, openMatrix } from './matrix-file.ts';

const fixtures = fileURLToPath(new URL('../../test/fixtures/tensors/', import.meta.url));
let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'damaged-'));
});
afterAll(() => rm(folder, { recursive: true }));

test('labels with random damage are read or refused with a reason', async () => {
  const sound = await readFile(join(fixtures, 'labels-text.npy'));
  await fc.assert(
    fc.asyncProperty(damaged(sound), async (bytes) => {
      await writeFile(join(folder, 'labels.npy'), bytes);
      await succeeds(() => openLabels('labels.npy', folder));
    }),
    { numRuns: 500, seed: 2 },
  );
});

test('an archive that lies about the size of its arrays is refused', async () => {
  const bytes = await readFile(join(fixtures, 'deflated.npz'));
  const directory = bytes.indexOf(Buffer.from('PK\x01\x02', 'latin1'));
  bytes.writeUInt32LE(0x7fffffff, directory + 24);
  await writeFile(join(folder, 'bomb.npz'), bytes);
  await expect(openMatrix('bomb.npz#a', folder)).rejects.toThrow(/lies about its size/);
});
