// Runs every check in order, counts the tests of all of them and ends with one line of totals.
import { spawn } from 'node:child_process';
import { mkdir, readFile, rm } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const reports = join(root, 'build', 'reports');
const modules = join(root, 'node_modules');

/** Longer than any stage takes; a stage that hangs fails instead. */
const STAGE_LIMIT_MS = 8 * 60_000;

const none = { passed: 0, failed: 0, skipped: 0 };

const vitest = (report, ...args) => [
  join(modules, 'vitest', 'vitest.mjs'),
  'run',
  ...['--reporter=json', `--outputFile.json=${join(reports, report)}`],
  ...args,
];

/** `count` reads the tests of a stage; a stage without it is one check that passes or fails. */
const stages = [
  { name: 'types', args: [join(modules, 'typescript', 'bin', 'tsc'), '-b'] },
  { name: 'lint', args: [join(modules, 'eslint', 'bin', 'eslint.js'), '.'] },
  {
    name: 'format',
    args: [join(modules, 'prettier', 'bin', 'prettier.cjs'), '--check', '--log-level=warn', '.'],
  },
  { name: 'build', args: ['scripts/build.mjs'] },
  { name: 'sentence encoder', args: ['scripts/fetch-minilm.mjs'], optional: true },
  {
    name: 'unit tests',
    args: vitest('unit.json', '--reporter=default'),
    count: () => vitestCounts('unit.json'),
  },
  { name: 'package', args: ['scripts/package.mjs'] },
  { name: 'tests inside VS Code', args: ['test/host/run.ts'], count: hostCounts },
  {
    name: 'end-to-end tests',
    args: vitest('e2e.json', '--reporter=verbose', '--config', 'test/e2e/vitest.config.ts'),
    count: () => vitestCounts('e2e.json'),
  },
];

async function main() {
  await rm(reports, { recursive: true, force: true });
  await mkdir(reports, { recursive: true });
  const total = { ...none };
  const failures = [];
  for (const stage of stages) {
    const { counts, problem } = await runStage(stage);
    for (const key of Object.keys(total)) total[key] += counts[key];
    if (problem) failures.push(`${stage.name}: ${problem}`);
  }
  console.log('');
  for (const failure of failures) console.log(failure);
  const skipped = total.skipped > 0 ? `, ${total.skipped} skipped` : '';
  console.log(`${total.passed} passed, ${total.failed} failed${skipped}`);
  return total.failed > 0 ? 1 : 0;
}

async function runStage({ name, args, count, optional }) {
  console.log(`\n── ${name}`);
  const start = performance.now();
  const status = await run(args);
  const seconds = ((performance.now() - start) / 1000).toFixed(1);
  const ended = `── ${name}: ${status === 0 ? 'ok' : status} (${seconds} s)`;
  if (optional && status !== 0) {
    console.log(`${ended}; the tests that need it are skipped`);
    return { counts: none, problem: `${status}, the tests that need it were skipped` };
  }
  const counts = (await count?.().catch(() => undefined)) ?? { ...none };
  // A stage that fails as a whole counts as one failure.
  if (status !== 0 && counts.failed === 0) counts.failed = 1;
  const tests = count
    ? `: ${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`
    : '';
  console.log(`${ended}${tests}`);
  return { counts, problem: counts.failed > 0 ? `${counts.failed} failed` : undefined };
}

/** Runs Node on `args`; 0, or how it ended. */
function run(args) {
  const child = spawn(process.execPath, args, {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit'],
    timeout: STAGE_LIMIT_MS,
    env: {
      ...process.env,
      PATH: `${join(modules, '.bin')}${delimiter}${process.env.PATH ?? ''}`,
    },
  });
  return new Promise((resolve) => {
    child.on('error', (error) => resolve(error.message));
    child.on('close', (code, signal) =>
      resolve(code === 0 ? 0 : signal ? `ended by ${signal}` : `exit code ${code}`),
    );
  });
}

async function vitestCounts(name) {
  const report = JSON.parse(await readFile(join(reports, name), 'utf8'));
  const tests = report.testResults.flatMap(({ assertionResults }) => assertionResults);
  const skipped = tests.filter(({ status }) => status !== 'passed' && status !== 'failed');
  for (const { fullName } of skipped) console.log(`skipped: ${fullName}`);
  return {
    passed: report.numPassedTests,
    failed: report.numFailedTests,
    skipped: skipped.length,
  };
}

async function hostCounts() {
  const report = JSON.parse(await readFile(join(reports, 'host.json'), 'utf8'));
  return Object.fromEntries(Object.keys(none).map((key) => [key, report[key].length]));
}

process.exitCode = await main();
