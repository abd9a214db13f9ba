// The product needs Node >= 22.13 (node:sqlite). A checkout carries one as the npm package
// `node`; a command started by an older Node runs itself again under that one.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export function nodeIsRecentEnough(version = process.versions.node) {
  const [major, minor] = version.split('.').map(Number);
  return major > 22 || (major === 22 && minor >= 13);
}

/** The Node binary of the npm package `node` that is visible from `fromUrl`, or undefined. */
export function bundledNode(fromUrl) {
  try {
    const manifest = createRequire(fromUrl).resolve('node/package.json');
    const binary = join(
      dirname(manifest),
      'bin',
      process.platform === 'win32' ? 'node.exe' : 'node',
    );
    return existsSync(binary) ? binary : undefined;
  } catch {
    return undefined;
  }
}

/** Import `entry` (relative to `fromUrl`), under a Node that is recent enough. */
export async function runUnderRequiredNode(fromUrl, entry) {
  if (!nodeIsRecentEnough()) {
    const binary = bundledNode(fromUrl);
    if (!binary) {
      console.error(
        `repscope: Node ${process.versions.node}: too old, 22.13 or newer is needed; run npm install, or update Node`,
      );
      process.exit(2);
    }
    const child = spawnSync(binary, process.argv.slice(1), { stdio: 'inherit' });
    process.exit(child.status ?? 1);
  }
  const target = new URL(entry, fromUrl);
  if (!existsSync(target)) {
    console.error(`repscope: ${fileURLToPath(target)}: not built; run npm run build`);
    process.exit(2);
  }
  await import(target.href);
}
