// The lint rule behind the arrows of ARCHITECTURE.md must itself be able to fail: each fixture
// breaks it once, and stands for the file at the same path below the repository's root.
import { ESLint } from 'eslint';
import { fileURLToPath } from 'node:url';
import tseslint from 'typescript-eslint';
import { describe, expect, it } from 'vitest';
import { boundaries } from '../../scripts/eslint-boundaries.mjs';

const root = fileURLToPath(new URL('../..', import.meta.url));
const fixtures = 'test/fixtures/eslint-boundary';

const eslint = new ESLint({
  cwd: root,
  overrideConfigFile: true,
  overrideConfig: {
    files: ['**/*.ts'],
    languageOptions: { parser: tseslint.parser },
    plugins: { repscope: boundaries },
    rules: { 'repscope/boundaries': 'error' },
  },
});

async function messages(path: string): Promise<string[]> {
  const [report] = await eslint.lintFiles(path);
  return report!.messages.map(({ message }) => message);
}

describe('the boundary rule', () => {
  it.each([
    ['src-core/analyses/engine.ts', 'native engines load only in src-core/engine, inside a worker'],
    [
      'src-core/engine/tensorflow.ts',
      'TensorFlow.js loads only in src-core/engine/tfjs, inside a worker',
    ],
    ['src-core/analyses/editor.ts', 'src-core must not import vscode'],
    ['src-core/server.ts', 'src-core must not import server/main.ts'],
    ['server/editor.ts', 'server must not import vscode'],
    ['server/client.ts', 'server must not import client/extension.ts'],
    ['client/server.ts', 'client must not import server/main.ts'],
    ['client/protocol.ts', 'client must not import vscode-languageserver/node'],
    ['webviews/src/files.ts', 'webviews must not import node:fs/promises'],
    ['webviews/src/analyses.ts', 'webviews must not import src-core/analyses/registry.ts'],
  ])('refuses %s', async (file, message) => {
    expect(await messages(`${fixtures}/${file}`)).toEqual([message]);
  });

  it('accepts what the arrows allow', async () => {
    const [report] = await eslint.lintText("export * from '@repscope/core/errors.ts';", {
      filePath: `${root}/server/errors.ts`,
    });
    expect(report!.messages).toEqual([]);
  });

  it('is on in the configuration of this repository', async () => {
    const config = (await new ESLint({ cwd: root }).calculateConfigForFile(
      `${root}/server/main.ts`,
    )) as { rules: Record<string, unknown[]> };
    expect(config.rules['repscope/boundaries']?.[0]).toBe(2);
  });
});
