import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { temporaryFolder } from '../support/folders.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

it('the WebAssembly kernels are those of their source', () => {
  const out = join(temporaryFolder(), 'kernels.wasm');
  const script = join(root, 'scripts', 'compile-kernels.mjs');
  const { status, stderr } = spawnSync(process.execPath, [script, '--out', out], {
    encoding: 'utf8',
  });
  expect(stderr).toBe('');
  expect(status).toBe(0);
  const kept = join(root, 'src-core', 'engine', 'linear-algebra', 'wasm', 'kernels.wasm');
  expect(readFileSync(kept).equals(readFileSync(out))).toBe(true);
});
