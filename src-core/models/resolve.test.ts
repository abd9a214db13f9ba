import { mkdir, mkdtemp, realpath, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { looksLikeHubId, modelsFolder, resolveModel } from './resolve.ts';

let folder = '';
beforeEach(async () => {
  folder = await realpath(await mkdtemp(join(tmpdir(), 'resolve-')));
  vi.stubEnv('HOME', folder);
  vi.stubEnv('USERPROFILE', folder);
  for (const name of ['HF_HUB_CACHE', 'HUGGINGFACE_HUB_CACHE', 'HF_HOME', 'XDG_CACHE_HOME']) {
    vi.stubEnv(name, '');
  }
  vi.stubEnv('REPSCOPE_MODELS', join(folder, 'own'));
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(folder, { recursive: true });
});

async function file(...parts: string[]): Promise<string> {
  const path = join(folder, ...parts);
  await mkdir(join(path, '..'), { recursive: true });
  await writeFile(path, 'x');
  return path;
}

test('paths relative to the first folder that has them, and absolute ones', async () => {
  const first = await file('a', 'm.onnx');
  await file('b', 'm.onnx');
  const second = await file('b', 'sub', 'n.onnx');
  const folders = [join(folder, 'a'), join(folder, 'b')];
  expect(await resolveModel('m.onnx', folders)).toBe(first);
  expect(await resolveModel('./sub/n.onnx', folders)).toBe(second);
  expect(await resolveModel('../b/sub', folders)).toBe(join(folder, 'b', 'sub'));
  expect(await resolveModel(second, [])).toBe(second);
  expect(await resolveModel('none.onnx', folders)).toBeUndefined();
  expect(await resolveModel(join(folder, 'none'), folders)).toBeUndefined();
  expect(await resolveModel('', folders)).toBeUndefined();
});

const hub = (root: string[], id: string, revision: string) =>
  file(...root, `models--${id}`, 'snapshots', revision, 'config.json');

test('hub ids in the cache that the environment names', async () => {
  const revision = 'c5f93f70e82d1b9b8a2ba3e1f2a4d2f5c6b7a890';
  const roots: [string, string[]][] = [
    ['', ['.cache', 'huggingface', 'hub']],
    ['HF_HOME', ['home', 'hub']],
    ['HF_HUB_CACHE', ['cache']],
  ];
  for (const [name, root] of roots) {
    if (name !== '') vi.stubEnv(name, join(folder, root[0]!));
    await hub(root, 'org--model', revision);
    const snapshot = join(folder, ...root, 'models--org--model', 'snapshots', revision);
    expect(await resolveModel('org/model', [])).toBe(snapshot);
  }
  expect(await resolveModel('org/other', [])).toBeUndefined();
});

test('refs/main decides among snapshots, else the newest', async () => {
  vi.stubEnv('HF_HUB_CACHE', join(folder, 'cache'));
  const snapshots = join(folder, 'cache', 'models--gpt2', 'snapshots');
  await hub(['cache'], 'gpt2', 'aaaaaaa');
  await hub(['cache'], 'gpt2', 'bbbbbbb');
  await utimes(join(snapshots, 'aaaaaaa'), 1000, 1000);
  await utimes(join(snapshots, 'bbbbbbb'), 2000, 2000);
  expect(await resolveModel('gpt2', [])).toBe(join(snapshots, 'bbbbbbb'));
  const main = await file('cache', 'models--gpt2', 'refs', 'main');
  await writeFile(main, 'aaaaaaa\n');
  expect(await resolveModel('gpt2', [])).toBe(join(snapshots, 'aaaaaaa'));
  // A reference is a commit, never a way out of the cache.
  await writeFile(main, '../../..');
  expect(await resolveModel('gpt2', [])).toBe(join(snapshots, 'bbbbbbb'));
});

test('Repscope’s own folder comes after the cache; a file of that name before both', async () => {
  await file('own', 'org', 'model', 'config.json');
  expect(modelsFolder()).toBe(join(folder, 'own'));
  expect(await resolveModel('org/model', [])).toBe(join(folder, 'own', 'org', 'model'));
  vi.stubEnv('HF_HUB_CACHE', join(folder, 'cache'));
  await hub(['cache'], 'org--model', 'abcdef0');
  expect(await resolveModel('org/model', [])).toMatch(/abcdef0$/);
  const local = await file('work', 'org', 'model');
  expect(await resolveModel('org/model', [join(folder, 'work')])).toBe(local);
});

test('what looks like a hub id', () => {
  const ids = ['gpt2', 'sentence-transformers/all-MiniLM-L6-v2', 'org/model.v1', 'a/b_c'];
  expect(ids.filter((id) => !looksLikeHubId(id))).toEqual([]);
  const others = [
    '',
    './gpt2',
    '../a/b',
    '/a/b',
    'a/b/c',
    'm.onnx',
    'a--b',
    'a b',
    'C:\\m',
    'a/..',
  ];
  expect(others.filter(looksLikeHubId)).toEqual([]);
});
