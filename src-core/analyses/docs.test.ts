import { readdir, readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { analysisPages } from './docs.ts';

const folder = fileURLToPath(new URL('../../docs/analyses/', import.meta.url));
const pages = analysisPages();

test('there is a page for each analysis, and none left over', async () => {
  expect((await readdir(folder)).sort()).toEqual([...pages.keys()].sort());
});

test.each([...pages])('%s is what `node scripts/analysis-docs.mjs` writes', async (name, text) => {
  expect(await readFile(`${folder}${name}`, 'utf8')).toBe(text);
});

test('no table row is broken', () => {
  for (const text of pages.values()) {
    const rows = text.split('\n').filter((line) => line.startsWith('|'));
    let columns = 0;
    for (const [at, row] of rows.entries()) {
      const cells = row.replaceAll('\\|', '').split('|').length;
      if (rows[at + 1]?.startsWith('| ---')) columns = cells;
      expect(cells, row).toBe(columns);
    }
  }
});
