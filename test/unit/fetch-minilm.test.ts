import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test } from 'vitest';

const script = fileURLToPath(new URL('../../scripts/fetch-minilm.mjs', import.meta.url));

let models: string;
beforeEach(() => {
  models = mkdtempSync(join(tmpdir(), 'repscope-'));
});
afterEach(() => rmSync(models, { recursive: true }));

/** Without a PATH there is no Python, so nothing can be fetched. */
const fetchWithoutPython = () =>
  spawnSync(process.execPath, [script], {
    encoding: 'utf8',
    env: { PATH: '', REPSCOPE_MODELS: models },
  });

test('where it cannot be fetched: status 3, the reason in one line, nothing left behind', () => {
  const { status, stdout } = fetchWithoutPython();
  expect(status).toBe(3);
  expect(stdout).toMatch(/^fetch-minilm: .* not fetched: python3? is not installed\n$/);
  expect(readdirSync(join(models, 'sentence-transformers'))).toEqual([]);
});

test('where it is already there: says so, status 0', () => {
  const folder = join(models, 'sentence-transformers', 'all-MiniLM-L6-v2');
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'model.safetensors'), '');
  const { status, stdout } = fetchWithoutPython();
  expect(status).toBe(0);
  expect(stdout).toContain(`is already in ${folder}`);
});
