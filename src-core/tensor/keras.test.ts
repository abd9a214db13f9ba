import { copyFile, mkdtemp, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openModel } from '../models/open.ts';
import { openMatrix } from './matrix-file.ts';
import { openWeights } from './open-weights.ts';

// Files by Keras and h5py, values as h5py reads them: make.py beside them.
const fixtures = fileURLToPath(new URL('../../test/fixtures/keras/', import.meta.url));
const expected = JSON.parse(await readFile(join(fixtures, 'expected.json'), 'utf8')) as Record<
  string,
  Record<string, { shape: number[]; values: number[] }>
>;
const at = (name: string) => join(fixtures, name);

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'keras-'));
});
afterAll(() => rm(folder, { recursive: true }));

test.each(Object.keys(expected))('%s has h5py’s values', async (name) => {
  const file = await openWeights(at(name));
  try {
    const numeric = [...file.tensors.values()].filter(
      (tensor) => !['text', 'chunked'].includes(tensor.name),
    );
    expect(new Set(numeric.map((tensor) => tensor.name))).toEqual(
      new Set(Object.keys(expected[name]!)),
    );
    for (const tensor of numeric) {
      const { shape, values } = expected[name]![tensor.name]!;
      expect(tensor.shape).toEqual(shape);
      expect(Array.from(await tensor.elements(0, values.length))).toEqual(values);
      expect(Array.from(await tensor.elements(1, values.length))).toEqual(values.slice(1));
    }
  } finally {
    await file.close();
  }
});

test('a tensor is a matrix for analyses', async () => {
  const matrix = await openMatrix('model.keras#layers/dense/vars/0', fixtures);
  expect([matrix.n, matrix.d]).toEqual([4, 3]);
  const { values } = expected['model.keras']!['layers/dense/vars/0']!;
  expect(Array.from(await matrix.rows(2, 4))).toEqual(values.slice(6));
  await matrix.close();
});

describe('outlines', () => {
  test.each(['model.keras', 'model.h5'])('%s, parameters without the optimizer', async (name) => {
    const { outline } = await openModel(at(name));
    expect(outline).toMatchObject({
      format: 'keras',
      name: 'model',
      runnable: false,
      // Dense 4 × 3 with bias, BatchNorm of 3 (four vectors), Dense 3 × 2 with bias.
      dtypes: { float32: 12 + 3 + 12 + 6 + 2 },
      findings: [],
    });
    expect(outline.tensors.some((tensor) => tensor.name.startsWith('optimizer'))).toBe(true);
  });

  test('the configuration of an archive names the class; code in it is a finding', async () => {
    const { outline } = await openModel(at('model.keras'));
    expect(outline.architecture).toBe('Sequential');
    expect(outline.metadata['keras_version']).toMatch(/^3\./);
    expect((await openModel(at('lambda.keras'))).outline.findings).toMatchObject([
      { severity: 'warning', code: 'unsafe-lambda' },
    ]);
  });

  test('links to other files are not followed, loops end', async () => {
    const names = (await openModel(at('types.h5'))).outline.tensors.map((tensor) => tensor.name);
    expect(names).not.toContain('links/outside');
    expect(names.filter((name) => /cube|same|soft|loop/.test(name))).toEqual(['cube']);
  });

  test('values in chunks and text are listed, not read', async () => {
    for (const [name, message] of [
      ['chunked', /stored in chunks/],
      ['text', /does not hold numbers/],
    ] as const) {
      const read = openMatrix(`types.h5#${name}`, fixtures).then(async (matrix) => {
        await matrix.rows(0, 1).finally(() => matrix.close());
      });
      await expect(read).rejects.toThrow(message);
    }
  });

  test('NaN weights are found', async () => {
    const bytes = await readFile(at('types.h5'));
    const { values } = expected['types.h5']!['cube']!;
    const place = bytes.indexOf(Buffer.from(Float32Array.from(values).buffer));
    bytes.writeFloatLE(Infinity, place + 8);
    const path = join(folder, 'nan.h5');
    await writeFile(path, bytes);
    expect(await (await openModel(path)).nonFiniteTensors()).toEqual(['cube']);
  });
});

describe('what cannot be read is said', () => {
  test('groups in the dense form', async () => {
    await expect(openModel(at('dense.h5'))).rejects.toMatchObject({ code: 'unsupported' });
  });

  test('files cut short', async () => {
    const path = join(folder, 'cut.h5');
    for (const size of [20, 1000, 8000]) {
      await copyFile(at('model.h5'), path);
      await truncate(path, size);
      const error: unknown = await openModel(path).catch((reason: unknown) => reason);
      expect((error as { code: string }).code).toMatch(/^(truncated|not-a-model)$/);
    }
  });

  test('datasets that overlap or leave the file', async () => {
    const bytes = await readFile(at('types.h5'));
    const { values } = expected['types.h5']!['cube']!;
    const place = bytes.indexOf(Buffer.from(Float32Array.from(values).buffer));
    const address = Buffer.alloc(8);
    address.writeBigUInt64LE(BigInt(place));
    const layout = bytes.indexOf(address);
    const path = join(folder, 'lie.h5');
    bytes.writeBigUInt64LE(BigInt(place + 64), layout);
    await writeFile(path, bytes);
    await expect(openModel(path)).rejects.toThrow(/overlaps another/);
    bytes.writeBigUInt64LE(BigInt(bytes.length), layout);
    await writeFile(path, bytes);
    await expect(openModel(path)).rejects.toMatchObject({ code: 'truncated' });
  });
});
