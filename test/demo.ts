import { cp } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The demo workspace as the repository carries it. */
export const demoFolder = fileURLToPath(new URL('../examples/digits', import.meta.url));

/** Copy the demo workspace into `folder`, so that a test may change it; answers where it is. */
export async function copyDemo(folder: string): Promise<string> {
  const copy = join(folder, 'digits');
  await cp(demoFolder, copy, { recursive: true });
  return copy;
}
