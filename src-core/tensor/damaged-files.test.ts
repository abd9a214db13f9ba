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

/** Opens a matrix and reads its first rows, as an analysis would. */
async function readAll(spec: string): Promise<void> {
  const matrix = await openMatrix(spec, folder);
  try {
    const rows = await matrix.rows(0, Math.min(matrix.n, 100));
    expect(rows).toHaveLength(Math.min(matrix.n, 100) * matrix.d);
  } finally {
    await matrix.close();
  }
}

test.each([
  ['f4.npy', '', 1000],
  ['f8-cube-fortran.npy', '', 1000],
  ['version3.npy', '', 500],
  ['stored.npz', '#b', 700],
  ['deflated.npz', '#b', 700],
  ['all.safetensors', '#f2', 1000],
  ['bf16.safetensors', '#x', 500],
])('%s with random damage is read or refused with a reason', async (name, key, numRuns) => {
  const sound = await readFile(join(fixtures, name));
  const outcomes = new Set<boolean>();
  await fc.assert(
    fc.asyncProperty(damaged(sound), async (bytes) => {
      await writeFile(join(folder, name), bytes);
      outcomes.add(await succeeds(() => readAll(name + key)));
    }),
    { numRuns, seed: 1 },
  );
  expect(outcomes).toEqual(new Set([true, false]));
});

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
