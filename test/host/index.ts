// Entry of the suite that runs inside VS Code's extension host: VS Code calls `run`.
import { writeFileSync } from 'node:fs';
import Mocha from 'mocha';
import type { HostReport } from './report.ts';

export async function run(): Promise<void> {
  // What a reporter prints would drown in the window's own log: the runner prints the report.
  const mocha = new Mocha({ ui: 'bdd', reporter: 'min', timeout: 60_000 });
  // The suites are part of this bundle, so the functions that they call are put in place here.
  mocha.suite.emit('pre-require', globalThis, '', mocha);
  await import('./extension.test.ts');
  await import('./features.test.ts');
  await import('./analysis.test.ts');
  const report: HostReport = { passed: [], failed: [], skipped: [] };
  await new Promise((resolve) => {
    mocha
      .run(resolve)
      .on('pass', (test) => report.passed.push(test.fullTitle()))
      .on('pending', (test) => report.skipped.push(test.fullTitle()))
      .on('fail', (test, error: Error) =>
        report.failed.push(`${test.fullTitle()}\n${error.stack ?? error.message}`),
      );
  });
  const path = process.env['REPSCOPE_HOST_REPORT'];
  if (path) writeFileSync(path, JSON.stringify(report));
  if (report.failed.length > 0) throw new Error(`${report.failed.length} tests failed`);
}
