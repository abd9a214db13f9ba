import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { cpuEngine } from '../analyses/test-support.ts';
import { openFactors } from './factors.ts';
import { openInput } from './inputs.ts';

let folder: string;
beforeAll(async () => (folder = await mkdtemp(join(tmpdir(), 'factors-'))));
afterAll(() => rm(folder, { recursive: true }));

const write = async (name: string, data: string | Uint8Array) => {
  await writeFile(join(folder, name), data);
  return Object.fromEntries(await openFactors(name, folder));
};

test('columns of a table with a header', async () => {
  const expected = { colour: ['red', 'dark, blue'], size: ['1', '2.5'] };
  expect(await write('f.csv', 'colour,size\nred,1\n"dark, blue",2.5\n')).toEqual(expected);
  expect(await write('f.tsv', 'colour\tsize\nred\t1\ndark, blue\t2.5\n')).toEqual(expected);
  const lines = [
    { colour: 'red', size: 1 },
    { colour: 'dark, blue', size: 2.5 },
  ];
  const text = lines.map((line) => JSON.stringify(line)).join('\n');
  expect(await write('f.jsonl', text)).toEqual(expected);
});

test('columns of a matrix, and a plain list', async () => {
  const header = "{'descr': '<i4', 'fortran_order': False, 'shape': (2, 3), }";
  const start = Buffer.from(`\x93NUMPY\x01\x00\x00\x00${header.padEnd(117)}\n`, 'latin1');
  start.writeUInt16LE(118, 8);
  const npy = Buffer.concat([start, Buffer.from(Int32Array.of(1, 2, 3, 4, 5, 6).buffer)]);
  expect(await write('f.npy', npy)).toEqual({ 0: ['1', '4'], 1: ['2', '5'], 2: ['3', '6'] });
  expect(await write('shape.txt', 'round\nflat\n')).toEqual({ shape: ['round', 'flat'] });
});

test('a value that is missing is named', async () => {
  await expect(write('gap.csv', 'a,b\n1,\n')).rejects.toThrow(/has no value for b/);
});

test('a side has them where the analysis takes features', async () => {
  await writeFile(join(folder, 'x.json'), '[[1, 2], [3, 4], [5, 6]]');
  const open = async (labels: string) =>
    openInput('x.json', {
      cwd: folder,
      options: {},
      input: 'samples',
      labels,
      factors: true,
      engine: await cpuEngine(),
      warn: () => undefined,
      step: () => Promise.resolve(),
    });
  await writeFile(join(folder, 'three.csv'), 'a,b\n1,x\n2,y\n3,z\n');
  const opened = await open('three.csv');
  expect([...opened.side.factors!]).toEqual([
    ['a', ['1', '2', '3']],
    ['b', ['x', 'y', 'z']],
  ]);
  await opened.close();
  await writeFile(join(folder, 'two.csv'), 'a,b\n1,x\n2,y\n');
  await expect(open('two.csv')).rejects.toThrow(/two.csv: has 2 labels for 3 samples/);
});
