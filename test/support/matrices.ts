import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Rows as a JSON matrix file. */
export function writeJson(
  folder: string,
  name: string,
  rows: readonly (readonly number[])[],
): string {
  const path = join(folder, name);
  writeFileSync(path, JSON.stringify(rows));
  return path;
}
