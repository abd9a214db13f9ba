import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { version } from './version.ts';

it.each(['../package.json', './package.json', '../server/package.json', '../client/package.json'])(
  '%s carries the version that results record',
  (manifest) => {
    const text = readFileSync(new URL(manifest, import.meta.url), 'utf8');
    expect((JSON.parse(text) as { version: string }).version).toBe(version);
  },
);
