import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import * as languageServer from './language-server.ts';

const document = readFileSync(new URL('../../PROTOCOL.md', import.meta.url), 'utf8');

it('lists every message of the language server, and no other', () => {
  const sent = Object.values(languageServer).flatMap((value) =>
    'method' in value && typeof value.method === 'string' ? [value.method] : [],
  );
  const listed = [...document.matchAll(/^\| `(repscope\/\w+)`/gm)].map((match) => match[1]);
  expect(listed.toSorted()).toEqual(sent.toSorted());
});

it('lists every command that lenses and hovers name', () => {
  for (const command of Object.values(languageServer.commands)) {
    expect(document).toContain(`\`${command}\``);
  }
});

it('lists every message of the webviews', () => {
  const source = readFileSync(new URL('./webview.ts', import.meta.url), 'utf8');
  for (const [, type] of source.matchAll(/type: '(\w+)'/g)) {
    expect(document).toContain(`\`${type}\``);
  }
});
