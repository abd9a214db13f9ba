// Writes docs/analyses from the registry of analyses.
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { analysisPages } from '../src-core/analyses/docs.ts';

const folder = fileURLToPath(new URL('../docs/analyses/', import.meta.url));
await rm(folder, { recursive: true, force: true });
await mkdir(folder, { recursive: true });
for (const [name, text] of analysisPages()) await writeFile(`${folder}${name}`, text);
