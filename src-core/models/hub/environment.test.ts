import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { hubCache, hubEndpoint, readToken } from './environment.ts';

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'repscope-env-'));
  for (const name of [...Object.keys(process.env), 'XDG_CACHE_HOME']) {
    if (/^(HF_|HUGGING|XDG_CACHE)/.test(name)) vi.stubEnv(name, '');
  }
  vi.stubEnv('HOME', folder);
  vi.stubEnv('USERPROFILE', folder);
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(folder, { recursive: true });
});

test('the token comes from the variable, else its file, else the home of the cache', async () => {
  expect(await readToken()).toBe('');
  vi.stubEnv('HF_HOME', folder);
  await writeFile(join(folder, 'token'), 'hf_home\n');
  expect(await readToken()).toBe('hf_home');
  await writeFile(join(folder, 'other'), 'hf_file\n');
  vi.stubEnv('HF_TOKEN_PATH', join(folder, 'other'));
  expect(await readToken()).toBe('hf_file');
  vi.stubEnv('HF_TOKEN', 'hf_variable');
  expect(await readToken()).toBe('hf_variable');
  vi.stubEnv('HF_HUB_DISABLE_IMPLICIT_TOKEN', '1');
  expect(await readToken()).toBe('');
});

test('a token that cannot be sent is refused without being shown', async () => {
  vi.stubEnv('HF_TOKEN', 'hf_se\ncret');
  const error: unknown = await readToken().catch((reason: unknown) => reason);
  expect(error).toMatchObject({ code: 'usage', where: 'HF_TOKEN' });
  expect(String(error)).not.toContain('cret');
});

test('the cache lies where the Python library has it', () => {
  expect(hubCache()).toBe(join(folder, '.cache', 'huggingface', 'hub'));
  vi.stubEnv('XDG_CACHE_HOME', join(folder, 'xdg'));
  expect(hubCache()).toBe(join(folder, 'xdg', 'huggingface', 'hub'));
  vi.stubEnv('HF_HOME', '~/hf');
  expect(hubCache()).toBe(join(folder, 'hf', 'hub'));
  vi.stubEnv('HF_HUB_CACHE', join(folder, 'c'));
  expect(hubCache()).toBe(join(folder, 'c'));
});

test('the endpoint', () => {
  expect(hubEndpoint()).toBe('https://huggingface.co');
  vi.stubEnv('HF_ENDPOINT', 'http://mirror.example/hf/');
  expect(hubEndpoint()).toBe('http://mirror.example/hf');
  for (const bad of ['mirror.example', 'ftp://mirror.example', 'https://user:secret@host']) {
    vi.stubEnv('HF_ENDPOINT', bad);
    expect(hubEndpoint).toThrow(/^HF_ENDPOINT: is not the address of a hub/);
  }
});
