import { join } from 'node:path';
import { expect, test } from 'vitest';
import { temporaryFolder } from '../support/folders.ts';
import { fuzz } from '../support/fuzz.ts';
import { readers } from '../support/readers.ts';

/** Damaged files in all; test/bench/fuzz.ts reads a million. */
const cases = Number(process.env['REPSCOPE_FUZZ_CASES'] ?? 20_000);
const each = Math.ceil(cases / readers.length);

test.each(readers.map(({ name }) => name))(
  `${each} damaged files: %s reads or refuses each with a reason, within a second`,
  async (name) => {
    const reader = readers.find((item) => item.name === name)!;
    const report = await fuzz(reader, join(temporaryFolder(), 'damaged'), 1, each);
    expect(report.crashes).toEqual([]);
    expect(report.hangs).toEqual([]);
    // Neither does it take everything, nor refuse everything.
    expect(report.read).toBeGreaterThan(0);
    expect(report.read).toBeLessThan(each);
  },
);
