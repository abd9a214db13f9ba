import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';
import { openInput } from '../jobs/inputs.ts';
import type { CaptureOptions } from '../jobs/messages.ts';
import type { ResultValue } from '../results/schema.ts';
import type { AnalysisDefinition, InputKind, Side } from './definition.ts';
import { cpuEngine, layer, run, type Ran, type Rows } from './test-support.ts';

// What tests of analyses of tokens share; no product code imports it.

const fixtures = fileURLToPath(new URL('../../test/fixtures', import.meta.url));

type Values = Record<string, number>;
export type AttentionValues = Record<string, number[]>;

interface Expected {
  synthetic: {
    sequences: Rows[];
    curvature: Values;
    entropy: Record<string, Values>;
    collapse: Values[];
    wide: Rows[];
    wideCollapse: Values[];
    full: Rows[];
    fullAttention: AttentionValues;
    causal: Rows[];
    causalAttention: AttentionValues;
    invariance: Record<string, { a: Rows; b: Rows } & Values>;
    uneven: Rows[];
    bins: number[][];
    lengths: Record<string, number[]>;
  };
  models: Record<
    string,
    {
      sequences: number[][];
      curvature: Values;
      entropy: Values;
      collapse: Values;
      attention: AttentionValues[];
    }
  >;
}

/** What NumPy and transformers compute; made by test/fixtures/tokens/make.py. */
export const expected = JSON.parse(
  readFileSync(join(fixtures, 'tokens', 'expected.json'), 'utf8'),
) as Expected;

export const { synthetic } = expected;

/** Sequences of one layer, as a matrix file gives them. */
export const tokens = (name: string, sequences: readonly Rows[]): Side => ({
  name,
  layered: false,
  layers: [layer(name, sequences.flat())],
  sequences: Uint32Array.from(
    [0, ...sequences.keys()].map((_, at) =>
      sequences.slice(0, at).reduce((sum, rows) => sum + rows.length, 0),
    ),
  ),
});

/** Captures a tiny checkpoint over the token ids of the fixture, and runs an analysis on it. */
export async function onModel(
  definition: AnalysisDefinition,
  input: InputKind,
  name: string,
  layers: readonly string[],
  params: Record<string, unknown> = {},
  options: CaptureOptions = {},
): Promise<Ran> {
  const folder = await mkdtemp(join(tmpdir(), 'repscope-'));
  const probe = join(folder, 'ids.jsonl');
  const lines = expected.models[name]!.sequences.map((ids) => JSON.stringify({ ids }));
  await writeFile(probe, lines.join('\n'));
  const opened = await openInput(join(fixtures, name), {
    cwd: folder,
    options: { probe, layers: [...layers], ...options },
    input,
    ...(definition.reduction ? { reduction: definition.reduction } : {}),
    engine: await cpuEngine(),
    warn: () => undefined,
    step: () => Promise.resolve(),
  });
  try {
    return await run(definition, [opened.side], params);
  } finally {
    await opened.close();
    await rm(folder, { recursive: true });
  }
}

/** Holds numbers, lists and lists of lists to a relative error. */
export function near(found: ResultValue | undefined, wanted: unknown, tolerance: number): void {
  if (Array.isArray(wanted)) {
    expect(found).toHaveLength(wanted.length);
    wanted.forEach((item, at) => near((found as ResultValue[])[at], item, tolerance));
    return;
  }
  const scale = Math.max(Math.abs(wanted as number), 1e-3);
  expect(Math.abs((found as number) - (wanted as number)) / scale).toBeLessThan(tolerance);
}
