import { UserError } from '../errors.ts';
import { arrays } from './kinds/arrays.ts';
import { digits, embedded, texts } from './kinds/embedded.ts';
import { media } from './kinds/media.ts';
import { noise } from './kinds/noise.ts';
import { tables } from './kinds/tables.ts';
import type { ProbeKind, ProbeSet } from './probe-kind.ts';

/** The first that matches a spec opens it. */
const kinds: readonly ProbeKind[] = [embedded, texts, digits, noise, arrays, tables, media];

/**
 * Opens a probe set: the embedded texts or digits, noise, or files.
 * @throws UserError `usage` where `spec` names none; `missing`, `empty`, … where it cannot be read.
 */
export async function openProbe(spec: string, cwd: string): Promise<ProbeSet> {
  for (const kind of kinds) {
    if (await kind.matches(spec, cwd)) return kind.open(spec, cwd);
  }
  throw new UserError(
    'usage',
    `probe '${spec}'`,
    'neither a known probe set nor a file of a known kind',
    `use ${kinds.map(({ forms }) => forms).join(', ')}`,
  );
}
