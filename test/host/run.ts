// Runs the suite of this folder inside a real VS Code: node test/host/run.ts
// It writes build/reports/host.json.
import { runTests } from '@vscode/test-electron';
import { build } from 'esbuild';
import { chmod, mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { copyDemo } from '../demo.ts';
import type { HostReport } from './report.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const suite = join(root, 'build', 'host', 'index.cjs');
const reportPath = join(root, 'build', 'reports', 'host.json');
const standIn = join(root, 'test', 'vscode', 'stand-in.mjs');

const print = (line: string) => process.stdout.write(`${line}\n`);

async function main(): Promise<number> {
  await build({
    entryPoints: [join(root, 'test', 'host', 'index.ts')],
    outfile: suite,
    bundle: true,
    platform: 'node',
    format: 'cjs',
    external: ['vscode', 'mocha'],
    logLevel: 'warning',
  });
  await mkdir(dirname(reportPath), { recursive: true });
  await rm(reportPath, { force: true });
  await chmod(standIn, 0o755);
  const folder = await mkdtemp(join(tmpdir(), 'repscope-host-'));
  try {
    await runTests({
      vscodeExecutablePath: standIn,
      extensionDevelopmentPath: root,
      extensionTestsPath: suite,
      launchArgs: [await copyDemo(folder)],
      extensionTestsEnv: { REPSCOPE_HOST_REPORT: reportPath },
    }).catch((error: unknown) => print(String(error)));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  const report = JSON.parse(await readFile(reportPath, 'utf8')) as HostReport;
  for (const title of report.passed) print(`✓ ${title}`);
  for (const title of report.skipped) print(`- ${title}`);
  for (const failure of report.failed) print(`✗ ${failure}`);
  return report.failed.length > 0 ? 1 : 0;
}

process.exitCode = await main();
