// Our side of a comparison: runs the analysis that each line of input describes, and answers with
// one line of figures (see harness.ts).
import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { createInterface } from 'node:readline';
import type { Side } from '../../../src-core/analyses/definition.ts';
import { findAnalysis, parseParams } from '../../../src-core/analyses/registry.ts';
import { createEngine } from '../../../src-core/engine/device-engine.ts';
import { defaultMemoryLimit } from '../../../src-core/jobs/messages.ts';
import { openMatrix, type MatrixFile } from '../../../src-core/tensor/matrix-file.ts';
import type { Case, SideFiles } from './harness.ts';

const engine = await createEngine('cpu');

async function openSide(
  files: SideFiles,
  labels: readonly string[] | undefined,
  opened: MatrixFile[],
): Promise<Side> {
  const layers = [];
  for (const file of typeof files === 'string' ? [files] : files) {
    const matrix = await openMatrix(file, '/');
    opened.push(matrix);
    layers.push(matrix);
  }
  const layered = typeof files !== 'string';
  const name = basename(typeof files === 'string' ? files : files[0]!, '.npy');
  return { name, layered, layers, ...(labels ? { labels } : {}) };
}

const numbers = (value: unknown): number[] =>
  Array.isArray(value) ? value.flatMap(numbers) : value === null ? [NaN] : [Number(value)];

async function round({ run, sides, params = {}, labels, value }: Case['ours']) {
  const definition = findAnalysis(run);
  const opened: MatrixFile[] = [];
  const begun = performance.now();
  const busy = process.cpuUsage();
  try {
    const text = labels === undefined ? undefined : await readFile(labels, 'utf8');
    const named: Side[] = [];
    for (const files of sides) {
      named.push(await openSide(files, text?.split('\n'), opened));
    }
    const outcome = await definition.run(named, parseParams(definition, params), {
      engine,
      warn: () => undefined,
      open: async (spec) => {
        const matrix = await openMatrix(spec, '/');
        opened.push(matrix);
        return matrix;
      },
      memoryLimit: defaultMemoryLimit,
      step: () => new Promise((resolve) => setImmediate(resolve)),
    });
    const { user, system } = process.cpuUsage(busy);
    return {
      seconds: (performance.now() - begun) / 1000,
      busy: (user + system) / 1e6,
      value: numbers(outcome.values[value ?? definition.headline]),
    };
  } finally {
    for (const matrix of opened) await matrix.close();
  }
}

for await (const line of createInterface(process.stdin)) {
  process.stdout.write(`${JSON.stringify(await round(JSON.parse(line) as Case['ours']))}\n`);
  // What a round left behind must not be collected while the peer runs.
  globalThis.gc?.();
}
