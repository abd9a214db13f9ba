import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readTable } from '@repscope/core/probes/table.ts';
import { textProbeOf } from '@repscope/core/probes/text.ts';
import { tokenProbeOf } from '@repscope/core/probes/token-ids.ts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { probeTemplates } from './probe-templates.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'repscope-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

describe('the probe sets that a new one starts from', () => {
  const read = (kind: keyof typeof probeTemplates) => {
    const { file, content } = probeTemplates[kind];
    const path = join(folder, file);
    writeFileSync(path, content);
    return readTable(path);
  };

  it.each(['texts', 'table'] as const)('%s can be read as they are', async (kind) => {
    const { texts, labels, groups } = textProbeOf(await read(kind), {});
    expect(texts).toHaveLength(4);
    expect(labels).toEqual(['animals', 'animals', 'money', 'money']);
    expect(groups).toEqual(['a', 'b', 'a', 'b']);
  });

  it('tokens too', async () => {
    const { tokens, labels } = tokenProbeOf(await read('tokens'), {});
    expect(tokens[1]).toEqual(Int32Array.of(2, 3, 4, 5));
    expect(labels).toEqual(['up', 'up', 'down', 'down']);
  });
});
