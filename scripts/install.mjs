// Before `npm start` and `npm test`: installs the dependencies where they are missing or older
// than the lock file. Runs on any Node >= 20, with nothing installed.
import { spawnSync } from 'node:child_process';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));

const changed = (path) => statSync(join(root, path), { throwIfNoEntry: false })?.mtimeMs;

// npm writes this file at the end of an installation.
const installed = changed('node_modules/.package-lock.json');
if (installed === undefined || installed < changed('package-lock.json')) {
  console.log('Installing dependencies (npm ci) …');
  const { status, error } = spawnSync(
    'npm',
    ['ci', '--no-audit', '--no-fund', '--loglevel=error'],
    {
      cwd: root,
      stdio: 'inherit',
      // npm is a batch file on Windows and starts only through a shell there.
      shell: process.platform === 'win32',
    },
  );
  if (error) console.error(`npm: ${error.message}`);
  if (status !== 0) process.exit(status ?? 1);
}
