import { resolve } from 'node:path';
import type { ProbeKind } from '../probe-kind.ts';
import { textFeed } from '../text-feed.ts';
import { textProbeOf } from '../text.ts';
import { parseTableSpec, readTable } from '../table.ts';
import { tokenFeed } from '../token-feed.ts';
import { holdsIds, tokenProbeOf } from '../token-ids.ts';

/** Files with a sample a line: texts, or lists of token ids. */
export const tables: ProbeKind = {
  forms: 'a .txt, .jsonl, .csv or .tsv file',
  matches: (spec) => parseTableSpec(spec) !== undefined,
  async open(spec, cwd) {
    const { path, columns } = parseTableSpec(spec)!;
    const table = await readTable(resolve(cwd, path));
    if (columns.text === undefined && holdsIds(table)) {
      const probe = tokenProbeOf(table, columns);
      return { feed: (target) => tokenFeed(target, { ...probe, spec }) };
    }
    const probe = textProbeOf(table, columns);
    return { feed: (target) => textFeed(target, probe, spec) };
  },
};
